"""Google Satellite Embedding V1 of AlphaEarth Foundations: 64 values per 10 m pixel and year."""

from __future__ import annotations

from rsweep.models.ready_card import ready_card

CARD = ready_card(
    "alphaearth",
    title="AlphaEarth Foundations (Google Satellite Embedding V1, annual)",
    paper="Brown et al. 2025, AlphaEarth Foundations, arXiv:2507.22291",
    licence_weights="data CC-BY-4.0, Google and Google DeepMind",
    pretraining="by Google on Sentinel-2, Landsat 8/9, Sentinel-1, PALSAR-2, GEDI, climate and "
    "elevation data; the network itself is not published",
    notes="Read from Earth Engine (GOOGLE/SATELLITE_EMBEDDING/V1/ANNUAL); the inference stage only "
    "averages it over patch_size x patch_size pixels, so that it takes part in a sweep like any "
    "model. Vectors of single pixels have unit length, means of them do not.",
)
