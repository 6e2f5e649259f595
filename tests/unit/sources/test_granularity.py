"""`fetch_granularity: composite`: frames that the service reduces, passed on as they come."""

import json

import ee_store as made
import numpy as np
import pytest
from ee_server import serve
from ee_store import build
from pyproj import Transformer

from rsweep.core.errors import SourceError
from rsweep.core.files import get_json
from rsweep.core.roi import Roi
from rsweep.core.shards import Shard
from rsweep.core.store import Store
from rsweep.jobs.runner import run_job
from rsweep.plan.nodes import build_nodes, node_options
from rsweep.plan.profiles import resolve
from rsweep.stages.fetch.locks import LOCKED
from rsweep.stages.job import Job

TO_LONLAT = Transformer.from_crs(made.CRS, 4326, always_xy=True)
BASE = {
    "model": "galileo",
    "variant": "nano",
    "weights": "random",
    "provider": "earthengine",
    "temporal": {"start": "2022-06-01", "end": "2022-07-01"},
    "context_m": 0,
    "frame_policy": "equal",
    "fetch_bands": "model",
}


@pytest.fixture(scope="module")
def at(tmp_path_factory):
    server = serve(build(tmp_path_factory.mktemp("ee_store")).root)
    yield server
    server.close()


def roi(name, x, y, buffer_m=60.0):
    lon, lat = TO_LONLAT.transform(made.GRID.x0 + x, made.GRID.y0 - y)
    return Roi(name, {"type": "point", "lon": lon, "lat": lat, "buffer_m": buffer_m})


ROIS = (roi("a", 120, 120), roi("b", 250, 300, 95.0))


class Composited:
    """A profile run as far as its composites."""

    def __init__(self, at, folder, granularity, lock=None, **own):
        service = {"url": at.url, "project": "test", "parallel": 2}
        raw = {**BASE, "earthengine": service, "fetch_granularity": granularity, **own}
        settings, errors = resolve(raw, {})
        assert not errors
        stitch, self.store = build_nodes(settings), Store(folder)
        options = node_options(settings, stitch)
        self.fetch, self.node = [
            next(n for n in stitch.upstream() if n.stage == s) for s in ("fetch", "composite")
        ]
        if lock:
            options[self.fetch.key]["lock"] = str(lock)
        at.log.clear()
        for node in (self.fetch, self.node):
            run_job(Job(node, Shard("shard", ROIS), self.store, options))
        self.pixel_requests = at.count("computePixels")

    def rois(self, node):
        with self.store.read(node, "shard") as file:
            return get_json(file, "rois")

    def arrays(self, name):
        with self.store.read(self.node, "shard") as file:
            good = [i for i, roi in enumerate(get_json(file, "rois")) if not roi["error"]]
            return {ROIS[i].id: file[f"{i}/{name}"][()] for i in good}


CASES = [
    ({"composite": "median", "cloud_mask": "scl"}, 0.0),
    ({"composite": "mean", "cloud_mask": "clear", "cloudy_pct": 100}, 1e-6),
    ({"composite": "mosaic", "cloud_mask": "none"}, 0.0),
    ({"composite": "median", "frames": 5, "cloud_mask": "scl", "empty_frame": "repeat"}, 0.0),
    ({"composite": "mean", "modality": "s1"}, 2e-5),
]
"""Settings, and the relative difference allowed: radar's power has another precision there."""


@pytest.mark.parametrize("own, tolerance", CASES)
def test_a_composite_of_the_service_is_the_one_made_here(at, tmp_path, own, tolerance):
    own = {"frames": 2, **own}
    here = Composited(at, tmp_path, "scene", **own)
    there = Composited(at, tmp_path, "composite", **own)
    assert here.fetch.key != there.fetch.key
    for name in ("frames", "count"):
        expected, found = here.arrays(name), there.arrays(name)
        assert set(found) == set(expected) == {"a", "b"}
        for one in found:
            np.testing.assert_allclose(found[one], expected[one], rtol=tolerance)
    for one, other in zip(here.rois(here.node), there.rois(there.node), strict=True):
        assert [f["bin"] for f in one["frames"]] == [f["bin"] for f in other["frames"]]
        assert [f["repeats"] for f in one["frames"]] == [f["repeats"] for f in other["frames"]]


def test_frames_are_passed_on_exactly_and_a_request_is_a_frame(at, tmp_path):
    run = Composited(at, tmp_path, "composite", frames=2)
    assert run.pixel_requests == 2 * len(ROIS)
    with run.store.read(run.fetch, "shard") as file:
        for i, roi in enumerate(ROIS):
            np.testing.assert_array_equal(file[f"{i}/frames"][()], run.arrays("frames")[roi.id])
        assert "bands" not in file["0"]
    assert Composited(at, tmp_path, "composite", frames=2, empty_frame="repeat").fetch == run.fetch


def test_a_lock_of_composites_gives_the_same_bytes(at, tmp_path):
    run = Composited(at, tmp_path / "one", "composite", frames=2)
    rois = {r["id"]: {k: r[k] for k in LOCKED if k in r} for r in run.rois(run.fetch)}
    lock = tmp_path / "lock.json"
    lock.write_text(json.dumps({"fetch": {run.fetch.key: {"rois": rois}}}))
    again = Composited(at, tmp_path / "two", "composite", lock, frames=2)
    one, two = (r.store.path(r.fetch, "shard").read_bytes() for r in (run, again))
    assert one == two
    rois["a"]["sha256"] = "0" * 64
    lock.write_text(json.dumps({"fetch": {run.fetch.key: {"rois": rois}}}))
    with pytest.raises(SourceError, match="ROI a: the pixels of its locked scenes have changed"):
        Composited(at, tmp_path / "three", "composite", lock, frames=2)


@pytest.mark.parametrize(
    "own, knob, text",
    [
        ({"provider": "synthetic"}, "fetch_granularity", "synthetic does not make; allowed: scene"),
        ({"composite": "least_cloudy"}, "composite", "earthengine makes: median, mean, mosaic"),
    ],
)
def test_what_a_provider_cannot_reduce_is_a_mistake_in_the_study(own, knob, text):
    _, errors = resolve({**BASE, "fetch_granularity": "composite", **own}, {})
    assert [(name, text in what) for name, what in errors] == [(knob, True)]
