"""What keys need to know of a study's ROIs as a whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rsweep.core.roi import Roi
from rsweep.core.shards import Shard

PLACES = "places"
"""Name under which `Places` is added to a profile's settings when keys are made."""


@dataclass(frozen=True)
class Places:
    """The ROIs of a study, as far as they decide what a stage reads.

    Attributes:
        windows: how many have a window of their own: none, some or all. Which windows these are is
            in the names of shards.
        largest_m: longest side of any, about, in metres.
    """

    windows: str = "none"
    largest_m: float = math.inf


def places_of(rois: Sequence[Roi], shards: Sequence[Shard]) -> Places:
    """What keys need to know of a table and its shards."""
    own = sum(roi.start is not None for roi in rois)
    windows = "none" if not own else "all" if own == len(rois) else "some"
    largest = max((side for shard in shards for side in shard.extents), default=math.inf)
    return Places(windows, largest)
