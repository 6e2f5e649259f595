"""Encodings that constants belong to, in closed form and on real scenes."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from rsweep.models.registry import find_card
from rsweep.models.statistics import CLEAR_S2
from rsweep.stages.prep.normalize import normalize
from rsweep.stages.prep.spec import resolved_normalization

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("RSWEEP_DATA", ROOT.parent / "shared/data"))
PICTURES = ("scalemae", "satmae", "remoteclip", "timm:vit_tiny_patch16_224")


def normalized(model: str, name: str, band: str, values: list[float]) -> np.ndarray:
    constants = find_card(model).normalizations[name]["s2"]
    pixels = np.asarray(values, np.float32)[None, None, None]
    valid = np.isfinite(pixels[:, 0])
    return normalize(pixels, valid, resolved_normalization(constants, [band])).ravel()


@pytest.mark.parametrize("band, white", [("B4", 3558), ("B2", 3558), ("B8", 8160), ("B12", 8160)])
def test_dofa_is_fed_satlas_images(band, white):
    """As that data set was written: whole numbers 0..255, RGB white at 0.3558, else DN / 32."""
    mean, std = find_card("dofa").normalizations["dofa"]["s2"].stats[band]
    raw = np.array([0, white / 2, white, 2 * white, 33])
    eight_bit = np.floor(np.clip(raw * 255 / white, 0, 255))
    found = normalized("dofa", "dofa", band, raw.tolist())
    np.testing.assert_allclose(found * std + mean, eight_bit, atol=1e-3)
    assert eight_bit.tolist()[:4] == [0, 127, 255, 255]


@pytest.mark.parametrize(
    "model, name",
    [
        ("dofa", "dofa"),
        ("dofa", "dofa_linear"),
        ("agrifm", "agrifm"),
        ("scalemae", "imagenet"),
        ("scalemae", "true_colour"),
        ("terramind", "terramind"),
        ("panopticon", "dataset"),
        ("terrafm", "unit"),
        ("dinov3", "true_colour"),
    ],
)
def test_a_missing_pixel_is_as_bright_as_clear_ground(model, name):
    for band in find_card(model).modalities["s2"][0].bands:
        missing, clear = normalized(model, name, band, [np.nan, CLEAR_S2[band]])
        assert missing == pytest.approx(clear, abs=0.03)  # which may be rounded to 8 bits


def statistics():
    if not (DATA / "bigearthnet").is_dir():
        pytest.skip(f"no {DATA / 'bigearthnet'}; RSWEEP_DATA names another folder")
    path = ROOT / "tools/input_statistics.py"
    spec = importlib.util.spec_from_file_location("input_statistics", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_missing_pixels_value_is_the_median_of_clear_scenes():
    found = statistics().medians(DATA)
    assert {band: round(value) for band, value in found.items()} == dict(CLEAR_S2)


@pytest.mark.parametrize("model", ["dofa", *PICTURES])
def test_on_real_scenes_the_default_is_nearer_to_0_and_1_than_the_other(model):
    tool = statistics()
    card = find_card(model)
    default, other = list(card.normalizations)[:2]
    for title, scenes in tool.SETS.items():
        found = list(scenes(DATA, "s2"))
        bands = list(card.modalities["s2"][0].bands)
        misfit = {}
        for name in (default, other):
            values = tool.fed(card, "s2", bands, found, name)
            means, stds = [v.mean() for v in values], [v.std() for v in values]
            misfit[name] = abs(np.mean(means)) + abs(np.log(np.mean(stds)))
        assert misfit[default] < misfit[other], title
