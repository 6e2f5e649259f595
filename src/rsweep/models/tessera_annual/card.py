"""Published annual maps of TESSERA: 128 values per 10 m pixel and year."""

from __future__ import annotations

from rsweep.core.sensors import SENSORS
from rsweep.models.card import ModelCard, Normalization, SensorInput, TokenGroup, Variant

BANDS = tuple(SENSORS["tessera_annual"].bands)
_AS_IS = Normalization(dict.fromkeys(BANDS, (0.0, 1.0)), "none: the values are the embedding")

CARD = ModelCard(
    id="tessera_annual",
    title="TESSERA, published annual embeddings (GeoTessera)",
    paper="Feng et al. 2025, TESSERA, arXiv:2506.20380",
    modalities={"annual": (SensorInput("tessera_annual", BANDS, bands_free=True),)},
    normalizations={"as_is": {"tessera_annual": _AS_IS}},
    variants={"v1": Variant(len(BANDS), 1, 0, 0.0)},
    defaults={"image_size": 64, "patch_size": 1, "scale_m": 10},
    groups=lambda s: (TokenGroup("pixels", s["patch_size"]),),
    own_layers=lambda s: ("embedding",),
    allowed={"precision": ("fp32",), "compile": (False,)},
    weights=("none",),
    licence_code="Apache-2.0 (rsweep)",
    licence_weights="data CC0, University of Cambridge",
    pretraining="by the authors on a year of Sentinel-2 and Sentinel-1 per pixel; the network that "
    "made the maps is the model `tessera`, of another version",
    notes='Read from a folder of GeoTIFFs (docs/layouts.md, "Embeddings that are there already"); '
    "the inference stage only averages it over patch_size x patch_size pixels, so that it takes "
    "part in a sweep like any model.",
)
