"""What the engine does on a CUDA device alone: streams, pinned memory, events, memory, energy.

One test for each branch that `grep -rn cuda src/rsweep` finds. Each is skipped without a device.
"""

import math
import time

import numpy as np
import pytest
import torch
from infer_fakes import SETTINGS, FakeEmbedder, tiles
from torch import nn

from rsweep.models.protocol import TokenMaps
from rsweep.models.rcf.network import HELD
from rsweep.stages.infer import batching, engine, networks, run
from rsweep.stages.infer.energy import Meter
from rsweep.stages.infer.engine import Engine, choose_device, over

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.fixture
def gpu():
    return choose_device()


class Busy(FakeEmbedder):
    """Keeps the device busy for some milliseconds before it reads its tiles."""

    def embed(self, batch):
        assert batch.pixels["s2"].device.type == "cuda"
        torch.cuda._sleep(20_000_000)
        return super().embed(batch)


def embed_all(one, count):
    return {
        n: v
        for span, maps in one.run(count, tiles)
        for n, v in zip(span, maps.vectors["cls"][:, 0].tolist(), strict=True)
    }


def test_a_gpu_is_chosen_where_there_is_one(gpu):
    assert gpu.type == "cuda"


def test_copies_have_a_stream_of_their_own(gpu):
    one = Engine(FakeEmbedder(), SETTINGS, gpu, 4)
    assert one._copies is not None
    assert one._copies != torch.cuda.current_stream(gpu)
    assert next(one.embedder.network.parameters()).device.type == "cuda"


def test_tiles_come_out_in_order_and_as_on_the_cpu_while_copies_run_beside_compute(gpu):
    found = embed_all(Engine(Busy(), SETTINGS, gpu, 3), 50)
    assert found == {n: float(n) for n in range(50)}


def test_a_batch_is_staged_from_pinned_memory_and_an_event_tells_when(gpu, monkeypatch):
    pinned = []
    real = torch.Tensor.pin_memory
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda t: pinned.append(t) or real(t))
    staged = Engine(FakeEmbedder(), SETTINGS, gpu, 4)._stage(tiles(range(4)))
    assert pinned
    staged.copied.synchronize()
    assert staged.copied.query()
    assert staged.batch.pixels["s2"].device.type == "cuda"
    assert torch.equal(staged.batch.pixels["s2"].cpu(), tiles(range(4)).pixels["s2"])


def test_compute_waits_for_the_copy(gpu):
    """Without it the network would read what the copy, late on its stream, has not brought yet."""
    one = Engine(FakeEmbedder(), SETTINGS, gpu, 4)
    for _ in range(5):
        with torch.cuda.stream(one._copies):
            torch.cuda._sleep(50_000_000)
        maps = one._launch(one._stage(tiles(range(4)))).wait()
        assert maps.vectors["cls"][:, 0].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_staged_memory_is_not_used_again_before_compute_is_done(gpu):
    one = Engine(Busy(), SETTINGS, gpu, 64)
    flying = []
    for start in range(0, 640, 64):
        staged = one._stage(tiles(range(start, start + 64)))
        flying.append((start, one._launch(staged)))
        del staged  # its memory is free for the next copy, on another stream
    for start, launched in flying:
        got = launched.wait().vectors["cls"][:, 0].tolist()
        assert got == [float(n) for n in range(start, start + 64)]


def test_results_are_copied_to_pinned_memory_and_an_event_tells_when(gpu):
    one = Engine(Busy(), SETTINGS, gpu, 4)
    launched = one._launch(one._stage(tiles(range(4))))
    assert launched.copied is not None
    assert launched.maps.vectors["cls"].is_pinned()
    assert launched.wait().vectors["cls"][:, 0].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert launched.copied.query()


def test_a_host_copy_of_what_is_on_the_cpu_is_itself(gpu):
    tensor = torch.ones(2)
    assert Engine(FakeEmbedder(), SETTINGS, gpu, 4)._to_host(tensor) is tensor


def test_memory_that_runs_out_in_the_reader_halves_the_batch(gpu, monkeypatch):
    one, real = Engine(FakeEmbedder(), SETTINGS, gpu, 8), engine.over

    def refuse(batch, change):
        if len(batch.gsd) > 2 and change is torch.Tensor.pin_memory:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(batch, change)

    monkeypatch.setattr(engine, "over", refuse)
    assert embed_all(one, 9) == {n: float(n) for n in range(9)}
    assert one.batch == 2


def test_memory_that_really_runs_out_halves_the_batch_and_is_given_back(gpu):
    room = torch.cuda.get_device_properties(gpu).total_memory

    class Greedy(FakeEmbedder):
        def embed(self, batch):
            share = len(batch.gsd) / 4  # four tiles take three quarters of the device
            torch.empty(int(0.75 * room * share), dtype=torch.uint8, device=gpu)
            return super().embed(batch)

    one = Engine(Greedy(), SETTINGS, gpu, 8)
    assert embed_all(one, 10) == {n: float(n) for n in range(10)}
    assert one.batch <= 4
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved(gpu) < 0.1 * room


def test_seconds_of_a_batch_are_of_work_and_infinite_where_memory_runs_out(gpu):
    assert 0.001 < Engine(Busy(), SETTINGS, gpu, 4).seconds(tiles(range(4))) < 60
    assert math.isinf(Engine(FakeEmbedder(room=2), SETTINGS, gpu, 4).seconds(tiles(range(4))))


@pytest.mark.parametrize("precision, dtype", [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_half_precision_is_used_within_and_float_comes_out(gpu, precision, dtype):
    seen = []

    class Linear(FakeEmbedder):
        def embed(self, batch):
            out = self.network(batch.pixels["s2"].mean(dim=(1, 2, 3, 4))[:, None])
            seen.append(out.dtype)
            return TokenMaps({"patch": out[..., None, None]}, {"cls": out})

    one = Engine(Linear(), {**SETTINGS, "precision": precision}, gpu, 4)
    ((_, maps),) = one.run(4, tiles)
    assert seen == [dtype]
    assert maps.vectors["cls"].dtype == torch.float32


def test_fp32_is_fp32(gpu):
    """TF32 would leave three digits."""
    Engine(FakeEmbedder(), SETTINGS, gpu)
    a, b = (torch.randn(512, 512, dtype=torch.float64) for _ in range(2))
    got = (a.float().to(gpu) @ b.float().to(gpu)).cpu().double()
    assert float((got - a @ b).abs().max() / (a @ b).abs().max()) < 1e-5


def test_a_first_batch_is_larger_than_on_the_cpu(gpu):
    assert engine.first_batch(gpu, 224) > engine.first_batch(torch.device("cpu"), 224)


def test_batch_sizes_are_remembered_by_the_device_s_name(gpu):
    assert batching.device_name(gpu) == torch.cuda.get_device_name(gpu)
    assert {gpu.type} <= batching.LARGEST.keys() & batching.SMALLEST.keys()
    assert gpu.type in batching.WORTH_S.keys() & HELD.keys()


def test_networks_may_hold_a_share_of_the_device_s_memory_and_give_it_back(gpu):
    held = networks.Networks()
    assert held.device == gpu
    held.limit_mb(1)
    total = torch.cuda.get_device_properties(gpu).total_memory
    assert held._limit == round(total * networks.SHARE)
    block = nn.Linear(4096, 4096).to(gpu)
    size = sum(p.numel() * p.element_size() for p in block.parameters())
    held._held["x"] = networks.Loaded(Engine(FakeEmbedder(), SETTINGS, gpu), {}, size)
    before = torch.cuda.memory_reserved(gpu)
    del block
    held.clear()
    assert len(held) == 0
    assert torch.cuda.memory_reserved(gpu) < before


def test_the_record_says_the_device_and_its_peak_of_memory(gpu):
    torch.cuda.reset_peak_memory_stats(gpu)
    block = torch.empty(64 << 20, dtype=torch.uint8, device=gpu)
    assert run._peak_memory(gpu) >= 64
    assert run._device_name(gpu) == torch.cuda.get_device_name(gpu)
    del block


def test_energy_is_counted_where_the_library_is_there(gpu):
    pytest.importorskip("pynvml")
    meter = Meter(gpu)
    until = time.monotonic() + 2
    a = torch.randn(4096, 4096, device=gpu)
    while time.monotonic() < until:
        a @ a
        torch.cuda.synchronize(gpu)
    spent = meter.watt_hours()
    if spent is None:
        pytest.skip("the driver tells no energy")
    assert 0 < spent < 2  # two seconds at under 3.6 kW


def test_a_batch_on_the_device_holds_what_it_held_on_the_host(gpu):
    batch = tiles(range(5))
    back = over(batch.to(gpu), torch.Tensor.cpu)
    for name, pixels in batch.pixels.items():
        np.testing.assert_array_equal(back.pixels[name], pixels)
