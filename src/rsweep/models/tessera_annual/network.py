"""The annual embedding as its files have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rsweep.models.ready import ReadyEmbedder


def build(settings: Mapping[str, Any]) -> ReadyEmbedder:
    """The embedder for given settings."""
    return ReadyEmbedder("tessera_annual", settings["patch_size"])
