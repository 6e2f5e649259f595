"""The annual embedding as its files have it."""

from __future__ import annotations

from rsweep.core.settings import NetworkSettings
from rsweep.models.ready import ReadyEmbedder


def build(settings: NetworkSettings) -> ReadyEmbedder:
    """The embedder for given settings."""
    return ReadyEmbedder("tessera_annual", settings["patch_size"])
