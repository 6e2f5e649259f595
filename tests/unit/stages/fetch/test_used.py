"""Which scenes on a disk a shard uses, against the grids and outlines that fetch reads by."""

import dataclasses
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Transformer
from rasterio.warp import transform_bounds

from rsweep.core.errors import RoiError
from rsweep.core.grid import roi_grid
from rsweep.core.nodes import Node
from rsweep.core.roi import Roi, degrees_around
from rsweep.core.shards import Shard
from rsweep.sources.held import Held
from rsweep.sources.outline import grid_outline, touches
from rsweep.stages.fetch import used
from rsweep.stages.fetch.reach import box_around, window_of
from rsweep.stages.fetch.used import scenes_digest, used_scenes

FETCH = {
    "provider": "local",
    "collection": "s2",
    "sensor": "s2",
    "scale_m": 10.0,
    "context_m": 0.0,
    "least_side_m": 0.0,
    "temporal": {"start": "2022-06-01", "end": "2022-09-01"},
}
ALL_YEAR = ("2022-07-01", "2022-07-01")
SIZES = st.floats(10.0, 40_000.0)


def point(lon, lat, buffer_m=300.0, **window):
    return Roi("a", {"type": "point", "lon": lon, "lat": lat, "buffer_m": buffer_m}, **window)


@st.composite
def rois(draw):
    """Points, boxes and triangles, at any place that UTM has, up to 80 km wide."""
    lon, lat = draw(st.floats(-180, 180)), draw(st.floats(-79, 83))
    kind, size = draw(st.sampled_from(["point", "box", "polygon"])), draw(SIZES)
    if kind == "point":
        return point(lon, lat, size)
    dlat = size / 111_320
    dlon = min(draw(SIZES) / 111_320 / max(0.1, 1 - abs(lat) / 90), 8.0)
    west, east = max(lon - dlon, -180.0), min(lon + dlon, 180.0)
    if kind == "box":
        shape = {
            "type": "box",
            "minlon": west,
            "maxlon": east,
            "minlat": lat - dlat,
            "maxlat": lat + dlat,
        }
        return Roi("a", shape)
    ring = [[west, lat - dlat], [east, lat - dlat], [lon, lat + dlat], [west, lat - dlat]]
    return Roi("a", {"type": "Polygon", "coordinates": [ring]})


@given(
    rois(),
    st.sampled_from([0.0, 500.0, 20_000.0]),
    st.sampled_from([0.0, 5_000.0]),
    st.sampled_from([10.0, 60.0]),
)
@settings(max_examples=300, deadline=None)
def test_the_box_around_a_roi_holds_its_grid_and_little_more(roi, context_m, least_m, scale_m):
    fetch = {**FETCH, "context_m": context_m, "least_side_m": least_m, "scale_m": scale_m}
    try:
        grid, _ = roi_grid(roi, scale_m, context_m, least_m)
    except RoiError:  # flat, or too large
        return
    west, south, east, north = box_around(fetch, roi)
    left, bottom, right, top = grid_outline(grid, "EPSG:4326").bounds
    turn = 360 * round(((west + east) - (left + right)) / 720)
    assert (west, south) <= (left + turn, bottom)
    assert south <= bottom
    assert top <= north
    assert west <= left + turn
    assert right + turn <= east
    if roi.shape["type"] == "point" and abs(roi.shape["lat"]) < 60:
        tall = 111_000 * (top - bottom)
        assert 111_000 * (north - south) < 1.25 * tall + 6 * 60 + 4 * scale_m


CRS_USED = ["EPSG:4326", "EPSG:32633", "EPSG:3413", "EPSG:3857", "EPSG:3031"]


@given(
    rois(),
    st.floats(-1, 1),
    st.floats(-1, 1),
    st.sampled_from([1e4, 1e5, 1e6, 6e6]),
    st.sampled_from(CRS_USED),
)
@settings(max_examples=400, deadline=None)
def test_a_raster_that_fetch_reads_is_used(roi, right, up, size, crs):
    """Whatever the projection of the raster: one that fetch finds to touch the grid is used."""
    west, south, east, north = degrees_around(roi.shape)
    to = Transformer.from_crs(4326, crs, always_xy=True)
    x, y = to.transform((west + east) / 2, (south + north) / 2)
    half = size / (222_640 if CRS(crs).is_geographic else 2)
    x, y = x + 1.5 * right * half, y + 1.5 * up * half
    bounds = (x - half, y - half, x + half, y + half)
    try:
        grid, _ = roi_grid(roi, 10.0, 0.0)
        boxes = (transform_bounds(crs, "EPSG:4326", *bounds, densify_pts=21),)
    except Exception:  # a place that the projection or UTM does not have
        return
    if not all(abs(value) < 1e9 for value in (*bounds, *boxes[0])):
        return
    if touches(bounds, CRS(crs).to_wkt(), grid):
        assert find([Held("x", boxes, *ALL_YEAR, None, "1")], [roi]) == {"x": "1"}


def find(scenes, places, known=None, **fetch):
    """What one shard of some places uses of some scenes."""
    provider = SimpleNamespace(held=lambda options, collection: tuple(scenes), own_grid=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(used, "find_provider", lambda name: provider)
        node = Node("fetch", 3, {**FETCH, **fetch})
        return used_scenes(node, {}, [Shard("s", places)], known).get("s")


HERE = Held("here", ((9.0, 49.0, 11.0, 51.0),), *ALL_YEAR, None, "1")


def test_place_and_time_decide():
    elsewhere = dataclasses.replace(HERE, id="elsewhere", boxes=((12.0, 49.0, 13.0, 51.0),))
    early = dataclasses.replace(HERE, id="early", start="2022-05-31T23:59:59Z", end="2022-05-31")
    last = dataclasses.replace(HERE, id="last", start="2022-08-31T23:59:59Z", end="2022-08-31T23")
    late = dataclasses.replace(HERE, id="late", start="2022-09-01", end="2022-09-01")
    annual = dataclasses.replace(HERE, id="annual", start="2022-01-01", end="2023-01-01")
    scenes = [HERE, elsewhere, early, last, late, annual]
    assert list(find(scenes, [point(10, 50)])) == ["annual", "here", "last"]
    assert list(find(scenes, [point(12.5, 50)])) == ["elsewhere"]
    assert list(find(scenes, [point(12.5, 50), point(10, 50)])) == [
        "annual",
        "elsewhere",
        "here",
        "last",
    ]
    assert find(scenes, [point(0, 0)]) == {}
    assert find([], [point(0, 0)]) is None  # nothing is on a disk


def test_a_roi_s_own_window_is_its_own():
    own = point(10, 50, start="2022-10-01", end="2022-11-01")
    later = dataclasses.replace(HERE, id="later", start="2022-10-05", end="2022-10-05")
    far = dataclasses.replace(later, id="far", boxes=((30.0, 49.0, 31.0, 51.0),))
    assert find([HERE, later, far], [own]) == {"later": "1"}
    # Each ROI in its window: the far one is of the study's, in which `far` is not.
    assert find([HERE, later, far], [own, point(30.5, 50)]) == {"later": "1"}
    assert window_of({**FETCH, "sensor": "dem"}, own) == ("1900-01-01", "2100-01-01")


def test_orbits_and_locks_choose():
    rising = dataclasses.replace(HERE, id="rising", orbit="ascending")
    falling = dataclasses.replace(HERE, id="falling", orbit="descending")
    assert list(find([rising, falling], [point(10, 50)], orbit="ascending")) == ["rising"]
    assert list(find([rising, falling], [point(10, 50)])) == ["falling", "rising"]
    assert list(find([rising, falling], [point(10, 50)], known={"falling"})) == ["falling"]


def test_a_scene_of_several_files_lies_where_any_of_them_does():
    scene = dataclasses.replace(HERE, boxes=((0.0, 0.0, 1.0, 1.0), (9.0, 49.0, 11.0, 51.0)))
    assert find([scene], [point(10, 50)])
    assert find([scene], [point(0.5, 0.5)])
    assert not find([scene], [point(5, 25)])
    assert find([dataclasses.replace(HERE, boxes=())], [point(5, 25)])  # it may lie anywhere


@pytest.mark.parametrize("lon", [179.9999, -179.9999, 180.0, -180.0])
@pytest.mark.parametrize(
    "box",
    [
        (179.5, 0.0, -179.5, 1.0),
        (179.5, 0.0, 180.5, 1.0),
        (-180.5, 0.0, -179.5, 1.0),
        (179.0, 0.0, 180.0, 1.0),
        (-180.0, 0.0, -179.0, 1.0),
    ],
)
def test_the_antimeridian_is_no_edge(lon, box):
    assert find([dataclasses.replace(HERE, boxes=(box,))], [point(lon, 0.5)])
    assert not find([dataclasses.replace(HERE, boxes=(box,))], [point(lon, 5)])


def test_identity_is_of_names_and_contents():
    assert scenes_digest({"a": "1", "b": "2"}) == scenes_digest({"b": "2", "a": "1"})
    every = [{}, {"a": "1"}, {"a": "2"}, {"b": "1"}, {"a": "1", "b": "1"}]
    assert len({scenes_digest(one) for one in every}) == len(every)
