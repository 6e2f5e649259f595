"""Batch sizes: measured once, remembered, never in the way."""

import json

import pytest
import torch
from infer_fakes import SETTINGS, FakeEmbedder, tiles

from rsweep.stages.infer import batching
from rsweep.stages.infer.engine import BATCH, Engine


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "rsweep" / "batch.json"


class TimedEngine(Engine):
    """Takes the seconds that a test says, by batch size."""

    def __init__(self, cost, **kwargs):
        super().__init__(FakeEmbedder(), SETTINGS, torch.device("cpu"), **kwargs)
        self.cost, self.measured = cost, []

    def seconds(self, batch):
        self.measured.append(len(batch.gsd))
        return self.cost(len(batch.gsd))


def test_the_fastest_size_is_found_once_and_remembered(cache):
    engine = TimedEngine(lambda n: 0.5 + 0.01 * max(n, 16))
    batching.tune_batch_size(engine, SETTINGS, 10_000, tiles)
    assert engine.batch == 128  # each doubling halves the fixed half second's share
    assert next(iter(json.loads(cache.read_text()).values()))["batch"] == engine.batch
    again = TimedEngine(lambda n: 1.0)
    batching.tune_batch_size(again, SETTINGS, 10_000, tiles)
    assert again.batch == engine.batch
    assert again.measured == []


def test_gains_that_end_end_the_search():
    engine = TimedEngine(lambda n: 0.1 * n)
    batching.tune_batch_size(engine, SETTINGS, 10_000, tiles)
    assert engine.batch == 1
    assert max(engine.measured) == 2


def test_memory_that_runs_out_ends_the_search():
    engine = TimedEngine(lambda n: float("inf") if n > 16 else 1.0)
    batching.tune_batch_size(engine, SETTINGS, 10_000, tiles)
    assert engine.batch == 16


def test_little_work_is_not_worth_a_search(cache):
    engine = TimedEngine(lambda n: 1e-3 * n)
    batching.tune_batch_size(engine, SETTINGS, 500, tiles)
    assert engine.batch == BATCH["cpu"]
    assert not cache.exists()


def test_other_shapes_settings_and_threads_are_other_situations(monkeypatch):
    engine = TimedEngine(lambda n: 1.0)
    one = tiles(range(1))
    name = batching.cache_key(engine, SETTINGS, one)
    assert name == batching.cache_key(engine, SETTINGS | {"seed": 3, "weights": "x"}, one)
    assert name != batching.cache_key(engine, SETTINGS | {"patch_size": 4}, one)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    assert name != batching.cache_key(engine, SETTINGS, one)


@pytest.mark.parametrize("content", ["", "[]", '{"x": '])
def test_a_damaged_cache_is_no_cache(cache, content):
    cache.parent.mkdir()
    cache.write_text(content)
    engine = TimedEngine(lambda n: 0.1 * n)
    batching.tune_batch_size(engine, SETTINGS, 10_000, tiles)
    assert engine.batch == 1


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    engine = TimedEngine(lambda n: 0.1 * n)
    batching.tune_batch_size(engine, SETTINGS, 10_000, tiles)
    assert engine.batch == 1
