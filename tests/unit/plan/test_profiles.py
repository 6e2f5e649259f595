"""Resolving a profile against its model's card."""

from __future__ import annotations

import pytest

from rsweep.plan.nodes import build_nodes
from rsweep.plan.profiles import resolve


def test_the_default_normalisation_fits_what_the_model_is_fed() -> None:
    """So that `modality: [s2, s1]` sweeps without a normalisation for each."""
    radar, errors = resolve({"model": "thor", "modality": "s1"}, {})
    assert not errors
    assert radar["normalization"] == "galileo_s1"
    wide, errors = resolve({"model": "dofa", "bands": ["B1", "B4"]}, {})
    assert not errors
    assert wide["normalization"] == "unit"
    assert resolve({"model": "dofa"}, {})[0]["normalization"] == "dofa"


def test_one_frame_has_one_key_whatever_the_policy() -> None:
    """It is the whole window under each."""
    base = {
        "model": "galileo",
        "weights": "random",
        "frames": 1,
        "temporal": {"start": "2022-06-01", "end": "2022-09-01"},
    }
    keys = set()
    for policy in ("equal", "30d", "month"):
        settings, errors = resolve({**base, "frame_policy": policy}, {})
        assert not errors
        keys.add(build_nodes(settings).key)
    assert len(keys) == 1


@pytest.mark.parametrize(
    "own, wrong",
    [
        ({"composite": "least_cloudy", "modality": "s1"}, "composite"),
        ({"composite": "least_cloudy"}, None),
        ({"composite": "least_cloudy", "cloud_mask": "none"}, None),
        (
            {"model": "alphaearth", "provider": "earthengine", "composite": "least_cloudy"},
            "composite",
        ),
    ],
)
def test_what_a_source_does_not_tell_of_clouds_is_an_error_before_the_run(own, wrong) -> None:
    _, errors = resolve({"model": "rcf", **own}, {})
    assert [knob for knob, _ in errors] == ([wrong] if wrong else [])
