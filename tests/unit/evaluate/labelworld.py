"""Rasters of labels and ROIs over them, in UTM zone 33."""

import rasterio
import shapely
from pyproj import Transformer
from shapely.geometry import box, mapping
from test_design import DEFAULTS

from rsweep.core.roi import Roi

X0, Y0 = 450_000, 5_090_040
"""Top-left corner of the rasters; multiples of 60 m."""
TO_LONLAT = Transformer.from_crs(32633, 4326, always_xy=True)


def write_raster(path, values, pixel_m=10.0, **own):
    """A raster [H, W] whose top-left corner is X0, Y0."""
    profile = {
        "driver": "GTiff",
        "crs": "EPSG:32633",
        "count": 1,
        "dtype": values.dtype.name,
        "height": values.shape[0],
        "width": values.shape[1],
        "transform": rasterio.Affine(pixel_m, 0, X0, 0, -pixel_m, Y0),
        **own,
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(values, 1)
    return path


def square(name, left, top, side, **columns):
    """A square ROI, its corner `left` and `top` metres from that of the rasters."""
    ground = box(X0 + left, Y0 - top - side, X0 + left + side, Y0 - top)
    return Roi(name, mapping(shapely.transform(ground, _degrees)), properties=columns)


def _degrees(points):
    return list(zip(*TO_LONLAT.transform(*points.T), strict=True))


def asked(path, **own):
    """The options of an evaluation by a raster."""
    return {**DEFAULTS, "label": "cover", "label_raster": str(path), "repeats": 1, **own}
