"""DINOv3 as an inference job runs it: a network of timm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rsweep.models.dinov3.card import NETWORKS
from rsweep.models.timm.network import TimmEmbedder


def build(settings: Mapping[str, Any]) -> TimmEmbedder:
    """DINOv3 with fresh parameters."""
    return TimmEmbedder({**settings, "model": f"timm:{NETWORKS[settings['variant']]}"})
