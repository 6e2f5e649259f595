"""The engine: order, halving, errors of its threads, precision."""

import threading
import time

import pytest
import torch
from infer_fakes import SETTINGS, FakeEmbedder, tiles
from torch import nn

from rsweep.stages.infer.engine import (
    AHEAD,
    Engine,
    convolutional,
    out_of_memory,
    read_ahead,
    write_behind,
)

CPU = torch.device("cpu")


def embed_all(engine, count, load=tiles):
    return {
        n: v
        for span, maps in engine.run(count, load)
        for n, v in zip(span, maps.vectors["cls"][:, 0].tolist(), strict=True)
    }


@pytest.mark.parametrize("count, batch", [(1, 4), (7, 4), (8, 4), (9, 1), (5, 100)])
def test_every_tile_comes_out_once_and_in_order(count, batch):
    found = embed_all(Engine(FakeEmbedder(), SETTINGS, CPU, batch), count)
    assert list(found) == list(range(count))
    assert list(found.values()) == [float(n) for n in range(count)]


def test_out_of_memory_halves_and_goes_on_from_the_same_tile():
    embedder = FakeEmbedder(room=3)
    engine = Engine(embedder, SETTINGS, CPU, 16)
    found = embed_all(engine, 10)
    assert found == {n: float(n) for n in range(10)}
    assert engine.batch == 2
    assert embedder.calls == [10, 8, 4, 2, 2, 2, 2, 2]


def test_out_of_memory_in_the_middle_keeps_what_is_done():
    embedder = FakeEmbedder()
    engine = Engine(embedder, SETTINGS, CPU, 4)
    found = []
    for span, _ in engine.run(12, tiles):
        found += span
        embedder.room = 2  # memory runs out after the first batch
    assert found == list(range(12))
    assert embedder.calls == [4, 4, 2, 2, 2, 2]


def test_one_tile_that_does_not_fit_is_an_error():
    with pytest.raises(torch.OutOfMemoryError):
        embed_all(Engine(FakeEmbedder(room=0), SETTINGS, CPU, 8), 3)


def test_another_error_is_not_taken_for_lack_of_memory():
    def embed(batch):
        raise RuntimeError("shapes do not match")

    embedder = FakeEmbedder()
    embedder.embed = embed
    with pytest.raises(RuntimeError, match="shapes"):
        embed_all(Engine(embedder, SETTINGS, CPU, 8), 3)
    assert not out_of_memory(RuntimeError("shapes"))
    assert out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))


def test_an_error_of_the_reader_surfaces_and_its_thread_ends():
    def load(span):
        if span.start:
            raise OSError("disk gone")
        return tiles(span)

    before = threading.active_count()
    with pytest.raises(OSError, match="disk gone"):
        embed_all(Engine(FakeEmbedder(), SETTINGS, CPU, 2), 6, load)
    assert threading.active_count() == before


def test_reading_runs_ahead_but_not_away():
    read = []

    def load(span):
        read.append(span.start)
        return span.start

    source = read_ahead([range(n, n + 1) for n in range(20)], load)
    next(source)
    time.sleep(0.3)
    assert len(read) == AHEAD + 2  # one in use, AHEAD waiting, one in hand
    source.close()


def test_writing_is_in_order_and_complete_at_the_end():
    written = []

    def write(span, maps):
        time.sleep(0.01)
        written.append(span.start)

    items = ((range(n, n + 1), None) for n in range(9))
    assert [span.start for span in write_behind(items, write)] == list(range(9))
    assert written == list(range(9))


def test_an_error_of_the_writer_surfaces():
    def write(span, maps):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        list(write_behind(((range(n, n + 1), None) for n in range(5)), write))


def test_fp32_is_fp32():
    torch.backends.cuda.matmul.allow_tf32 = True
    Engine(FakeEmbedder(), SETTINGS, CPU, 1)
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("precision, dtype", [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_precision_is_that_of_the_matrix_products_and_results_are_float32(precision, dtype):
    seen = []
    embedder = FakeEmbedder()
    embed = embedder.embed

    def watch(batch):
        seen.append(embedder.network(torch.ones(1, 1)).dtype)
        return embed(batch)

    embedder.embed = watch
    engine = Engine(embedder, SETTINGS | {"precision": precision}, CPU, 4)
    ((_, maps),) = engine.run(2, tiles)
    assert seen == [dtype]
    assert maps.maps["patch"].dtype == torch.float32


def test_only_networks_of_convolutions_are_channels_last():
    assert convolutional(nn.Sequential(nn.Conv2d(8, 8, 3), nn.Linear(2, 2)))
    assert not convolutional(nn.Sequential(nn.Conv2d(2, 2, 3), nn.Linear(100, 100)))
    network = nn.Conv2d(4, 4, 3)
    embedder = FakeEmbedder()
    embedder.network = network
    Engine(embedder, SETTINGS, CPU, 1)
    assert network.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_compiled_network_is_compiled_once(monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(self))
    embedder = FakeEmbedder()
    Engine(embedder, SETTINGS | {"compile": True}, CPU, 1)
    assert compiled == [embedder.network]
