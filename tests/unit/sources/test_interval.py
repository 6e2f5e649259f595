"""Images that stand for a year, a month or some days: which window they belong to."""

from __future__ import annotations

import numpy as np
import pytest
from ee_store import ALPHA, Builder, affine, shape
from test_local import options, ramp, read, write

from rsweep.core.errors import RoiError
from rsweep.core.grid import Grid
from rsweep.sources.earthengine.client import Client
from rsweep.sources.earthengine.source import EarthEngine
from rsweep.sources.interval import chosen
from rsweep.sources.stac.items import parse_item
from rsweep.stages.composite.frames import scene_day, scenes_by_frame

YEARS = [(f"{year}-01-01", f"{year + 1}-01-01") for year in (2021, 2022, 2023)]
WINDOWS = [
    (("2022-01-01", "2023-01-01"), [2022]),
    (("2022-06-01", "2022-09-01"), [2022]),
    (("2022-03-01", "2023-02-01"), [2022]),
    (("2021-10-01", "2022-04-01"), [2021]),
    (("2021-12-01", "2022-04-01"), [2022]),
    (("2021-01-01", "2023-01-01"), [2021, 2022]),
    (("2021-07-02", "2022-07-02"), [2021]),
    (("2021-12-31", "2022-01-02"), [2021]),
]
"""Windows and the years that hold most of them; of two equal ones the earlier."""


@pytest.mark.parametrize("window, years", WINDOWS)
def test_the_year_that_holds_most_of_the_window(window, years):
    assert chosen([2021, 2022, 2023], YEARS, window) == years


def test_short_intervals_belong_where_most_of_each_lies():
    spans = [
        ("2022-05-20", "2022-06-05"),
        ("2022-06-05", "2022-06-21"),
        ("2022-06-21", "2022-07-07"),
        ("2022-07-07", "2022-07-23"),
    ]
    assert chosen("abcd", spans, ("2022-06-01", "2022-07-01")) == ["b", "c"]
    assert chosen("abcd", spans, ("2022-06-28", "2022-07-09")) == ["c"]
    assert chosen(["x", *"abcd"], [None, *spans], ("2022-09-01", "2022-10-01")) == ["x"]


@pytest.fixture(scope="module")
def annual(tmp_path_factory):
    from ee_server import serve

    root = tmp_path_factory.mktemp("annual")
    build = Builder(root)
    for year in (2021, 2022, 2023):
        start = int(np.datetime64(f"{year}-01-01", "ms").astype(int))
        bands = {"A00": np.full(shape(), year / 1e4, "f4")}
        build.image(
            f"{ALPHA}/a_{year}",
            bands,
            0,
            nodata=np.nan,
            system__time_start=start,
            system__time_end=int(np.datetime64(f"{year + 1}-01-01", "ms").astype(int)),
            MODEL_VERSION="1.0",
            UTM_ZONE="33N",
        )
    server = serve(root)
    yield server
    server.close()


@pytest.mark.parametrize("window, years", WINDOWS)
def test_an_annual_product_of_the_service_and_its_frame(annual, window, years):
    source = EarthEngine(Client(annual.url), ALPHA, ["A00"])
    grid = Grid("EPSG:32633", affine().c + 60, affine().f - 60, 10.0, 6, 6)
    scenes = source.scenes(grid, *window)
    assert [int(scene.time[:4]) for scene in scenes] == years
    assert source.check_pinned(scenes) == []
    listed = [
        {"id": s.id, "time": s.time, "cloud_pct": None, "properties": s.properties} for s in scenes
    ]
    (((first, after), chosen_scenes),) = scenes_by_frame(listed, *window, {"frames": 1})
    assert len(chosen_scenes) == len(years)
    for scene in listed:
        assert first.isoformat() <= scene_day(scene, *window) < after.isoformat()
    for pixels, year in zip(source.read(scenes, grid), years, strict=True):
        np.testing.assert_allclose(pixels.bands, year / 1e4, rtol=1e-6)


def test_the_day_of_an_interval_is_the_middle_of_what_it_shares_with_the_window():
    scene = {"time": "2022-01-01", "properties": {"interval": ["2022-01-01", "2023-01-01"]}}
    assert scene_day(scene, "2022-06-01", "2022-09-01") == "2022-07-17"
    assert scene_day({"time": "2022-01-05T10:00Z", "properties": {}}, "2022-01-01", "x") == (
        "2022-01-05"
    )


LAYOUTS = {
    "month": r"s2: {files: '(?P<date>\d{6})\.tif', bands: [B4]}",
    "year": r"s2: {files: '(?P<date>\d{4})\.tif', bands: [B4]}",
    "days": r"s2: {files: '(?P<date>\d{8})\.tif', bands: [B4], days: 16}",
}


@pytest.mark.parametrize(
    "kind, names, window, expected",
    [
        ("month", ["202205", "202206", "202207"], ("2022-05-25", "2022-07-10"), ["202206"]),
        ("year", ["2021", "2022"], ("2022-06-01", "2022-09-01"), ["2022"]),
        (
            "days",
            ["20220525", "20220610", "20220626"],
            ("2022-06-01", "2022-07-01"),
            ["20220525", "20220610"],
        ),
    ],
)
def test_local_composites(tmp_path, kind, names, window, expected):
    for name in names:
        write(tmp_path / f"{name}.tif", ramp())
    scenes, pixels = read(options(tmp_path, LAYOUTS[kind]), window=window)
    assert [scene.id for scene in scenes] == expected
    assert all(scene.properties["interval"] for scene in scenes)
    assert len(pixels) == len(expected)
    with pytest.raises(RoiError, match="no s2 scene from 2030"):
        read(options(tmp_path, LAYOUTS[kind]), window=("2030-01-01", "2030-02-01"))


def test_an_item_of_days_is_an_interval_and_one_of_seconds_is_not():
    def item(start, end):
        return parse_item(
            {
                "id": "a",
                "bbox": [0, 0, 1, 1],
                "properties": {
                    "datetime": None,
                    "start_datetime": start,
                    "end_datetime": end,
                },
            }
        )

    assert item("2022-06-01T10:00:00Z", "2022-06-01T10:00:25Z").interval is None
    month = item("2022-06-01T00:00:00Z", "2022-06-30T23:59:59Z")
    assert month.interval == ("2022-06-01T00:00:00Z", "2022-06-30T23:59:59Z")
    assert month.within("2022-06-20T00:00:00Z", "2022-07-20T00:00:00Z")
    assert not month.within("2022-07-01T00:00:00Z", "2022-07-20T00:00:00Z")
