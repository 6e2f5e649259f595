"""Tiles that hold what another job's held: copied, counted, and never mistaken."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch
from infer_fakes import tiles
from stagebench import FakeSource, noise, place, scenes

from rsweep.models.card import Variant
from rsweep.models.dofa.network import build
from rsweep.models.registry import find_card
from rsweep.sources.protocol import Pixels
from rsweep.stages.infer.memo import contents

DOFA = {"model": "dofa", "weights": "random", "image_size": 32, "patch_size": 16, "layer": "1"}
ROIS = (place("a", 120), place("b", 200, lon=8.75))


@pytest.fixture
def dated(bench, monkeypatch):
    """Two scenes: the second is overcast, and only in the listing of some limits."""
    monkeypatch.setitem(find_card("dofa").variants, "base", Variant(64, 2, 4, 0.1))
    listed = [*scenes("06-05", cloud_pct=5.0), *scenes("06-15", cloud_pct=70.0)]
    listed = [dataclasses.replace(s, id=f"scene{i}") for i, s in enumerate(listed)]
    bench.use(FakeSource(listed, lambda scene, grid: Pixels(noise(scene, grid))))
    return bench


def embed(bench, **own):
    """Run a profile; its infer node, what ran, and its token maps."""
    node, shard = bench.run(ROIS, "infer", **{**DOFA, **own})
    told = bench.store.read_record(node, shard.name)
    with bench.open(node) as file:
        return node, told, file["32/maps/patches"][()]


def test_the_same_tiles_are_copied_and_said(dated):
    one, first, before = embed(dated, cloudy_pct=60)
    two, second, after = embed(dated, cloudy_pct=50)
    assert one.key != two.key
    assert "reused_tiles" not in first
    assert second["reused_tiles"] == second["tiles"] == len(after)
    assert second["reused_seconds"] == pytest.approx(first["forward_seconds"], rel=0.05, abs=0.01)
    assert second["forward_seconds"] >= second["reused_seconds"]  # a cost counts what was copied
    assert second["seconds"] >= second["reused_seconds"]
    np.testing.assert_array_equal(before, after)


def test_a_job_that_finds_all_known_runs_no_network(dated, monkeypatch):
    embed(dated, cloudy_pct=60)
    monkeypatch.setattr("rsweep.stages.infer.run._embed_group", pytest.fail)
    embed(dated, cloudy_pct=50)


def test_other_tiles_are_computed(dated):
    _, _, before = embed(dated, cloudy_pct=60)
    _, second, after = embed(dated, cloudy_pct=80)
    assert "reused_tiles" not in second
    assert not np.allclose(before, after)


def test_some_tiles_are_copied_and_the_rest_computed(dated):
    embed(dated, tile_overlap=0)
    _, second, after = embed(dated, tile_overlap=16)
    assert 0 < second["reused_tiles"] < second["tiles"]
    shutil.rmtree(dated.store.root / "memo")
    node, shard = dated.run(ROIS, "infer", **{**DOFA, "tile_overlap": 16})
    dated.store.discard(node, shard.name)
    _, alone, expected = embed(dated, tile_overlap=16)
    assert "reused_tiles" not in alone
    np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("own", [{"layer": "2"}, {"seed": 1}, {"final_norm": False}])
def test_another_network_s_outputs_are_not_taken(dated, own):
    embed(dated, cloudy_pct=60)
    _, second, _ = embed(dated, cloudy_pct=50, **own)
    assert "reused_tiles" not in second


@pytest.mark.parametrize("harm", ["gone", "damaged", "no index"])
def test_what_is_lost_or_damaged_is_computed_again(dated, harm):
    one, _, before = embed(dated, cloudy_pct=60)
    path = dated.store.path(one, "shard")
    index = next((dated.store.root / "memo").rglob("*.npz"))
    if harm == "gone":
        path.unlink()
    elif harm == "damaged":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        index.write_bytes(b"PK nothing")
    _, second, after = embed(dated, cloudy_pct=50)
    assert "reused_tiles" not in second
    np.testing.assert_allclose(before, after, rtol=1e-4, atol=1e-5)


def test_features_without_weights_are_not_remembered(dated):
    dated.run(ROIS, "infer", model="rcf", image_size=32)
    assert not (dated.store.root / "memo").exists()


def test_everything_that_a_network_is_told_counts():
    base = tiles(range(3))
    base.orbit = {"s1": torch.zeros(3, 1, dtype=torch.int64)}
    before = list(contents(base))
    assert len(set(before)) == 3
    assert list(contents(base)) == before
    for field in dataclasses.fields(base):
        value = getattr(base, field.name)
        changed = dataclasses.replace(base, **{field.name: _other(value)})
        for one, other in zip(before, contents(changed), strict=True):
            assert one != other, field.name


def _other(value):
    if isinstance(value, dict):
        return {name: _other(tensor) for name, tensor in value.items()}
    return ~value if value.dtype == torch.bool else value + 1


def test_weights_of_a_file_are_remembered_by_their_content(dated, tmp_path):
    drawn, _, _ = embed(dated)
    for name in ("one", "other"):
        network = build({**drawn.settings, "weights": "file"}).network
        state = network.state_dict()
        torch.save({k: v + (name == "other") for k, v in state.items()}, tmp_path / f"{name}.pt")
    _, _, before = embed(dated, weights=str(tmp_path / "one.pt"), cloudy_pct=60)
    _, again, _ = embed(dated, weights=str(tmp_path / "one.pt"), cloudy_pct=50)
    assert again["reused_tiles"] == len(before)
    _, fresh, other = embed(dated, weights=str(tmp_path / "other.pt"), cloudy_pct=50)
    assert "reused_tiles" not in fresh
    assert not np.allclose(before, other)
