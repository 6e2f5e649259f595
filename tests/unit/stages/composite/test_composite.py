"""Composites: plain formulas, in any order and any blocks; masks, frames and their policies."""

import os
import tracemalloc
import warnings
from datetime import date, timedelta
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stagebench import FakeSource, noise, place, scenes

from rsweep.core.errors import RoiError, RsweepError
from rsweep.core.sensors import SENSORS
from rsweep.sources.protocol import Pixels, Scene
from rsweep.sources.units import decibel, linear
from rsweep.stages.composite import run as stage
from rsweep.stages.composite import scenes as scenes_module
from rsweep.stages.composite.frames import bins, mean_date
from rsweep.stages.composite.reduce import METHODS, mean, median, mosaic
from rsweep.stages.composite.rules import MASK_RULES, chosen_rule, clear_pixels
from rsweep.stages.composite.run import _reduce
from rsweep.stages.composite.scenes import Scenes
from rsweep.stages.fetch.format import StoredScenes

DATA = Path(os.environ.get("RSWEEP_DATA", Path(__file__).parents[4] / "../shared/data")).resolve()
REAL = DATA / "eolearn_slovenia/REFERENCE_SCENES.npy"


def gappy(scenes: int, seed: int = 0, share: float = 0.4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(2000, 900, (scenes, 3, 20, 30)).astype(np.float32)
    values[rng.random(values.shape) < share] = np.nan
    values[:, :, 0, 0] = np.nan
    return values


def plain(method: str, values: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if method == "median":
            return np.nanmedian(values, axis=0)
        if method == "mean":
            return np.nanmean(values.astype(np.float64), axis=0).astype(np.float32)
    last = np.full(values.shape[1:], np.nan, np.float32)
    for scene in values:
        np.copyto(last, scene, where=~np.isnan(scene))
    return last


class TestReduce:
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("count", [1, 2, 3, 8, 9])
    def test_equals_the_plain_formula(self, method, count):
        values = gappy(count)
        np.testing.assert_array_equal(METHODS[method](values.copy()), plain(method, values))

    @pytest.mark.parametrize("method", [median, mean])
    def test_does_not_depend_on_the_order_of_scenes(self, method):
        values = gappy(11)
        shuffled = values[np.random.default_rng(1).permutation(11)]
        np.testing.assert_array_equal(method(values), method(shuffled))

    @pytest.mark.skipif(not REAL.exists(), reason=f"no {REAL}; RSWEEP_DATA names another folder")
    @pytest.mark.parametrize("method", METHODS)
    def test_equals_the_plain_formula_on_real_scenes(self, method):
        values = np.load(REAL, mmap_mode="r")[:, :50, :50].astype(np.float32)
        values = np.where(values <= np.quantile(values, 0.1), np.nan, values)
        np.testing.assert_array_equal(METHODS[method](values.copy()), plain(method, values))

    def test_decibels_are_averaged_as_power(self):
        values = np.array([-10.0, -20.0], np.float32)[:, None]
        for method in (mean, median):
            assert decibel(method(linear(values)))[0] == pytest.approx(10 * np.log10(0.055))
        assert mosaic(values)[0] == -20


class TestMasks:
    def test_each_rule(self):
        scl = np.arange(12, dtype=np.uint8)
        clear = clear_pixels(MASK_RULES["scl"].constants(None), scl)
        assert np.flatnonzero(clear).tolist() == [2, 4, 5, 6, 7, 11]
        percent = np.array([0, 39, 40, 59, 60, 100, 255], np.uint8)
        for name, threshold, expected in (
            ("cloud", None, [1, 1, 0, 0, 0, 0, 0]),
            ("clear", None, [0, 0, 0, 0, 1, 1, 0]),
            ("cloud", 60, [1, 1, 1, 1, 0, 0, 0]),
            ("clear", 40, [0, 0, 1, 1, 1, 1, 0]),
        ):
            found = clear_pixels(MASK_RULES[name].constants(threshold), percent)
            assert found.astype(int).tolist() == expected

    def test_auto_takes_the_first_that_the_scenes_have(self):
        rules = {name: rule.constants(None) for name, rule in MASK_RULES.items()}
        assert [
            chosen_rule(rules, held)
            for held in (["cloud", "clear", "scl"], ["cloud", "clear"], ["cloud"], [])
        ] == ["scl", "clear", "cloud", "none"]
        with pytest.raises(KeyError, match="cloud"):
            chosen_rule({"cloud": rules["cloud"]}, ["scl"])


class TestBins:
    @given(st.dates(date(2000, 1, 1), date(2030, 1, 1)), st.integers(1, 800), st.integers(1, 40))
    def test_equal_bins_and_months_partition_the_window(self, first, days, count):
        last = first + timedelta(days=days)
        window = (first.isoformat(), last.isoformat())
        found = [bins(*window, "month", "auto", 99)]
        if count <= days:
            found.append(bins(*window, "equal", count, 0))
            lengths = [(b - a).days for a, b in found[-1]]
            assert (len(lengths), max(lengths) - min(lengths) <= 1) == (count, True)
        for cut in found:
            assert (cut[0][0], cut[-1][1]) == (first, last)
            assert all(a < b for a, b in cut)
            assert all(cut[i][1] == cut[i + 1][0] for i in range(len(cut) - 1))

    @pytest.mark.parametrize(
        "days, lengths",
        [
            (94, [30, 30, 34]),
            (10, [10]),
            (44, [44]),
            (45, [30, 15]),
            (365, [30] * 11 + [35]),
        ],
    )
    def test_thirty_days(self, days, lengths):
        end = (date(2022, 1, 1) + timedelta(days=days)).isoformat()
        found = bins("2022-01-01", end, "30d", "auto", 99)
        assert [(b - a).days for a, b in found] == lengths
        assert found[0][0] == date(2022, 1, 1)

    @given(st.integers(1, 800), st.integers(1, 30), st.sampled_from(["30d", "month", "equal"]))
    def test_frames_together_cover_the_window_however_few_they_are(self, days, count, policy):
        first = date(2021, 3, 17)
        last = first + timedelta(days=days)
        window = (first.isoformat(), last.isoformat())
        there = len(bins(*window, policy, "auto", 99))
        for frames, limit in ((min(count, there), 0), ("auto", count)):
            found = bins(*window, policy, frames, limit)
            assert len(found) == min(count, there)
            assert (found[0][0], found[-1][1]) == (first, last)
            assert all(found[i][1] == found[i + 1][0] for i in range(len(found) - 1))

    def test_days_are_each_a_frame_and_fewer_join_neighbours(self):
        found = bins("2024-02-27", "2024-03-02", "day", "auto", 366)
        assert [first.isoformat() for first, _ in found] == [
            "2024-02-27",
            "2024-02-28",
            "2024-02-29",
            "2024-03-01",
        ]
        assert all((after - first).days == 1 for first, after in found)
        fives = bins("2024-01-01", "2024-12-31", "day", 73, 366)
        assert [(after - first).days for first, after in fives] == [5] * 73
        assert len(bins("2022-01-01", "2024-01-01", "day", "auto", 366)) == 366

    def test_months_are_the_calendars_cut_to_the_window(self):
        found = bins("2022-01-31", "2022-03-02", "month", 3, 0)
        assert [a.isoformat() for a, _ in found] == ["2022-01-31", "2022-02-01", "2022-03-01"]
        assert found[-1][1] == date(2022, 3, 2)

    @pytest.mark.parametrize("days, limit, count", [(29, 9, 1), (90, 9, 3), (400, 9, 9)])
    def test_auto(self, days, limit, count):
        end = (date(2022, 1, 1) + timedelta(days=days)).isoformat()
        for policy in ("equal", "30d"):
            assert len(bins("2022-01-01", end, policy, "auto", limit)) == count

    @pytest.mark.parametrize(
        "policy, frames, text",
        [
            ("month", 4, "has 3"),
            ("30d", 4, "has 3"),
            ("equal", 99, "has 89 days"),
        ],
    )
    def test_more_frames_than_the_window_has(self, policy, frames, text):
        with pytest.raises(RoiError, match=text):
            bins("2022-01-01", "2022-03-31", policy, frames, 0)

    def test_mean_date(self):
        assert mean_date(["2022-01-01T10:00Z", "2022-01-02", "2022-01-04"]) == "2022-01-02"


@pytest.fixture
def many(tmp_path):
    """A file of 20 scenes as fetch writes them."""
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        bands = rng.integers(0, 4000, (20, 4, 48, 50)).astype("u2")
        bands[rng.random(bands.shape) < 0.2] = 0
        file.create_dataset("bands", data=bands, chunks=(1, 1, 16, 50))
        file["quality/scl"] = rng.integers(0, 12, (20, 48, 50)).astype("u1")
        listed = [{"id": str(i), "gain": 1.0, "offset": -1000.0 * (i % 2)} for i in range(20)]
        rules = {"scl": MASK_RULES["scl"].constants(None)}
        stored = StoredScenes(file["bands"], dict(file["quality"].items()))
        yield Scenes(stored, listed, SENSORS["s2"], rules)


class TestBlocks:
    @pytest.mark.parametrize("size", [1, 4 * 20 * 50 * 3, 4 * 20 * 50 * 16, 4 * 20 * 50 * 16 * 3])
    @pytest.mark.parametrize("method", ["median", "mean"])
    def test_the_size_of_blocks_does_not_matter(self, many, monkeypatch, size, method):
        whole = _reduce(many, list(range(20)), method)
        monkeypatch.setattr(scenes_module, "BLOCK_BYTES", size)
        found = _reduce(many, list(range(20)), method)
        assert (whole[0].tobytes(), whole[1].tobytes()) == (found[0].tobytes(), found[1].tobytes())
        assert whole[2] == found[2]

    def test_equals_the_formula_with_offsets_nodata_and_mask(self, many):
        raw, scl = many.stored.bands[()], many.stored.quality["scl"][()]
        values = (
            raw.astype(np.float32)
            + np.array([-1000.0 * (i % 2) for i in range(20)], np.float32)[:, None, None, None]
        )
        values[raw == 0] = np.nan
        values[np.broadcast_to(~np.isin(scl, (2, 4, 5, 6, 7, 11))[:, None], raw.shape)] = np.nan
        frame, count, _ = _reduce(many, list(range(20)), "median")
        np.testing.assert_array_equal(frame, plain("median", values))
        np.testing.assert_array_equal(count, np.isfinite(values).any(axis=1).sum(axis=0))

    def test_memory_does_not_grow_with_the_number_of_scenes(self, many, monkeypatch):
        monkeypatch.setattr(scenes_module, "BLOCK_BYTES", 4 * 5 * 50 * 16)
        peaks = []
        for count in (5, 10, 20):
            tracemalloc.start()
            _reduce(many, list(range(count)), "median")
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert peaks[2] < 1.3 * peaks[0]


class TestStage:
    """Through the stage itself, fetched from a source in memory."""

    def frames(self, bench, node, index=0):
        with bench.open(node) as file:
            return file[f"{index}/frames"][()], file[f"{index}/count"][()]

    def source(self, fake_source, days, clouds=(), missing=()):
        def image(scene, grid):
            values = noise(scene, grid)
            if scene.id in missing:
                values[2] = 0
            cloud = 9 if scene.id in clouds else 4
            return Pixels(values, {"scl": np.full(values.shape[1:], cloud, np.uint8)})

        return fake_source(days, image)

    @pytest.fixture
    def fake_source(self, bench):
        def make(days, image, **more):
            return bench.use(FakeSource(scenes(*days, **more), image))

        return make

    def test_a_band_that_is_missing_is_missing_in_that_band_alone(self, bench, fake_source):
        self.source(fake_source, ["06-05"], missing=["scene0"])
        node, _ = bench.run([place("a")], "composite")
        frames, count = self.frames(bench, node)
        assert np.isnan(frames[0, 2]).all()
        assert np.isfinite(np.delete(frames[0], 2, axis=0)).all()
        assert (count == 1).all()

    def test_scenes_in_any_order_make_the_same_bytes(self, bench, fake_source, tmp_path):
        source = self.source(fake_source, ["06-05", "06-10", "06-10", "06-20"])
        found = set()
        for own in ("median", "mosaic", "least_cloudy"):
            frames = []
            for order in (source.listed, source.listed[::-1]):
                source.listed = order
                bench.store.root = tmp_path / f"{own}{order[0].id}"
                frames.append(
                    self.frames(bench, bench.run([place("a")], "composite", composite=own)[0])
                )
            np.testing.assert_array_equal(frames[0][0], frames[1][0])
            found.add(frames[0][0].tobytes())
        assert len(found) == 3

    def test_mosaic_takes_the_newest_and_least_cloudy_the_clearest(self, bench, fake_source):
        source = self.source(fake_source, ["06-05", "06-10", "06-20"], clouds=["scene2"])
        node, _ = bench.run([place("a")], "composite", composite="mosaic")
        expected = noise(source.listed[1], source.grids[0])
        np.testing.assert_array_equal(self.frames(bench, node)[0][0], expected)
        node, _ = bench.run([place("a")], "composite", composite="least_cloudy")
        np.testing.assert_array_equal(
            self.frames(bench, node)[0][0], noise(source.listed[0], source.grids[0])
        )
        assert bench.rois(node)[0]["frames"][0]["scenes"] == ["scene0"]

    def test_scenes_are_left_out_by_their_cloud_share(self, bench, fake_source):
        def image(scene, grid):
            return Pixels(noise(scene, grid), {})

        source = fake_source(["06-05", "06-10"], image, cloud_pct=50.4)
        node, _ = bench.run([place("a")], "composite", cloudy_pct=50.4)
        assert bench.rois(node)[0]["error"] is None
        node, _ = bench.run([place("a")], "composite", cloudy_pct=50.3)
        assert "the least cloudy has 50.4 %" in bench.rois(node)[0]["error"]
        source.listed = scenes("06-05")

    def test_an_all_cloudy_roi_is_recorded_and_the_others_go_on(self, bench, fake_source):
        def image(scene, grid):
            values = noise(scene, grid)
            cloud = 9 if grid.width == source.grids[0].width else 4
            return Pixels(values, {"scl": np.full(values.shape[1:], cloud, np.uint8)})

        source = fake_source(["06-05"], image)
        rois = [place("cloudy", 100), place("clear", 200)]
        node, _ = bench.run(rois, "composite")
        first, second = bench.rois(node)
        assert first["error"] == (
            "all 1 scenes are cloudier than cloudy_pct 80; the least cloudy has 100 %"
        )
        assert second["error"] is None
        with pytest.raises(RsweepError, match="ROI cloudy: all 1 scenes"):
            bench.run(rois, "prep", on_roi_error="fail")  # what is in the store counts too

    def test_one_frame_is_the_whole_window_under_any_policy(self, bench, fake_source):
        self.source(fake_source, ["06-02", "07-20", "08-30"])
        window = {"start": "2022-06-01", "end": "2022-09-01"}
        for policy in ("equal", "30d", "month"):
            own = {"temporal": window, "frames": 1, "frame_policy": policy}
            node, _ = bench.run([place("a")], "composite", **own)
            (frame,) = bench.rois(node)[0]["frames"]
            assert frame["scenes"] == ["scene0", "scene1", "scene2"]
            assert (frame["start"], frame["end"]) == ("2022-06-01", "2022-09-01")
            assert frame["date"] == "2022-07-17"

    def test_the_cloud_share_is_of_the_rois_own_pixels(self, bench, fake_source):
        """Cloud all around, and the whole scene called cloudy: the ROI itself is clear."""

        def image(scene, grid):
            scl = np.full((grid.height, grid.width), 9, np.uint8)
            middle = slice(grid.height // 2 - 14, grid.height // 2 + 14)
            scl[middle, middle] = 4
            return Pixels(noise(scene, grid), {"scl": scl})

        fake_source(["06-05"], image, cloud_pct=95.0)
        node, _ = bench.run([place("a")], "composite", context_m=300, cloudy_pct=1)
        (roi,) = bench.rois(node)
        assert roi["error"] is None
        assert roi["cloud_mask"] == "scl"
        assert roi["scenes"][0]["cloud_pct"] == 95.0
        assert roi["scenes"][0]["roi_cloud_pct"] == 0

    @pytest.mark.parametrize("shares, warned", [((98.0, 3.0, 60.0), 0), ((98.0, None, 60.0), 1)])
    def test_least_cloudy_without_a_mask_goes_by_what_is_known(
        self, bench, fake_source, shares, warned
    ):
        source = fake_source(
            ["06-05", "06-10", "06-20"], lambda scene, grid: Pixels(noise(scene, grid))
        )
        source.listed = [
            Scene(s.id, s.time, cloud_pct=share)
            for s, share in zip(source.listed, shares, strict=True)
        ]
        own = {"composite": "least_cloudy", "cloud_mask": "none", "cloudy_pct": 100}
        node, _ = bench.run([place("a")], "composite", **own)
        (roi,) = bench.rois(node)
        assert roi["frames"][0]["scenes"] == ["scene1"]
        assert len(roi["warnings"]) == warned
        assert roi["cloud_mask"] == "none"

    def test_radar_of_both_directions_is_warned_about(self, bench, fake_source, tmp_path):
        source = fake_source(
            ["06-05", "06-10"], lambda scene, grid: Pixels(noise(scene, grid, "s1", 2))
        )
        for second, warned in (("descending", True), ("ASCENDING", False)):
            bench.store.root = tmp_path / second
            source.listed = [
                Scene(s.id, s.time, properties={"orbit": orbit})
                for s, orbit in zip(source.listed, ("ascending", second), strict=True)
            ]
            node, _ = bench.run([place("a")], "composite", modality="s1")
            assert bool(bench.rois(node)[0]["warnings"]) is warned

    @pytest.mark.parametrize("pixels", [1, 3])
    def test_clouds_are_dilated(self, bench, fake_source, pixels, monkeypatch):
        def image(scene, grid):
            scl = np.full((grid.height, grid.width), 4, np.uint8)
            scl[10, 12], scl[:, 20] = 9, 0  # a cloud, and a column without data, which stays
            return Pixels(noise(scene, grid), {"scl": scl})

        source = fake_source(["06-05"], image)
        node, _ = bench.run([place("a")], "composite", mask_dilation=pixels)
        frame = self.frames(bench, node)[0][0, 0]
        y, x = np.indices(frame.shape)
        cloud = (y - 10) ** 2 + (x - 12) ** 2 <= pixels**2
        np.testing.assert_array_equal(np.isnan(frame), cloud | (x == 20))
        # However few rows are read at once.
        monkeypatch.setattr(scenes_module, "BLOCK_BYTES", 4 * source.grids[0].width)
        bench.store.path(node, "shard").unlink()
        bench.run([place("a")], "composite", mask_dilation=pixels)
        np.testing.assert_array_equal(self.frames(bench, node)[0][0, 0], frame)

    @pytest.mark.parametrize("policy", ["drop", "repeat", "error"])
    def test_empty_frames(self, bench, fake_source, policy):
        self.source(fake_source, ["06-02", "06-12", "06-22"], clouds=["scene1"])
        own = {"model": "galileo", "weights": "random", "frames": 3, "frame_policy": "equal"}
        node, _ = bench.run([place("a")], "composite", empty_frame=policy, **own)
        (roi,) = bench.rois(node)
        if policy == "error":
            assert roi["error"] == "frame 2 of 3 is empty (empty_frame: error)"
            return
        described = [(f["bin"], f["repeats"], f["scenes"]) for f in roi["frames"]]
        repeated = [(1, 0, ["scene0"])] if policy == "repeat" else []
        assert described == [(0, None, ["scene0"]), *repeated, (2, None, ["scene2"])]
        frames, count = self.frames(bench, node)
        assert len(frames) == len(count) == len(described)
        if repeated:
            np.testing.assert_array_equal(frames[0], frames[1])

    def test_a_mask_without_its_layer_says_which(self, bench, fake_source):
        self.source(fake_source, ["06-05"])
        node, _ = bench.run([place("a")], "composite", cloud_mask="cloud")
        assert bench.rois(node)[0]["error"] == (
            "cloud_mask needs the layer cloud; its scenes have scl"
        )

    def test_gain_and_offset_leave_missing_pixels_missing(self, bench, fake_source):
        def image(scene, grid):
            values = noise(scene, grid)
            values[:, 0, 0] = 0
            return Pixels(values)

        source = fake_source(["06-05"], image, gain=0.5, offset=-1000.0)
        node, _ = bench.run([place("a")], "composite")
        frames, _ = self.frames(bench, node)
        expected = noise(source.listed[0], source.grids[0]) * np.float32(0.5) - 1000
        expected[:, 0, 0] = np.nan
        np.testing.assert_array_equal(frames[0], expected.astype(np.float32))

    def test_radar_is_averaged_as_power_whatever_the_cloud_share(self, bench, fake_source):
        def image(scene, grid):
            level = -10.0 if scene.id == "scene0" else -20.0
            return Pixels(np.full((2, grid.height, grid.width), level, np.float32))

        fake_source(["06-05", "06-10"], image, cloud_pct=99.0)
        node, _ = bench.run([place("a")], "composite", modality="s1", composite="mean")
        assert self.frames(bench, node)[0] == pytest.approx(10 * np.log10(0.055))


class TestOneFrameAtATime:
    """Frames are stored as they are made, so that memory does not grow with their number."""

    def made(self, pattern, held):
        def frames():
            for i, full in enumerate(pattern):
                held.append(i)
                yield (
                    (np.full((2, 3, 4), i, np.float32), np.ones((3, 4), np.uint16), [f"s{i}"])
                    if full
                    else None
                )

        return stage.Made(frames(), [("2022-01-01", "2022-02-01")] * len(pattern), [], "none")

    @pytest.mark.parametrize(
        ("policy", "expected", "bins"),
        [
            ("drop", [1, 3, 4], [1, 3, 4]),
            ("repeat", [1, 1, 1, 3, 4, 4], range(6)),
        ],
    )
    def test_empty_frames_are_dropped_or_repeated(self, tmp_path, policy, expected, bins):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            held = []
            told = stage._write_frames(
                file, self.made([0, 1, 0, 1, 1, 0], held), {"empty_frame": policy}
            )
            assert file["frames"][:, 0, 0, 0].tolist() == expected
            assert file["count"].shape == (len(expected), 3, 4)
        assert [frame.bin for frame in told] == list(bins)
        assert [f.repeats for f in told if f.repeats is not None] == (
            [1, 1, 4] if policy == "repeat" else []
        )
        assert held == list(range(6))

    def test_a_frame_that_may_not_be_empty_is_named(self, tmp_path):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            with pytest.raises(RoiError, match="frame 2 of 3 is empty"):
                stage._write_frames(file, self.made([1, 0, 1], []), {"empty_frame": "error"})
            with pytest.raises(RoiError, match="every pixel of every frame"):
                stage._write_frames(file.create_group("b"), self.made([0, 0], []), {})
