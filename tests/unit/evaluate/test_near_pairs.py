"""Which ROIs share ground: distances by the ellipsoid, which the folds take for a sphere."""

import numpy as np
import pytest
from pyproj import Geod

from rsweep.evaluate.design import near_pairs

ELLIPSOID = Geod(ellps="WGS84")
SIDE_M = 640.0


def pairs(lat: float, azimuth: float, apart_m: float, buffer_m: float = 0.0) -> int:
    """Pairs, both ways, of two squares whose centres are so far apart."""
    lon, north, _ = ELLIPSOID.fwd(8.0, lat, azimuth, apart_m)
    places = np.array([[8.0, lat], [lon, north]])
    return len(near_pairs(places, np.full((2, 2), SIDE_M), buffer_m))


@pytest.mark.parametrize("lat", [0.0, 35.0, 50.0, 70.0])
@pytest.mark.parametrize("azimuth", [0.0, 90.0])
def test_squares_that_touch_share_no_ground(lat, azimuth):
    assert pairs(lat, azimuth, SIDE_M) == 0
    assert pairs(lat, azimuth, SIDE_M - 15) == 2
    assert pairs(lat, azimuth, SIDE_M + 100, buffer_m=110) == 2
    assert pairs(lat, azimuth, SIDE_M + 100, buffer_m=95) == 0
