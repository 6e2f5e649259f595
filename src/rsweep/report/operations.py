"""Operations of one tile under each model's default settings, as `describe` says them.

They are in operations.json, since describe must not wait for torch;
`python -m rsweep.report.count_operations` counts them.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path

from rsweep.core.settings import ProfileSettings
from rsweep.models.card import ModelCard

COUNTED = Path(__file__).with_name("operations.json")
YEAR_FRAMES = 12
"""Frames of a model that takes as many as the window has, or all that it takes if fewer."""
YEAR_PASSES = 73
"""Days of a year on which a sensor passes, every fifth: the frames of a model of single days."""


@functools.cache
def counted() -> Mapping[str, float]:
    """Model -> operations of one tile in 1e9."""
    found: dict[str, float] = json.loads(COUNTED.read_text(encoding="utf-8"))
    return found


def frames_of(card: ModelCard, settings: ProfileSettings) -> int:
    """Frames of a tile; of a model that takes what a window has, those of a year."""
    if settings["frames"] == "auto":
        of_year = YEAR_PASSES if settings["frame_policy"] == "day" else YEAR_FRAMES
        return min(of_year, card.frames_range[1])
    return int(settings["frames"])
