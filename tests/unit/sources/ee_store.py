"""A small made-up store for the Earth Engine stand-in: every collection, and every oddity once."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "standins"))

from ee_server import write_image
from rasterio.transform import Affine

from rsweep.core.grid import Grid

CRS = "EPSG:32633"
GRID = Grid(CRS, 500040.0, 5100000.0, 10.0, 40, 50)
MARGIN = 6  # pixels by which images reach beyond the grid
WINDOW = ("2022-06-01", "2022-07-01")

SR, L1C = "COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S2_HARMONIZED"
PLUS, PROBABILITY = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED", "COPERNICUS/S2_CLOUD_PROBABILITY"
S1, S1_FLOAT = "COPERNICUS/S1_GRD", "COPERNICUS/S1_GRD_FLOAT"
LC08, LC09 = "LANDSAT/LC08/C02/T1_L2", "LANDSAT/LC09/C02/T1_L2"
LC08_L1, LC09_L1 = "LANDSAT/LC08/C02/T1", "LANDSAT/LC09/C02/T1"
DEM = "COPERNICUS/DEM/GLO30"
L30, S30 = "NASA/HLS/HLSL30/v002", "NASA/HLS/HLSS30/v002"
MOD09, MOD13 = "MODIS/061/MOD09GA", "MODIS/061/MOD13Q1"
ALPHA = "GOOGLE/SATELLITE_EMBEDDING/V1/ANNUAL"
S2_BANDS = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12"]

DAYS = (3, 8, 13, 18, 23)
JUNE_MS = 1654041600000  # 2022-06-01T00:00:00Z
DAY_MS = 86_400_000
VERSION = 1_700_000_000_000_000


def shape() -> tuple[int, int]:
    return GRID.height + 2 * MARGIN, GRID.width + 2 * MARGIN


def inside(array: np.ndarray) -> np.ndarray:
    """The part of an image of the store that lies on the grid."""
    return array[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def affine(east_m: float = 0.0) -> Affine:
    left = GRID.x0 - MARGIN * GRID.scale_m + east_m
    return Affine(GRID.scale_m, 0, left, 0, -GRID.scale_m, GRID.y0 + MARGIN * GRID.scale_m)


def random(name: str, dtype: str, low: float, high: float) -> np.ndarray:
    """Values that depend on the name alone."""
    generator = np.random.default_rng(list(name.encode()))
    if np.dtype(dtype).kind == "f":
        return generator.uniform(low, high, shape()).astype(dtype)
    return generator.integers(int(low), int(high), shape(), dtype=dtype)


def index(day: int) -> str:
    return f"202206{day + 1:02d}T101030_202206{day + 1:02d}T101026_T33TVL"


class Builder:
    """Writes images, and keeps their arrays by id and band."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.arrays: dict[str, dict[str, np.ndarray]] = {}

    def image(self, image_id, bands, day, east_m=0.0, nodata=None, crs=CRS, **properties):
        self.arrays[image_id] = dict(bands)
        write_image(
            self.root,
            image_id,
            bands,
            crs,
            affine(east_m),
            nodata,
            **{
                "system__time_start": JUNE_MS + int(day * DAY_MS) + 37_830_123,
                "system__version": VERSION + int(day),
                **properties,
            },
        )


def _sentinel2(to: Builder) -> None:
    for day in DAYS:
        stamp = f"202206{day + 1:02d}T1010"
        common = {
            "CLOUDY_PIXEL_PERCENTAGE": 10.0 + day,
            "MGRS_TILE": "33TVL",
            "DATATAKE_IDENTIFIER": f"GS2A_{stamp}30_0363{day:02d}_N04.00",
            "DATASTRIP_ID": f"S2A_OPER_MSI_L2A_DS_X_20220630T000000_S{stamp}26_N04.00",
            "PROCESSING_BASELINE": "04.00",
            "SPACECRAFT_NAME": "Sentinel-2A",
        }
        bands = {b: random(f"{day}{b}", "uint16", 1, 9000) for b in S2_BANDS}
        bands["SCL"] = random(f"{day}SCL", "uint16", 1, 12)
        if day == DAYS[1]:  # part of it was not seen
            for values in bands.values():
                values[:, :20] = 0
        to.image(f"{SR}/{index(day)}", bands, day, nodata=0, **common)
        bands = {b: v for b, v in bands.items() if b != "SCL"}
        to.image(f"{L1C}/{index(day)}", {**bands, "B10": bands["B9"]}, day, nodata=0, **common)
        probability = {"probability": random(f"{day}p", "uint8", 0, 101)}
        to.image(f"{PROBABILITY}/{index(day)}", probability, day)
        if day != DAYS[3]:  # Cloud Score+ lacks some scenes
            score = {"cs_cdf": random(f"{day}cs", "float32", 0, 1)}
            to.image(f"{PLUS}/{index(day)}", score, day)


def _oddities(to: Builder) -> None:
    """An older processing of the first scene, a second strip of the second, a neighbour."""
    bands = {b: random(f"odd{b}", "uint16", 1, 9000) for b in S2_BANDS}
    bands["SCL"] = random("oddSCL", "uint16", 1, 12)
    first, second = DAYS[:2]
    common = {"CLOUDY_PIXEL_PERCENTAGE": 1.0, "MGRS_TILE": "33TVL"}
    to.image(
        f"{SR}/20220604T101030_20220604T000000_T33TVL",
        bands,
        first,
        **common,
        DATATAKE_IDENTIFIER=f"GS2A_202206{first + 1:02d}T101030_0363{first:02d}_N03.01",
        DATASTRIP_ID=f"S2A_OPER_MSI_L2A_DS_X_20220605T000000_S202206{first + 1:02d}T101026_N03",
        PROCESSING_BASELINE="03.01",
    )
    to.image(
        f"{SR}/20220609T101030_20220609T101555_T33TVL",
        bands,
        second,
        **common,
        DATATAKE_IDENTIFIER=f"GS2A_202206{second + 1:02d}T101030_0363{second:02d}_N04.00",
        DATASTRIP_ID=f"S2A_OPER_MSI_L2A_DS_X_20220630T000000_S202206{second + 1:02d}T101555_N04",
        PROCESSING_BASELINE="04.00",
    )
    # Its left edge is the grid's right edge: no pixel centre of it is on the grid.
    east = (GRID.width + MARGIN) * GRID.scale_m
    to.image(f"{SR}/20220604T101030_20220604T101026_T33TWL", bands, first, east_m=east, **common)
    to.image(f"{SR}/20220701T000000_20220701T000000_T33TVL", bands, 30 - 0.4378, **common)


def _radar(to: Builder) -> None:
    for day, orbit, mode in (
        (2, "ASCENDING", "IW"),
        (7, "DESCENDING", "IW"),
        (9, "ASCENDING", "EW"),
    ):
        power = {b: random(f"{day}{b}", "float32", 1e-4, 1) for b in ("VV", "VH")}
        for values in power.values():
            values[:10] = np.nan
        common = {
            "orbitProperties_pass": orbit,
            "instrumentMode": mode,
            "platform_number": "A",
            "transmitterReceiverPolarisation": ["VV", "VH"],
            "nodata": np.nan,
        }
        to.image(f"{S1_FLOAT}/S1A_IW_{day}", power, day, **common)
        decibel = {b: (10 * np.log10(v)).astype("float32") for b, v in power.items()}
        to.image(f"{S1}/S1A_IW_{day}", decibel, day, **common)


def _other_optical(to: Builder) -> None:
    for day, asset in ((4, LC08), (12, LC09)):
        bands = {f"SR_B{i}": random(f"{day}{i}", "uint16", 1, 60000) for i in range(1, 8)}
        bands["QA_PIXEL"] = random(f"{day}qa", "uint16", 1, 256)
        to.image(f"{asset}/LC0_{day}", bands, day, nodata=0, CLOUD_COVER=5.5, SPACECRAFT_ID="L")
    for day, asset in ((4, LC08_L1), (12, LC09_L1)):
        bands = {f"B{i}": random(f"l1{day}{i}", "uint16", 1, 60000) for i in range(1, 12)}
        bands["QA_PIXEL"] = random(f"l1{day}qa", "uint16", 1, 256)
        to.image(f"{asset}/LC0_{day}", bands, day, nodata=0, CLOUD_COVER=5.5, SUN_ELEVATION=61.5)
    for day, asset, names in ((5, L30, "B2 B3 B4 B5 B6 B7"), (6, S30, "B2 B3 B4 B8A B11 B12")):
        bands = {b: random(f"{day}{b}", "float32", -0.05, 1) for b in names.split()}
        for values in bands.values():
            values[0:8] = np.nan
        bands["Fmask"] = random(f"{day}f", "uint8", 0, 255).astype("float32")
        to.image(f"{asset}/T33_{day}", bands, day, nodata=np.nan, CLOUD_COVERAGE=7.0)
    bands = {f"sur_refl_b0{i}": random(f"m{i}", "int16", -100, 16000) for i in range(1, 8)}
    bands["state_1km"] = random("state", "int16", 0, 16000)
    to.image(f"{MOD09}/2022_06_10", bands, 9, nodata=-28672)
    del bands["state_1km"]
    start = JUNE_MS + 9 * DAY_MS
    to.image(
        f"{MOD13}/2022_06_10",
        {**bands, "SummaryQA": random("q", "int16", 0, 4)},
        9,
        system__time_start=start,
        system__time_end=start + 16 * DAY_MS,
    )
    for year, east in ((0, 0.0), (365, 0.0)):
        bands = {f"A{i:02d}": random(f"{year}{i}", "float32", -1, 1) for i in range(64)}
        start = JUNE_MS - 151 * DAY_MS + year * DAY_MS
        to.image(
            f"{ALPHA}/{year}",
            bands,
            0,
            east_m=east,
            system__time_start=start,
            system__time_end=start + 365 * DAY_MS,
        )


def _elevation(to: Builder) -> None:
    """Two tiles of one product, made years before the window, that meet on the grid."""
    reach = (GRID.width // 2 + MARGIN) * GRID.scale_m
    for name, east in (("N46_E015", -reach), ("N46_E016", reach)):
        heights = {"DEM": random(name, "float32", -20, 2500)}
        to.image(f"{DEM}/{name}", heights, -4200, east_m=east, nodata=np.nan)


def build(root: Path) -> Builder:
    builder = Builder(root)
    for part in (_sentinel2, _oddities, _radar, _other_optical, _elevation):
        part(builder)
    return builder
