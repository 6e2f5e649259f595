"""Published annual maps of TESSERA: 128 values per 10 m pixel and year."""

from __future__ import annotations

from rsweep.models.ready_card import ready_card

CARD = ready_card(
    "tessera_annual",
    title="TESSERA, published annual embeddings (GeoTessera)",
    paper="Feng et al. 2025, TESSERA, arXiv:2506.20380",
    licence_weights="data CC0, University of Cambridge",
    pretraining="by the authors on a year of Sentinel-2 and Sentinel-1 per pixel; the network that "
    "made the maps is the model `tessera`, of another version",
    notes='Read from a folder of GeoTIFFs (docs/layouts.md, "Embeddings that are there already"); '
    "the inference stage only averages it over patch_size x patch_size pixels, so that it takes "
    "part in a sweep like any model.",
)
