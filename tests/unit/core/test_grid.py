"""Grids: metres on the ground, in the right zone, that nest and cover."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer
from shapely.geometry import box

from rsweep.core.errors import RoiError
from rsweep.core.grid import (
    MAX_SIDE_PX,
    Grid,
    lonlat_polygon,
    roi_grid,
    roi_polygon,
    utm_epsg,
)
from rsweep.core.roi import Roi

GEOD = Geod(ellps="WGS84")


def point(lon: float, lat: float, buffer_m: float = 500.0) -> Roi:
    return Roi("p", {"type": "point", "lon": lon, "lat": lat, "buffer_m": buffer_m})


def degrees(minlon: float, minlat: float, maxlon: float, maxlat: float) -> Roi:
    values = {"minlon": minlon, "minlat": minlat, "maxlon": maxlon, "maxlat": maxlat}
    return Roi("b", {"type": "box", **values})


def polygon(*rings: list) -> Roi:
    closed = [[*ring, ring[0]] for ring in rings]
    if len(closed) == 1:
        return Roi("g", {"type": "Polygon", "coordinates": closed})
    return Roi("g", {"type": "MultiPolygon", "coordinates": [[ring] for ring in closed]})


places = st.builds(point, st.floats(-180, 180), st.floats(-79.9, 83.9), st.floats(1, 20_000))


@pytest.mark.parametrize(
    "lon, lat, epsg",
    [
        (-180, 10, 32601),
        (180, 10, 32601),
        (179.999, 10, 32660),
        (-174.001, 10, 32601),
        (-174, 10, 32602),
        (0, 0, 32631),
        (15, 46, 32633),
        (15, -0.001, 32733),
        (5, 60, 32631),
    ],
)
def test_zones(lon, lat, epsg):
    assert utm_epsg(lon, lat) == epsg
    assert roi_grid(point(lon, lat), 10, 0)[0].crs == f"EPSG:{epsg}"


@settings(max_examples=60, deadline=None)
@given(places, st.sampled_from([10, 20, 30, 60]), st.floats(0, 2000), st.floats(0, 9000))
def test_a_grid_covers_its_square_and_context_from_a_multiple_of_60_m(roi, scale, context, least):
    grid, shape = roi_grid(roi, scale, context, least)
    left, bottom, right, top = shape.bounds
    half = max(max(right - left, top - bottom) / 2 + context, least / 2)
    cx, cy = (left + right) / 2, (bottom + top) / 2
    assert grid.x0 % 60 == 0
    assert grid.y0 % 60 == 0
    wanted = box(cx - half + 1e-2, cy - half + 1e-2, cx + half - 1e-2, cy + half - 1e-2)
    assert box(*grid.bounds).contains(wanted)
    assert grid.width * scale <= 2 * half + 2 * 60 + scale  # and no more than snapping needs


@settings(max_examples=40, deadline=None)
@given(places)
def test_scales_nest(roi):
    fine = roi_grid(roi, 10, 160)[0]
    for scale in (20, 30, 60):
        coarse = roi_grid(roi, scale, 160)[0]
        assert (coarse.x0, coarse.y0, coarse.bounds) == (fine.x0, fine.y0, fine.bounds)


@pytest.mark.parametrize("scale", [0.7, 0.3, 1.1, 7, 100, 250, 10_000])
def test_any_scale_covers_without_a_pixel_too_many(scale):
    grid, _ = roi_grid(point(15, 46, 2100), scale, 0)
    exact = round((roi_grid(point(15, 46, 2100), 60, 0)[0].width * 60) / scale, 6)
    assert grid.width == math.ceil(exact)


@pytest.mark.parametrize("lat", [60, -60, 0, 75])
def test_a_buffer_is_metres_on_the_ground(lat):
    crs, square = roi_polygon(point(12.3, lat, 1000))
    left, bottom, right, top = square.bounds
    back = Transformer.from_crs(crs, 4326, always_xy=True)
    middle = (bottom + top) / 2
    west, east = back.transform(left, middle), back.transform(right, middle)
    assert GEOD.inv(*west, *east)[2] == pytest.approx(2000, rel=1e-3)
    assert back.transform((left + right) / 2, middle) == pytest.approx((12.3, lat), abs=1e-7)


def test_a_box_in_degrees_is_its_own_ground_at_60_degrees_north():
    _, shape = roi_polygon(degrees(10, 60, 10.1, 60.05))
    lon, lat = [10, 10.1, 10.1, 10], [60, 60, 60.05, 60.05]
    area = abs(GEOD.polygon_area_perimeter(lon, lat)[0])
    assert shape.area == pytest.approx(area, rel=2e-3)


def test_across_the_antimeridian_box_polygon_and_parts_are_one_place():
    ring = [[179.95, -17], [-179.97, -17], [-179.97, -16.9], [179.95, -16.9]]
    west = [[179.95, -17], [180, -17], [180, -16.9], [179.95, -16.9]]
    east = [[-180, -17], [-179.97, -17], [-179.97, -16.9], [-180, -16.9]]
    places = [degrees(179.95, -17, -179.97, -16.9), polygon(ring), polygon(west, east)]
    found = [roi_polygon(roi) for roi in places]
    assert {crs for crs, _ in found} == {"EPSG:32760"}
    for _, shape in found:
        assert shape.area == pytest.approx(found[0][1].area, rel=1e-6)
        assert shape.bounds == pytest.approx(found[0][1].bounds, abs=0.1)
    assert found[0][1].area == pytest.approx(
        abs(GEOD.polygon_area_perimeter([0, 0.08, 0.08, 0], [-17, -17, -16.9, -16.9])[0]), rel=2e-3
    )
    assert roi_grid(places[0], 10, 0)[0].width < 1200


def test_parts_that_overlap_count_once():
    square = [[10.0, 50.0], [10.02, 50.0], [10.02, 50.02], [10.0, 50.02]]
    one, two = roi_polygon(polygon(square))[1], roi_polygon(polygon(square, square))[1]
    assert two.area == pytest.approx(one.area)


def test_a_point_on_the_antimeridian():
    shape = roi_polygon(point(180, 0, 1000))[1]
    assert shape.area == pytest.approx(4e6)


HUGE = [[-170.0, 50.0], [170.0, 50.0], [170.0, 80.0], [-170.0, 80.0]]
BOW_TIE = [[0.0, 0.0], [0.1, 0.1], [0.1, 0.0], [0.0, 0.1]]
DOUBLE = [BOW_TIE, [[1.0, 1.0], [1.1, 1.0], [1.1, 1.1]]]
LINE = [[1.0, 1.0], [1.1, 1.1], [1.2, 1.2]]


@pytest.mark.parametrize(
    "roi, text",
    [
        (point(0, 89), "latitude 89 is outside UTM"),
        (point(0, -85), "latitude -85 is outside UTM"),
        (degrees(0, 86, 1, 86.1), "outside UTM"),
        (degrees(-180, -90, 180, 90), "360.0 by 180.0 degrees, too large"),
        (degrees(10, 45, 14, 47), "km long; at most 200 km"),
        (point(10, 45, 150_000), "is 300 km long"),
        (polygon(HUGE), "is 3371 km long"),
        (polygon(BOW_TIE), "not valid: Self-intersection"),
        (polygon(LINE), "not valid"),
        (polygon(*DOUBLE), "not valid"),
    ],
)
def test_what_has_no_grid_is_a_roi_error(roi, text):
    with pytest.raises(RoiError, match=text):
        roi_grid(roi, 10, 0)


def test_a_grid_that_no_memory_holds_is_refused():
    with pytest.raises(RoiError, match=f"at scale_m 0.5 .*at most {MAX_SIDE_PX}"):
        roi_grid(point(10, 45, 10_000), 0.5, 0)


def test_dict_and_back():
    grid = Grid("EPSG:32633", 600.0, 1200.0, 10.0, 3, 4)
    assert Grid.from_dict(grid.to_dict()) == grid
    assert grid.bounds == (600, 1170, 640, 1200)
    a, _, c, _, e, f = grid.transform
    assert (c + 4 * a, f + 3 * e) == (640, 1170)


def test_an_outline_across_the_antimeridian_is_cut_there():
    """And does not span the globe."""
    spec = {"type": "point", "lon": 179.9995, "lat": -16.8, "buffer_m": 500}
    outline = lonlat_polygon(Roi("fiji", spec))
    assert outline.geom_type == "MultiPolygon"
    west, east = sorted(outline.geoms, key=lambda part: part.bounds[0])
    assert (west.bounds[0], east.bounds[2]) == (-180, 180)
    assert west.bounds[2] < -179.99
    assert east.bounds[0] > 179.99
    whole = lonlat_polygon(Roi("west", {**spec, "lon": 170.0}))
    assert whole.geom_type == "Polygon"
    assert outline.area == pytest.approx(whole.area, rel=1e-2)
