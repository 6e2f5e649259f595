"""Scene locks: exactly the locked scenes are fetched again, or it is said why they cannot be."""

import json
from dataclasses import replace

import numpy as np
import pytest
from stagebench import Bench, FakeSource, noise, place, scenes

from rsweep.core.errors import RoiError, SourceError, TransientError
from rsweep.core.roi import Roi
from rsweep.core.shards import Shard
from rsweep.jobs.runner import run_job
from rsweep.sources.protocol import Pixels
from rsweep.stages.fetch.locks import LOCKED, PixelDigest
from rsweep.stages.job import Job

POLE = Roi("pole", {"type": "point", "lon": 0.0, "lat": 89.0, "buffer_m": 50.0})
ROIS = [place("a", 60), place("b", 90), POLE]
LISTED = scenes("06-05", "06-15", "06-25", properties={"version": 1, "assets": {"B4": "x"}})


def image(scene, grid):
    return Pixels(noise(scene, grid), {"scl": np.full((grid.height, grid.width), 4, np.uint8)})


@pytest.fixture
def source(bench):
    return bench.use(FakeSource(LISTED, image))


class Locked:
    """A store with a fetch, and its lock in a file."""

    def __init__(self, bench, tmp_path):
        self.bench, self.path = bench, tmp_path / "study.lock.json"
        self.node, _ = bench.run(ROIS, "fetch")
        self.rois = {
            roi["id"]: {k: roi[k] for k in LOCKED if k in roi} for roi in bench.rois(self.node)
        }
        self.bytes = self.file.read_bytes()
        self.write()

    @property
    def file(self):
        return self.bench.store.path(self.node, "shard")

    def write(self):
        lock = {"fetch": {self.node.key: {"rois": self.rois}}}
        self.path.write_text(json.dumps(lock, sort_keys=True, indent=1))

    def fetch(self, rois=ROIS):
        """A frozen fetch into an empty store."""
        self.file.unlink(missing_ok=True)
        options = {self.node.key: {**self.bench.options[self.node.key], "lock": str(self.path)}}
        run_job(Job(self.node, Shard("shard", tuple(rois)), self.bench.store, options))
        return self.file.read_bytes()


@pytest.fixture
def locked(bench, source, tmp_path):
    return Locked(bench, tmp_path)


def test_a_fetch_says_what_it_used(locked):
    told = locked.rois["a"]
    assert (told["provider"], told["collection"]) == ("synthetic", "synthetic-s2-l2a")
    assert (told["start"], told["end"]) == ("2022-06-01", "2022-07-01")
    assert [s["id"] for s in told["scenes"]] == ["scene0", "scene1", "scene2"]
    assert len(told["sha256"]) == len(told["request"]) == 64
    assert told["request"] != locked.rois["b"]["request"]
    assert "latitude" in locked.rois["pole"]["error"]


def test_a_lock_gives_the_same_bytes_though_there_are_new_scenes(bench, locked):
    moved = [replace(s, properties={"version": 1, "assets": {"B4": "y"}}) for s in LISTED]
    source = bench.use(FakeSource([*moved, replace(LISTED[2], id="new")], image))
    assert locked.fetch() == locked.bytes
    assert locked.fetch() == locked.bytes
    assert set(source.reads) == {"scene0", "scene1", "scene2"}
    assert not list(bench.store.folder(locked.node).glob(".*"))


def test_what_is_missing_or_changed_is_listed_before_a_pixel_is_read(bench, locked):
    changed = replace(LISTED[0], properties={"version": 2}, offset=-1000.0)
    source = bench.use(FakeSource([changed, LISTED[2]], image))
    with pytest.raises(SourceError) as error:
        locked.fetch()
    for roi in ("a", "b"):
        assert f"ROI {roi}: scene1: missing" in str(error.value)
        assert f"ROI {roi}: scene0: changed: version 1 is now 2" in str(error.value)
        assert f"ROI {roi}: scene0: changed: offset 0.0 is now -1000.0" in str(error.value)
    assert source.reads == []
    assert not locked.file.exists()


def test_a_source_that_knows_versions_is_asked_once_and_lists_nothing(bench, locked):
    class Versioned(FakeSource):
        asked = 0
        says = ()

        def check_pinned(self, scenes):
            self.asked += 1
            return self.says

        def scenes(self, grid, start, end):
            raise AssertionError("a listing")

    source = bench.use(Versioned(LISTED, image))
    assert locked.fetch() == locked.bytes
    assert source.asked == 1
    source.says = ["scene1: changed: version 1 is now 2"]
    source.reads.clear()
    with pytest.raises(SourceError, match=r"1 scenes or ROIs of .*lock.json are missing or have"):
        locked.fetch()
    assert source.reads == []


def test_other_pixels_of_the_same_version_are_refused(bench, locked):
    bench.use(FakeSource(LISTED, lambda s, g: Pixels(noise(s, g) + 1, image(s, g).quality)))
    with pytest.raises(SourceError, match="ROI a: the pixels of its locked scenes have changed"):
        locked.fetch()
    assert not locked.file.exists()
    bench.use(FakeSource(LISTED, image))
    assert locked.fetch() == locked.bytes


@pytest.mark.parametrize("error", [RoiError("scene1 is truncated"), TransientError("quota")])
def test_a_scene_that_cannot_be_read_is_never_recorded(bench, locked, error):
    def broken(scene, grid):
        raise error

    bench.use(FakeSource(LISTED, broken))
    with pytest.raises((SourceError, TransientError), match=str(error)):
        locked.fetch()
    assert not locked.file.exists()


def test_no_scene_at_all_is_a_list_too(bench, locked):
    bench.use(FakeSource([], image))
    with pytest.raises(SourceError, match=r"scene2: missing \(no scene in the window\)"):
        locked.fetch()


def test_a_roi_a_key_or_a_file_that_is_not_there_is_named(locked, tmp_path):
    with pytest.raises(SourceError, match="has no ROI 'c'"):
        locked.fetch([*ROIS, place("c", 60)])
    larger = place("b", 900, start="2022-06-01", end="2022-06-20")
    with pytest.raises(SourceError, match="ROI b: its grid, end is not the lock's"):
        locked.fetch([ROIS[0], larger, POLE])
    locked.path.write_text('{"fetch": {"0123456789abcdef": {}}}')
    with pytest.raises(SourceError, match=f"has no fetch key {locked.node.key}; it has 0123456789"):
        locked.fetch()
    key = locked.node.key
    for text in (
        "{",
        "[]",
        "null",
        '{"fetch": 3}',
        f'{{"fetch": {{"{key}": 3}}}}',
        f'{{"fetch": {{"{key}": {{"rois": {{"a": 3}}}}}}}}',
        f'{{"fetch": {{"{key}": {{"rois": {{"a": {{"error": null}}}}}}}}}}',
        f'{{"fetch": {{"{key}": {{"rois": {{"a": {{"error": 0, "scenes": [3]}}}}}}}}}}',
    ):
        locked.path.write_text(text)
        with pytest.raises(SourceError, match="is not a lock that rsweep wrote"):
            locked.fetch()
    locked.path.unlink()
    with pytest.raises(SourceError, match="cannot read"):
        locked.fetch()


def test_what_a_stopped_fetch_left_is_not_taken_for_the_lock_s(bench, locked, monkeypatch):
    """A part of a fetch that was not frozen may be of other scenes."""
    bench.use(FakeSource([replace(s, id=f"other-{s.id}") for s in LISTED], image))
    monkeypatch.setattr("rsweep.stages.fetch.run.adopt", lambda *_: 1 / 0)
    locked.file.unlink()
    with pytest.raises(ZeroDivisionError):
        bench.run(ROIS, "fetch")
    assert len(list(bench.store.folder(locked.node).glob(".shard.*.parts/*.h5"))) == 3
    monkeypatch.undo()
    Bench.use(bench, FakeSource(LISTED, image))
    assert locked.fetch() == locked.bytes


def test_a_digest_is_of_names_types_shapes_and_values():
    def of(*layers):
        found = PixelDigest()
        for one in layers:
            found.add(one)
        return found.hexdigest()

    a = np.arange(6, dtype="u2").reshape(2, 3)
    b = {"bands": a, "scl": a[0]}
    assert of(b) == of(dict(reversed(b.items())))
    different = [b, {"bands": a}, {"bands": a.T}, {"bands": a.astype("i4")}, {"band": a}]
    assert len({of(one) for one in different}) == 5
    assert of(b, {"bands": a}) != of({"bands": a}, b)
