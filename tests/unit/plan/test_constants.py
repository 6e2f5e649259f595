"""Normalisations that a study states: what they do to pixels, and what is wrong with them."""

import numpy as np
import pytest
from stagebench import FakeSource, noise, place, scenes

from rsweep.plan.profiles import resolve
from rsweep.sources.protocol import Pixels

STATED = {"own": {"s2": {"B4": [1000, 250], "B3": [10, 40.0]}}, "divide": {"s2": {"B4": [0, 1e4]}}}


def test_values_less_the_mean_by_the_deviation(bench):
    def image(scene, grid):
        return Pixels(noise(scene, grid))

    bench.use(FakeSource(scenes("06-05"), image))
    own = {
        "bands": "B4,B3",
        "cloud_mask": "none",
        "constants": STATED,
        "image_size": 16,
        "patch_size": 16,
        "input_prep": "resize",
    }
    tiles = {}
    for name in ("own", "constant"):
        node, _ = bench.run([place("a", 80)], "prep", normalization=name, **own)
        with bench.open(node) as file:
            tiles[name] = file["16/s2/pixels"][0, 0]
    raw = tiles["constant"] * 1500 + 2000  # of the card
    wanted = np.stack([(raw[0] - 1000) / 250, (raw[1] - 10) / 40])
    np.testing.assert_allclose(tiles["own"], wanted, rtol=1e-4, atol=1e-3)


def wrong(**own):
    return dict(resolve({"model": "rcf", "temporal": {"year": 2022}, **own}, {})[1])


def test_a_stated_name_is_one_of_the_models():
    own = {"bands": "B4,B3", "constants": STATED}
    assert wrong(**own, normalization="own") == {}
    assert "did you mean 'own'" in wrong(**own, normalization="owm")["normalization"]
    told = wrong(**own, normalization="divide")["normalization"]
    assert "no constants for B3; allowed: constant, own" in told


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"constant": {"s2": {"B4": [0, 1]}}}, "is rcf's own"),
        ({"a": {}}, "expected a sensor"),
        ({"a": [0, 1]}, "expected a sensor"),
        ({"a": {"s22": {"B4": [0, 1]}}}, "did you mean 's2'"),
        ({"a": {"s2": [0, 1]}}, "a.s2 is [0, 1]"),
        ({"a": {"s2": {"B04": [0, 1]}}}, "did you mean 'B4'"),
        ({"a": {"s2": {"B4": 1}}}, "a.s2.B4 is 1; expected [mean, std]"),
        ({"a": {"s2": {"B4": [0, 0]}}}, "std above 0"),
        ({"a": {"s2": {"B4": [0, "x"]}}}, "expected [mean, std]"),
    ],
)
def test_what_is_wrong_is_named(constants, message):
    assert message in wrong(constants=constants)["constants"]
