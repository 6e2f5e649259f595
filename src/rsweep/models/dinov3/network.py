"""DINOv3 as an inference job runs it: a network of timm."""

from __future__ import annotations

from rsweep.core.settings import NetworkSettings
from rsweep.models.dinov3.card import NETWORKS
from rsweep.models.timm.network import TimmEmbedder


def build(settings: NetworkSettings) -> TimmEmbedder:
    """DINOv3 with fresh parameters."""
    return TimmEmbedder({**settings, "model": f"timm:{NETWORKS[settings['variant']]}"})
