"""Resolving a profile against its model's card."""

from __future__ import annotations

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
