"""What tables and catalogues say of embeddings, by the conventions of geoembeddings.org."""

from __future__ import annotations

from typing import Any

from rsweep.core.settings import ProfileSettings

EMB_VERSION = "0.0.1"
"""Of the STAC extension `emb:`, a proposal, whose names the `emb` key of a GeoParquet takes too."""


def embedding_facts(settings: ProfileSettings, key: str, dimensions: int) -> dict[str, Any]:
    """What a profile's embeddings are, by the names of the extension `emb:`.

    A grid has an embedding per cell of the ground (`pixel`), pooled output one per ROI (`chip`).
    """
    return {
        "emb:type": "pixel" if settings["output"] == "grid" else "chip",
        "emb:dimensions": dimensions,
        "data_type": "float32",
        "emb:runtime_parameters": _some(settings, "model", "variant", "weights", "precision"),
        "emb:preprocessing": _expression(
            _some(
                settings,
                "provider",
                "scale_m",
                "composite",
                "frames",
                "modality",
                "input_prep",
                "image_size",
                "tile_size",
                "tile_overlap",
                "normalization",
            )
        ),
        "emb:postprocessing": _expression(_some(settings, "output", "pooling", "blend")),
        "processing:version": key,
    }


def _some(settings: ProfileSettings, *names: str) -> dict[str, Any]:
    return {name: settings.get(name) for name in names}


def _expression(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as an expression of the STAC extension `processing:`."""
    return {"format": "rsweep", "expression": settings}


def footer(settings: ProfileSettings, key: str, dimensions: int) -> dict[str, Any]:
    """The `emb` key of a GeoParquet, whose rows are a vector per ROI whatever the output."""
    vectors = {**embedding_facts(settings, key, dimensions), "emb:type": "chip"}
    return {
        "version": EMB_VERSION,
        "column": "embedding",
        "model": settings["model"],
        "provider": settings["provider"],
        **vectors,
    }
