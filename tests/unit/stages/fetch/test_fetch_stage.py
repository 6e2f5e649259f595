"""The fetch stage: resumable by ROI, clear about what is not there."""

import numpy as np
import pytest
from stagebench import FakeSource, noise, place, scenes

from rsweep.core.errors import RoiError, RsweepError, SourceError, TransientError
from rsweep.core.files import get_json
from rsweep.core.roi import Roi
from rsweep.core.shards import Shard
from rsweep.jobs.runner import run_job
from rsweep.sources.protocol import Pixels
from rsweep.stages.fetch import run as stage
from rsweep.stages.job import Job

ROIS = [place(f"r{i}", 60 + 40 * i) for i in range(6)]


class Dying(FakeSource):
    """Fails at the nth ROI asked for; `asked` counts ROIs over its life."""

    asked = 0
    fails_at = ()
    error: BaseException = TransientError("quota")

    def scenes(self, grid, start, end):
        self.asked += 1
        if self.asked in self.fails_at:
            raise self.error
        return super().scenes(grid, start, end)


@pytest.fixture
def source(bench):
    return bench.use(Dying(scenes("06-05", "06-15"), lambda s, g: Pixels(noise(s, g))))


def whole(bench, node) -> bytes:
    return bench.store.path(node, "shard").read_bytes()


def fetched(bench, tmp_path) -> bytes:
    """The bytes of an undisturbed fetch."""
    from stagebench import Bench

    other = Bench(tmp_path / "other", bench.monkeypatch)
    other.use(FakeSource(scenes("06-05", "06-15"), lambda s, g: Pixels(noise(s, g))))
    node, _ = other.run(ROIS, "fetch")
    return whole(other, node)


def test_a_source_that_dies_is_asked_for_the_rest_alone(bench, source, tmp_path):
    source.fails_at, source.error = (3,), KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        bench.run(ROIS, "fetch")
    node = bench.node("fetch")
    assert not bench.store.path(node, "shard").exists()
    done, source.asked, source.fails_at = source.asked - 1, 0, ()
    assert done >= 2
    bench.run(ROIS, "fetch")
    assert source.asked == len(ROIS) - done
    assert bench.store.read_record(node, "shard")["reused_rois"] == done
    assert not list(bench.store.folder(node).glob(".*"))
    assert whole(bench, node) == fetched(bench, tmp_path)


def test_a_roi_that_cannot_be_had_now_does_not_stop_the_others(bench, source, tmp_path):
    source.fails_at = (2, 4)
    with pytest.raises(TransientError, match=r"2 of 6 ROIs cannot be fetched now.*ROI r1: quota"):
        bench.run(ROIS, "fetch")
    source.asked, source.fails_at = 0, ()
    node, _ = bench.run(ROIS, "fetch")
    assert source.asked == 2
    assert whole(bench, node) == fetched(bench, tmp_path)


def test_a_provider_that_is_down_is_not_asked_for_ever(bench, source, monkeypatch):
    monkeypatch.setattr(stage, "MAX_FAILURES", 2)
    source.fails_at = range(99)
    rois = [place(f"r{i}", 60) for i in range(40)]
    with pytest.raises(TransientError):
        bench.run(rois, "fetch")
    assert source.asked < 20


@pytest.mark.parametrize("error", [SourceError("no account"), MemoryError()])
def test_another_failure_ends_the_job_at_once(bench, source, error):
    source.fails_at, source.error = (1,), error
    with pytest.raises(type(error)):
        bench.run([place(f"r{i}", 60) for i in range(40)], "fetch")
    assert source.asked < 20


def test_a_damaged_part_is_fetched_again(bench, source, tmp_path):
    source.fails_at, source.error = (4,), SourceError("no account")
    with pytest.raises(SourceError):
        bench.run(ROIS, "fetch")
    node = bench.node("fetch")
    part = sorted(bench.store.folder(node).glob(".shard.*.parts/*.h5"))[0]
    part.write_bytes(part.read_bytes()[:-1])
    source.fails_at = ()
    bench.run(ROIS, "fetch")
    assert whole(bench, node) == fetched(bench, tmp_path)


def test_many_workers_make_the_same_bytes(bench, source, tmp_path):
    source.workers = 4
    node, _ = bench.run(ROIS, "fetch")
    assert whole(bench, node) == fetched(bench, tmp_path)


def test_scenes_and_layers_are_kept_as_they_came(bench):
    def image(scene, grid):
        shape = (grid.height, grid.width)
        if scene.id == "scene1":
            return Pixels(np.zeros((12, *shape), np.uint16), {"scl": np.zeros(shape, np.uint8)})
        return Pixels(noise(scene, grid), {"scl": np.full(shape, 4, np.uint8)})

    listed = scenes("06-05", "06-10", "06-15", cloud_pct=12.5, gain=2.0, properties={"orbit": 7})
    source = bench.use(FakeSource(listed, image))
    node, _ = bench.run([place("a")], "fetch")
    (roi,) = bench.rois(node)
    assert [scene["id"] for scene in roi["scenes"]] == ["scene0", "scene2"]  # one had no pixel
    assert roi["scenes"][0] == {
        "id": "scene0",
        "time": "2022-06-05T10:00:00Z",
        "cloud_pct": 12.5,
        "gain": 2.0,
        "offset": 0.0,
        "properties": {"orbit": 7},
    }
    with bench.open(node) as file:
        for index, scene in enumerate((listed[0], listed[2])):
            expected = noise(scene, source.grids[0])
            np.testing.assert_array_equal(file["0/bands"][index], expected)
        assert file["0/quality/scl"].shape == (2, *expected.shape[1:])
        assert file["0/bands"].dtype == np.uint16


@pytest.mark.parametrize(
    "listed, own, text",
    [
        (scenes("05-05"), {}, "no scene in the window"),
        (scenes("06-05", cloud_pct=60.2), {"fetch_cloudy_pct": 60}, "the least cloudy has 60.2 %"),
    ],
)
def test_a_roi_without_scenes_is_recorded_with_the_reason(bench, listed, own, text):
    bench.use(FakeSource(listed, lambda s, g: Pixels(noise(s, g))))
    node, _ = bench.run([place("a")], "fetch", **own)
    assert text in bench.rois(node)[0]["error"]


class TestRecordOrFail:
    @pytest.fixture
    def mixed(self, bench):
        def image(scene, grid):
            if grid.width == min(g.width for g in source.grids):
                return Pixels(np.zeros((12, grid.height, grid.width), np.uint16))
            if grid.width > 100:
                raise RoiError("scene0 is truncated")
            return Pixels(noise(scene, grid))

        source = bench.use(FakeSource(scenes("06-05"), image))
        pole = Roi("pole", {"type": "point", "lon": 0.0, "lat": 89.0, "buffer_m": 50.0})
        return [place("empty", 60), pole, place("good", 200), place("bad", 600)]

    def test_record(self, bench, mixed):
        node, _ = bench.run(mixed, "fetch")
        assert [roi["error"] for roi in bench.rois(node)] == [
            "none of its 1 scenes has a pixel there",
            "latitude 89 is outside UTM (-80 to 84)",
            None,
            "scene0 is truncated",
        ]
        with bench.open(node) as file:
            assert [sorted(file[str(i)]) for i in range(4)] == [[], [], ["bands"], []]
            assert [roi["id"] for roi in get_json(file, "rois")] == ["empty", "pole", "good", "bad"]

    def test_fail(self, bench, mixed):
        with pytest.raises(RsweepError, match=r"ROI .*on_roi_error: record goes on without it"):
            bench.run(mixed, "fetch", on_roi_error="fail")
        node, _ = bench.run(mixed, "fetch")
        assert bench.rois(node)[2]["error"] is None

    def test_what_another_study_recorded_fails_too(self, bench, mixed):
        bench.run(mixed, "fetch")
        with pytest.raises(RsweepError, match="ROI empty: none of its"):
            bench.run(mixed, "composite", on_roi_error="fail")


def test_a_rois_own_window_wins(bench):
    source = bench.use(FakeSource(scenes("06-05", "08-05"), lambda s, g: Pixels(noise(s, g))))
    rois = [place("a"), place("b", start="2022-08-01", end="2022-09-01")]
    node, _ = bench.run(rois, "fetch")
    a, b = bench.rois(node)
    assert (a["start"], b["start"]) == ("2022-06-01", "2022-08-01")
    assert [roi["scenes"][0]["id"] for roi in (a, b)] == ["scene0", "scene1"]
    assert source.reads == ["scene0", "scene1"]


def test_a_full_disk_is_said(bench, source, monkeypatch):
    import errno

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("rsweep.core.files.seal", refuse)
    with pytest.raises(RsweepError, match=r"cannot write .*: No space left on device"):
        bench.run(ROIS, "fetch")
    monkeypatch.undo()
    node = bench.node("fetch")
    assert not list(bench.store.folder(node).rglob("*.tmp"))


def test_no_rois_no_work(bench, source):
    node = bench.node("fetch")
    run_job(Job(node, Shard("none", ()), bench.store, bench.options))
    assert source.asked == 0
