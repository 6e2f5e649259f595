"""Embeddings of others in rasters: cut by each ROI and pooled."""

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import Transformer

from rsweep.core.errors import RsweepError
from rsweep.core.grid import roi_polygon
from rsweep.core.roi import Roi
from rsweep.plan.given import GivenSet
from rsweep.results.given import read_set
from rsweep.results.given_rasters import read_rasters

ROI = Roi("a", {"type": "point", "lon": 8.7, "lat": 50.5, "buffer_m": 43})
FIELD = Roi(
    "b",
    {
        "type": "Polygon",
        "coordinates": [[[8.7, 50.5], [8.7009, 50.5001], [8.7006, 50.5009], [8.7, 50.5]]],
    },
)
UTM = Affine(10, 0, 478_600, 0, -10, 5_594_500)
TURNED = {
    "north up": ("EPSG:32632", UTM),
    "south up": ("EPSG:32632", Affine(10, 0, 478_600, 0, 10, 5_593_800)),
    "another zone": ("EPSG:32631", Affine(10, 0, 903_700, 0, -10, 5_610_200)),
    "degrees": ("EPSG:4326", Affine(2e-4, 0, 8.695, 0, -1e-4, 50.505)),
}


def write(path, values, crs="EPSG:32632", transform=UTM, nodata=None):
    count, height, width = values.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=count,
        height=height,
        width=width,
        dtype=values.dtype,
        crs=crs,
        transform=transform,
        nodata=nodata,
    ) as file:
        file.write(values)
    return path


def given(path, pooling="mean", decode="none"):
    return GivenSet("x", "x", str(path), "id", pooling, decode, "0")


def shares(roi, crs, transform, height, width):
    """Share of every pixel that a ROI covers, by the areas of polygons in the raster's system."""
    epsg, polygon = roi_polygon(roi)
    to = Transformer.from_crs(epsg, crs, always_xy=True)
    ground = shapely.transform(polygon, lambda xy: np.stack(to.transform(*xy.T), axis=1))
    rows, columns = np.mgrid[:height, :width]
    corners = [transform @ (columns + x, rows + y) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))]
    pixels = shapely.polygons(np.stack([np.stack(c, axis=-1) for c in corners], axis=-2))
    return shapely.area(shapely.intersection(pixels, ground)) / shapely.area(pixels)


@pytest.mark.parametrize("roi", [ROI, FIELD], ids=["square", "field"])
@pytest.mark.parametrize("case", TURNED)
def test_each_pixel_counts_by_the_share_that_the_roi_covers(tmp_path, case, roi):
    crs, transform = TURNED[case]
    values = np.random.default_rng(0).normal(size=(3, 90, 90)).astype(np.float32)
    path = write(tmp_path / "all.tif", values, crs, transform)
    weights = shares(roi, crs, transform, 90, 90)
    assert weights.sum() > 3
    (found,) = read_rasters(given(path), [roi])
    expected = (values * weights).sum(axis=(1, 2)) / weights.sum()
    assert found.vector == pytest.approx(expected, abs=1e-5)
    assert found.valid_share == pytest.approx(1)


def test_pixels_without_data_are_left_out_and_counted(tmp_path):
    values = np.random.default_rng(0).normal(size=(2, 50, 50)).astype(np.float32)
    weights = shares(ROI, "EPSG:32632", UTM, 50, 50)
    row, column = np.argwhere(weights == 1)[0]
    values[1, row, column] = -9
    path = write(tmp_path / "all.tif", values, nodata=-9)
    (found,) = read_rasters(given(path), [ROI])
    kept = weights.copy()
    kept[row, column] = 0
    assert found.vector == pytest.approx((values * kept).sum(axis=(1, 2)) / kept.sum(), abs=1e-5)
    assert found.valid_share == pytest.approx(1 - 1 / weights.sum())


def test_what_a_raster_does_not_cover_is_said(tmp_path):
    values = np.ones((1, 50, 50), np.float32)
    weights = shares(ROI, "EPSG:32632", UTM, 50, 50)
    first = int(np.flatnonzero(weights.sum(axis=1))[2])
    part = write(
        tmp_path / "part.tif", values[:, first:], transform=UTM @ Affine.translation(0, first)
    )
    (found,) = read_rasters(given(part), [ROI])
    assert found.valid_share == pytest.approx(weights[first:].sum() / weights.sum())
    far = Roi("far", {**ROI.shape, "lon": 9.5})
    some = read_set(given(part), [ROI, far])
    assert (some[1].vector, some[1].error) == (None, "it lies outside part.tif")
    empty = write(tmp_path / "empty.tif", np.full((1, 50, 50), -1, np.float32), nodata=-1)
    with pytest.raises(RsweepError, match="no vector of any ROI of the study: a: no pixel"):
        read_set(given(empty), [ROI])


def test_alphaearths_integers_are_squared_and_signed(tmp_path):
    raw = np.array([-127, -64, 0, 32, 127], np.int8)[:, None, None] * np.ones((1, 50, 50), np.int8)
    raw[:, :, 12:] = -128  # the ROI is in columns 8 to 16
    path = write(tmp_path / "aef.tif", raw)
    (found,) = read_rasters(given(path, decode="alphaearth"), [ROI])
    assert found.vector == pytest.approx([-0.992172, -0.251965, 0, 0.062991, 0.992172], abs=1e-6)


def test_a_raster_per_roi_is_taken_whole_wherever_it_lies(tmp_path):
    values = np.random.default_rng(1).normal(size=(4, 7, 5)).astype(np.float32)
    with rasterio.open(
        tmp_path / "a.tif",
        "w",
        driver="GTiff",
        count=4,
        height=7,
        width=5,
        dtype="float32",
        transform=Affine.identity(),
    ) as file:
        file.write(values)
    rois = [ROI, Roi("b", ROI.shape)]
    flat = values.reshape(4, -1).astype(np.float64)
    wanted = {
        "mean": flat.mean(axis=1),
        "max": flat.max(axis=1),
        "mean_std": np.concatenate([flat.mean(axis=1), flat.std(axis=1)]),
    }
    for pooling, expected in wanted.items():
        one, other = read_set(given(tmp_path / "{id}.tif", pooling), rois)
        assert one.vector == pytest.approx(expected, abs=1e-6), pooling
        assert (other.vector, other.error) == (None, "b.tif is not there")


def test_vectors_of_different_lengths_are_refused(tmp_path):
    for name, count in (("a", 2), ("b", 3)):
        write(tmp_path / f"{name}.tif", np.ones((count, 2, 2), np.float32))
    with pytest.raises(RsweepError, match=r"different lengths: \[2, 3\]"):
        read_set(given(tmp_path / "{id}.tif"), [ROI, Roi("b", ROI.shape)])


def test_a_raster_of_all_places_needs_a_coordinate_system(tmp_path):
    path = write(tmp_path / "all.tif", np.ones((1, 2, 2), np.float32), crs=None)
    with pytest.raises(RsweepError, match="has no coordinate system"):
        read_set(given(path), [ROI])
    (tmp_path / "no.tif").write_text("no raster")
    with pytest.raises(RsweepError, match=r"no\.tif cannot be read"):
        read_set(given(tmp_path / "no.tif"), [ROI])


def tessera(folder, shape=(80, 80)):
    rng = np.random.default_rng(0)
    numbers = rng.integers(-127, 128, (*shape, 5), dtype=np.int8)
    scales = rng.uniform(0.01, 0.1, shape).astype(np.float32)
    np.save(folder / "grid.npy", numbers)
    np.save(folder / "grid_scales.npy", scales)
    path = write(folder / "grid.tif", np.ones((1, 80, 80), np.uint8), nodata=1)
    return path, numbers, scales


def test_tessera_is_int8_times_the_scale_of_its_pixel(tmp_path):
    path, numbers, scales = tessera(tmp_path)
    values = np.moveaxis(numbers.astype(np.float32) * scales[..., None], -1, 0)
    plain = write(tmp_path / "float.tif", values)
    (found,) = read_rasters(given(path, decode="tessera"), [FIELD])
    (expected,) = read_rasters(given(plain), [FIELD])
    np.testing.assert_allclose(found.vector, expected.vector, rtol=1e-6)
    assert found.valid_share == expected.valid_share == 1


def test_tessera_without_a_scale_is_missing(tmp_path):
    path, _, scales = tessera(tmp_path)
    np.save(tmp_path / "grid_scales.npy", np.full_like(scales, np.nan))
    (found,) = read_rasters(given(path, decode="tessera"), [FIELD])
    assert found.vector is None


def test_tessera_of_other_pixels_than_its_raster_is_an_error(tmp_path):
    path, *_ = tessera(tmp_path, (79, 80))
    with pytest.raises(RsweepError, match="same pixels"):
        list(read_rasters(given(path, decode="tessera"), [FIELD]))


def test_tessera_per_roi_says_which_file_is_not_there(tmp_path):
    path, numbers, scales = tessera(tmp_path)
    each = given(tmp_path / "{id}.tif", decode="tessera")
    path.rename(tmp_path / "b.tif")
    (found,) = read_rasters(each, [FIELD])
    assert "b.npy" in found.error
    np.save(tmp_path / "b.npy", numbers)
    np.save(tmp_path / "b_scales.npy", scales)
    (found,) = read_rasters(each, [FIELD])
    mean = (numbers.astype(np.float64) * scales[..., None]).mean((0, 1))
    np.testing.assert_allclose(found.vector, mean, rtol=1e-4, atol=1e-5)
