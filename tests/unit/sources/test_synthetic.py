"""The synthetic provider: one world however it is looked at, and worth classifying."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from rsweep.core.errors import RoiError, SourceError
from rsweep.core.grid import Grid, roi_grid
from rsweep.core.roi_table import read_rois
from rsweep.core.sensors import SENSORS
from rsweep.sources.registry import parse_options
from rsweep.sources.synthetic import COLLECTIONS, S1, S2, clouds, identity, open_source
from rsweep.sources.synthetic.demo import TABLES, sample_rois, table
from rsweep.sources.synthetic.noise import noise
from rsweep.sources.synthetic.radar import log2
from rsweep.sources.synthetic.world import CLASSES, land_cover

ZONE = "EPSG:32632"
DEMO = Path(__file__).parents[3] / "config" / "rois" / "demo.csv"
BANDS = tuple(b for b in SENSORS["s2"].bands if b != "B10")
COVERED = (3, 8, 9, 10)  # SCL codes of shadow, cloud and cirrus


def grid(x0=502_200.0, y0=5_596_800.0, scale=10.0, height=36, width=36, crs=ZONE):
    return Grid(crs, x0, y0, scale, height, width)


def look(
    grid, start="2022-06-01", end="2022-07-01", collection=S2, bands=("B4", "B11", "B9"), **options
):
    source = open_source(options, collection, bands, "any")
    scenes = source.scenes(grid, start, end)
    return scenes, list(source.read(scenes, grid))


# ---------------------------------------------------------------- one world


@settings(max_examples=12, deadline=None)
@given(
    dx=st.integers(-3, 3),
    dy=st.integers(-3, 3),
    seed=st.integers(0, 3),
    collection=st.sampled_from([S1, S2]),
    zone=st.sampled_from([ZONE, "EPSG:32719"]),
)
def test_grids_agree_where_they_overlap(dx, dy, seed, collection, zone):
    bands = ("B4", "B11", "B9") if collection == S2 else ("VV", "VH")
    window = ("2022-06-01", "2022-06-12")
    a = grid(height=30, width=30, crs=zone)
    b = grid(a.x0 + 60 * dx, a.y0 - 60 * dy, height=30, width=30, crs=zone)
    seen = {}
    for one in (a, b):
        scenes, pixels = look(one, *window, collection, bands, seed=seed)
        seen[one] = dict(zip((s.time for s in scenes), pixels, strict=True))
    (rows, back_rows), (cols, back_cols) = _shared(6 * dy), _shared(6 * dx)
    back = (back_rows, back_cols)
    shared = seen[a].keys() & seen[b].keys()
    assert shared
    for time in shared:
        here, there = seen[a][time], seen[b][time]
        np.testing.assert_array_equal(here.bands[:, rows, cols], there.bands[:, *back])
        for layer in here.quality:
            np.testing.assert_array_equal(
                here.quality[layer][rows, cols], there.quality[layer][back]
            )


def _shared(shift, size=30):
    """What two runs of cells share, as a slice of each, the second `shift` cells on."""
    start, stop = max(0, shift), size + min(0, shift)
    return slice(start, stop), slice(start - shift, stop - shift)


def test_windows_agree_where_they_overlap():
    scenes, pixels = look(grid(), "2022-05-01", "2022-07-01")
    later, again = look(grid(), "2022-06-01", "2022-08-01")
    by_id = dict(zip((s.id for s in scenes), pixels, strict=True))
    shared = [(by_id[s.id], p) for s, p in zip(later, again, strict=True) if s.id in by_id]
    assert len(shared) >= 4
    assert all(np.array_equal(a.bands, b.bands) for a, b in shared)


@settings(max_examples=20, deadline=None)
@given(key=st.integers(0, 2**64 - 1), size=st.floats(15, 20_000), x0=st.integers(-(10**6), 10**6))
def test_noise_is_the_same_whether_gradients_are_looked_up_or_worked_out(key, size, x0):
    x, y = np.meshgrid(x0 + 10.0 * np.arange(12), 5e6 + 10.0 * np.arange(9))
    alone = [
        [noise(key, x[i, j][None], y[i, j][None], size)[0] for j in range(12)] for i in range(9)
    ]
    np.testing.assert_array_equal(noise(key, x, y, size), alone)


@pytest.mark.parametrize("scale", [20, 30, 60])
def test_scales_nest(scale):
    k = scale // 10
    _, fine = look(grid(), cloudiness=0.5)
    _, coarse = look(grid(scale=float(scale), height=36 // k, width=36 // k), cloudiness=0.5)
    for f, c in zip(fine, coarse, strict=True):
        blocks = f.bands.reshape(3, 36 // k, k, 36 // k, k).astype(float)
        mean = blocks.mean(axis=(2, 4))
        whole = (blocks > 0).all(axis=(2, 4))
        assert np.abs(c.bands - mean)[whole].max(initial=0) <= 0.51
        assert (c.bands[~whole] == 0).all()


def test_radar_scales_nest_in_linear_power():
    bands = ("VV", "VH")
    _, fine = look(grid(), collection=S1, bands=bands)
    _, coarse = look(grid(scale=20.0, height=18, width=18), collection=S1, bands=bands)
    for f, c in zip(fine, coarse, strict=True):
        power = (10 ** (f.bands.astype(float) / 10)).reshape(2, 18, 2, 18, 2).mean(axis=(2, 4))
        np.testing.assert_allclose(c.bands, 10 * np.log10(power), atol=0.01)


@pytest.mark.parametrize("scale", [3.0, 10.0, 15.0, 25.0, 100.0])
def test_any_scale_covers_the_grid(scale):
    asked = grid(scale=scale, height=11, width=7)
    for pixels in look(asked, "2022-06-01", "2022-06-11", cloudiness=0)[1]:
        assert pixels.bands.shape == (3, 11, 7)
        assert pixels.quality["scl"].shape == (11, 7)


def test_bands_have_their_native_pixel():
    pixels = look(grid(), "2022-06-20", "2022-06-30", cloudiness=0)[1][0].bands
    for band, size in ((1, 2), (2, 6)):
        blocks = pixels[band].reshape(36 // size, size, 36 // size, size)
        assert (blocks == blocks[:, :1, :, :1]).all()
    assert (pixels[0, ::2] != pixels[0, 1::2]).any()


def test_large_grids_are_drawn_in_strips_alike(monkeypatch):
    whole = look(grid(), cloudiness=0.5)[1]
    monkeypatch.setattr("rsweep.sources.synthetic.cells.MAX_CELLS", 36 * 7)
    for a, b in zip(whole, look(grid(), cloudiness=0.5)[1], strict=True):
        np.testing.assert_array_equal(a.bands, b.bands)
        np.testing.assert_array_equal(a.quality["scl"], b.quality["scl"])


DIGEST = "2b91ac9cc67fe013"
PROGRAM = """
import hashlib
from rsweep.core.grid import Grid
from rsweep.sources.synthetic import open_source
g = Grid("EPSG:32632", 502200.0, 5596800.0, 10.0, 12, 18)
digest = hashlib.sha256()
for name, bands in (("synthetic-s2-l2a", ["B2", "B8", "B12"]), ("synthetic-s1-grd", ["VV", "VH"])):
    source = open_source({"seed": 7, "cloudiness": 0.5}, name, bands, "any")
    scenes = source.scenes(g, "2022-06-01", "2022-07-01")
    for scene, pixels in zip(scenes, source.read(scenes, g)):
        digest.update(f"{scene.id} {scene.cloud_pct}".encode())
        digest.update(pixels.bands.astype(pixels.bands.dtype.newbyteorder("<")).tobytes())
        for layer in sorted(pixels.quality):
            digest.update(pixels.quality[layer].tobytes())
print(digest.hexdigest()[:16])
"""


def test_pixels_are_the_same_in_every_process():
    """A change of this digest is a change of the world: raise WORLD_VERSION with it."""
    for hash_seed in ("0", "1234"):
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        assert run.stdout.strip() == DIGEST


def test_logarithm_is_accurate():
    values = np.geomspace(1e-12, 1e6, 2001)
    np.testing.assert_allclose(log2(values), np.log2(values), atol=2e-12)


def test_seeds_and_zones_are_other_worlds():
    x, y = np.meshgrid(np.arange(4.5e5, 4.7e5, 500), np.arange(5.55e6, 5.57e6, 500))
    base = land_cover(x, y, 32632)
    assert (base != land_cover(x, y, 32632, seed=1)).mean() > 0.5
    assert (base != land_cover(x, y, 32633)).mean() > 0.5


def test_every_class_is_common_enough():
    x, y = np.meshgrid(np.arange(4.7e5, 5.3e5, 400), np.arange(5.57e6, 5.63e6, 400))
    share = np.bincount(land_cover(x, y, 32632).ravel(), minlength=len(CLASSES)) / x.size
    assert share.min() > 0.03
    assert share.max() < 0.4


def test_land_cover_takes_numbers_and_a_cell_has_one_label():
    label = land_cover(502_203, 5_596_799, 32632)
    assert label.shape == ()
    assert label == land_cover(502_209.9, 5_596_790.0, 32632)


# ---------------------------------------------------------------- scenes


def test_scenes_are_in_the_window_and_in_order():
    source = open_source({}, S2, ["B4"], "any")
    scenes = source.scenes(grid(), "2022-06-05", "2022-06-25")
    times = [s.time for s in scenes]
    assert times == sorted(times)
    assert 3 <= len(scenes) <= 4
    assert all("2022-06-05" <= t < "2022-06-25" for t in times)
    assert all(s.id.startswith(f"S2SYN_{s.time[:4]}") for s in scenes)
    assert len({s.id for s in scenes}) == len(scenes)
    exact = source.scenes(grid(), times[1], times[-1])
    assert [s.time for s in exact] == times[1:-1]


def test_an_empty_window_is_the_roi_s_error():
    with pytest.raises(RoiError, match="no scene"):
        open_source({"revisit_days": 30}, S2, ["B4"], "any").scenes(
            grid(), "2022-06-03", "2022-06-04"
        )


def test_a_scene_of_another_world_is_refused():
    scenes = open_source({}, S2, ["B4"], "any").scenes(grid(), "2022-06-01", "2022-07-01")
    other = open_source({"revisit_days": 7}, S2, ["B4"], "any")
    with pytest.raises(RoiError, match="not of this world"):
        list(other.read(scenes, grid()))


@pytest.mark.parametrize(
    ("collection", "bands", "orbit", "text"),
    [
        ("sentinel", ["B4"], "any", "no collection"),
        (S2, ["B04"], "any", "no band 'B04'"),
        (S1, ["VV"], "up", "orbit"),
    ],
)
def test_what_it_does_not_have_is_said(collection, bands, orbit, text):
    with pytest.raises(SourceError, match=text):
        open_source({}, collection, bands, orbit)


def test_grids_outside_utm_are_refused():
    with pytest.raises(SourceError, match="UTM"):
        open_source({}, S2, ["B4"], "any").scenes(grid(crs="EPSG:3035"), "2022-06-01", "2022-07-01")


def test_orbits_alternate_and_filter():
    asked = grid(), "2022-06-01", "2022-08-01"
    every = open_source({}, S1, ["VV"], "any").scenes(*asked)
    parts = [open_source({}, S1, ["VV"], o).scenes(*asked) for o in ("ascending", "descending")]
    assert {s.properties["orbit"] for s in every} == {"ascending", "descending"}
    assert sorted(s.id for part in parts for s in part) == sorted(s.id for s in every)
    assert {s.properties["orbit"] for s in parts[0]} == {"ascending"}
    assert all(s.cloud_pct is None for s in every)


def test_some_scenes_cover_a_roi_in_part():
    _, pixels = look(grid(height=100, width=100), "2021-01-01", "2023-01-01", bands=("B4", "B9"))
    missing = [p.bands[0] == 0 for p in pixels]
    partial = [k for k, m in enumerate(missing) if 0 < m.mean() < 1]
    assert partial
    for k, mask in enumerate(missing):
        np.testing.assert_array_equal(pixels[k].bands[1] == 0, mask)
        np.testing.assert_array_equal(pixels[k].quality["scl"] == 0, mask)
        np.testing.assert_array_equal(pixels[k].quality["cloud"] == 255, mask)


def test_radar_is_missing_outside_its_swath():
    _, pixels = look(grid(height=100, width=100), "2021-01-01", "2023-01-01", S1, ("VV", "VH"))
    missing = [np.isnan(p.bands) for p in pixels]
    assert any(0 < m.mean() < 1 for m in missing)
    assert all((m[0] == m[1]).all() for m in missing)
    values = np.concatenate([p.bands[~np.isnan(p.bands)] for p in pixels])
    assert values.min() > -60
    assert values.max() < 20


# ---------------------------------------------------------------- sky


def test_classification_matches_the_light():
    bands = ("B2", "B8")
    seen = look(grid(height=90, width=90), bands=bands, cloudiness=0.5)[1]
    clear = look(grid(height=90, width=90), bands=bands, cloudiness=0)[1]
    codes = np.concatenate([p.quality["scl"].ravel() for p in seen])
    pairs = zip(seen, clear, strict=True)
    ratio = np.concatenate(
        [(a.bands / np.maximum(b.bands, 1.0)).reshape(2, -1) for a, b in pairs], axis=1
    )
    assert {3, 4, 8, 9} <= set(codes)
    assert np.median(ratio[0, codes == 9]) > 3
    assert np.quantile(ratio[1, codes == 3], 0.9) < 0.95
    ground = np.isin(codes, (4, 5, 6))
    assert np.quantile(ratio[:, ground], 0.99) < 1.5
    assert np.quantile(ratio[:, ground], 0.01) > 0.8


def test_classes_of_the_ground_follow_the_ground():
    asked = grid(504_600.0, 5_598_000.0, height=120, width=120)
    pixels = look(asked, "2022-06-10", "2022-07-01", cloudiness=0)[1][0]
    x = asked.x0 + 10 * np.arange(120) + 5
    label = land_cover(x[None], asked.y0 - 10 * np.arange(120)[:, None] - 5, 32632)
    scl = pixels.quality["scl"]
    assert ((scl == 6) == (label == CLASSES.index("water"))).all()
    assert (scl[label == CLASSES.index("conifer_forest")] == 4).all()
    assert (pixels.quality["cloud"] == 0).all()


@pytest.mark.parametrize("cloudiness", [0.0, 0.2, 0.35, 0.7, 1.0])
def test_mean_cloud_share_is_as_asked(cloudiness):
    source = open_source({"cloudiness": cloudiness}, S2, ["B4"], "any")
    shares = [s.cloud_pct for s in source.scenes(grid(), "2015-01-01", "2023-01-01")]
    assert np.mean(shares) == pytest.approx(100 * cloudiness, abs=8)
    if 0 < cloudiness < 1:
        assert min(shares) < 5
        assert max(shares) > 95


def test_cloud_share_of_a_scene_says_something_of_a_roi():
    scenes, pixels = look(grid(), "2020-01-01", "2023-01-01", bands=("B4",))
    inside = [np.isin(p.quality["scl"], COVERED).mean() for p in pixels]
    assert np.corrcoef([s.cloud_pct for s in scenes], inside)[0, 1] > 0.6


def test_cloud_share_does_not_depend_on_the_roi():
    near = [look(g, bands=("B4",))[0] for g in (grid(), grid(x0=504_000.0, scale=20.0))]
    shares = [{s.id: s.cloud_pct for s in scenes} for scenes in near]
    assert all(shares[1][name] == share for name, share in shares[0].items() if name in shares[1])


@given(st.lists(st.integers(0, 100), min_size=5, max_size=5))
def test_scl_codes_are_sentinel_2_s(percents):
    code = clouds.classes(*(np.array([p]) for p in percents))
    assert code.dtype == np.uint8
    assert code[0] in (3, 4, 5, 6, 7, 8, 9, 10)
    assert (code[0] in (8, 9)) == (percents[0] >= 25)


# ---------------------------------------------------------------- options and identity


def test_identity_has_what_changes_pixels():
    options = parse_options("synthetic", {"seed": "3", "cloudiness": 0.5})
    one = identity(options, S2)
    assert one == {
        "world_version": one["world_version"],
        "seed": 3,
        "revisit_days": 5,
        "cloudiness": 0.5,
    }
    assert identity(options, S1) == identity({**options, "cloudiness": 0.1}, S1)
    assert set(COLLECTIONS) <= set(SENSORS)


def test_reading_options_loads_nothing_heavy():
    program = "import sys, rsweep.sources.synthetic; print('numpy' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"


# ---------------------------------------------------------------- worth classifying


def observe(rois, start, end, collection=S2, bands=BANDS, **options):
    """Per ROI: pixel labels (H*W) and values [T, C, H*W] with NaN where clouded, and without."""
    found = []
    for roi in rois:
        asked, _ = roi_grid(roi, 10.0, 0.0)
        _, pixels = look(asked, start, end, collection, bands, **options)
        x = asked.x0 + 10 * np.arange(asked.width) + 5
        y = asked.y0 - 10 * np.arange(asked.height) - 5
        label = land_cover(x[None], y[:, None], 32632).ravel()
        raw = np.stack([p.bands.reshape(len(bands), -1) for p in pixels]).astype(float)
        raw[raw == 0] = np.nan
        masked = raw.copy()
        for k, p in enumerate(pixels):
            if p.quality:
                masked[k, :, np.isin(p.quality["scl"], (0, 7, *COVERED)).ravel()] = np.nan
        found.append((label, raw, masked))
    return found


@pytest.fixture(scope="module")
def rois():
    return read_rois(DEMO)[0][:36]


def score(train, test, classes=None):
    """Accuracy of 5 nearest neighbours from pixels of some ROIs to pixels of others."""
    (x, y), (x_test, y_test) = (
        (np.concatenate([v[::11] for v, _ in part]), np.concatenate([c[::11] for _, c in part]))
        for part in (train, test)
    )
    keep, keep_test = (np.isfinite(v).all(axis=1) for v in (x, x_test))
    if classes is not None:
        keep, keep_test = keep & np.isin(y, classes), keep_test & np.isin(y_test, classes)
    model = KNeighborsClassifier(5).fit(np.log(x[keep]), y[keep])
    return model.score(np.log(x_test[keep_test]), y_test[keep_test])


def split(samples):
    """Whole squares of the demo apart: three to learn from, three to be judged on."""
    return samples[:18], samples[18:]


@pytest.fixture(scope="module")
def summer(rois):
    return observe(rois, "2022-06-01", "2022-09-01")


@pytest.mark.filterwarnings("ignore:All-NaN")
def test_clear_composites_classify_and_a_cloudy_mosaic_does_not(summer):
    clear = [(np.nanmedian(masked, axis=0).T, label) for label, _, masked in summer]
    mosaic = [(_mosaic(raw[:12]).T, label) for label, raw, _ in summer]
    good, bad = score(*split(clear)), score(*split(mosaic))
    print(f"clear median {good:.3f}, unmasked mosaic {bad:.3f}")
    assert good > 0.9
    assert bad < good - 0.1


def _mosaic(raw):
    """The latest pixel of each place, cloud or not."""
    out = raw[0]
    for scene in raw[1:]:
        out = np.where(np.isfinite(scene), scene, out)
    return out


@pytest.mark.filterwarnings("ignore:All-NaN")
def test_two_seasons_tell_the_crops_apart_better_than_one(rois):
    windows = {"may": ("2022-05-05", "2022-05-25"), "august": ("2022-08-10", "2022-09-01")}
    rois = [r for r in rois if r.properties["land_cover"] in ("cropland", "grassland")]
    values = {}
    for name, window in windows.items():
        seen = observe(rois, *window, bands=("B4", "B8"), cloudiness=0.05)
        values[name] = [(np.nanmedian(m, axis=0).T, label) for label, _, m in seen]
    names = ("winter_crop", "summer_crop", "grassland")
    classes = [CLASSES.index(n) for n in names]
    half = len(rois) // 2
    single = {n: score(v[:half], v[half:], classes) for n, v in values.items()}
    both = [
        (np.concatenate([a, b], axis=1), c)
        for (a, c), (b, _) in zip(values["may"], values["august"], strict=True)
    ]
    two = score(both[:half], both[half:], classes)
    print(f"one season {single}, both {two:.3f}")
    assert two > max(single.values()) + 0.05


def test_radar_tells_water():
    rois = [
        r
        for r in read_rois(DEMO)[0][:24]
        if r.properties["land_cover"] in ("water", "grassland", "cropland")
    ]
    seen = observe(rois, "2022-06-01", "2022-07-01", S1, ("VV", "VH"))
    label = np.concatenate([c for c, _, _ in seen])
    vh = np.concatenate([np.nanmean(raw[:, 1], axis=0) for _, raw, _ in seen])
    water = label == CLASSES.index("water")
    right = ((vh < -23.0) == water).mean()
    print(f"water by VH {right:.3f}")
    assert right > 0.97


# ---------------------------------------------------------------- demo table


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_the_world_s(name):
    assert table(sample_rois(TABLES[name])) == DEMO.with_name(f"{name}.csv").read_text()


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_a_roi_table(name):
    rois, problems = read_rois(DEMO.with_name(f"{name}.csv"))
    assert problems == []
    places = TABLES[name]
    labels = [r.properties["land_cover"] for r in rois]
    expected = dict.fromkeys(places.groups, places.clusters)
    assert {label: labels.count(label) for label in places.groups} == expected
    for roi in rois[:12]:
        asked, polygon = roi_grid(roi, 10.0, 0.0)
        left, bottom, right, top = polygon.bounds
        x, y = np.meshgrid(np.arange(left + 5, right, 10), np.arange(bottom + 5, top, 10))
        names = [CLASSES.index(n) for n in places.groups[roi.properties["land_cover"]]]
        assert np.isin(land_cover(x, y, 32632), names).mean() > 0.75
        assert asked.crs == ZONE
