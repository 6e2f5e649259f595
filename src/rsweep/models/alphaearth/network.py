"""The annual embedding as it was fetched."""

from __future__ import annotations

from rsweep.core.settings import NetworkSettings
from rsweep.models.ready import ReadyEmbedder


def build(settings: NetworkSettings) -> ReadyEmbedder:
    """The embedder for given settings."""
    return ReadyEmbedder("alphaearth", settings["patch_size"])
