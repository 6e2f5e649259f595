"""Google Satellite Embedding V1 of AlphaEarth Foundations: 64 values per 10 m pixel and year."""

from __future__ import annotations

from rsweep.models.card import ModelCard, Normalization, SensorInput, TokenGroup, Variant

BANDS = tuple(f"A{i:02d}" for i in range(64))
_AS_IS = Normalization(dict.fromkeys(BANDS, (0.0, 1.0)), "none: the values are the embedding")

CARD = ModelCard(
    id="alphaearth",
    title="AlphaEarth Foundations (Google Satellite Embedding V1, annual)",
    paper="Brown et al. 2025, AlphaEarth Foundations, arXiv:2507.22291",
    modalities={"annual": (SensorInput("alphaearth", BANDS, bands_free=True),)},
    normalizations={"as_is": {"alphaearth": _AS_IS}},
    variants={"v1": Variant(64, 1, 0, 0.0)},
    defaults={"image_size": 64, "patch_size": 1, "scale_m": 10},
    groups=lambda s: (TokenGroup("pixels", s["patch_size"]),),
    own_layers=lambda s: ("embedding",),
    allowed={"precision": ("fp32",), "compile": (False,)},
    weights=("none",),
    licence_code="Apache-2.0 (rsweep)",
    licence_weights="data CC-BY-4.0, Google and Google DeepMind",
    pretraining="by Google on Sentinel-2, Landsat 8/9, Sentinel-1, PALSAR-2, GEDI, climate and "
    "elevation data; the network itself is not published",
    notes="Read from Earth Engine (GOOGLE/SATELLITE_EMBEDDING/V1/ANNUAL); the inference stage only "
    "averages it over patch_size x patch_size pixels, so that it takes part in a sweep like any "
    "model. Vectors of single pixels have unit length, means of them do not.",
)
