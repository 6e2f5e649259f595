"""What Earth Engine will be asked for, and what that costs by its ledger."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rsweep.core.nodes import Node
from rsweep.foresight.volumes import (
    PASS_DAYS,
    Places,
    Volume,
    frames_in,
    side_px,
    volume_of,
    window_days,
)
from rsweep.plan.study import Study
from rsweep.sources.earthengine import collections
from rsweep.sources.earthengine.charges import LEAST_MARGIN, UNSURE, Asked, Fit, Kind, expected
from rsweep.sources.earthengine.ledger import FOLDER, Ledger, Month
from rsweep.sources.earthengine.split import blocks, stacks


def asked_of(node: Node, places: Sequence[Places]) -> list[tuple[Asked, int]]:
    """Requests of a fetch node for some jobs: what each of them asks, and how many do."""
    return [found for each in places for found in _asked(node, each)]


def _asked(node: Node, places: Places) -> Iterator[tuple[Asked, int]]:
    days = window_days(node, places)
    scenes = max(round(days / PASS_DAYS), 1)
    for side_m, rois in places.extents.items():
        yield Asked("list"), rois
        yield _pixels(node, side_px(node.settings, side_m), scenes, days, rois)


def _pixels(node: Node, side: float, scenes: int, days: float, rois: int) -> tuple[Asked, int]:
    """Requests for pixels of ROIs of a side, all alike."""
    entry = collections.find(node.settings["collection"])
    named = node.settings["bands"]
    bands = list(entry.bands) if named == "all" else named
    height = math.ceil(side)
    pixel_bytes = len(bands) * (np.dtype(entry.kind.dtype).itemsize + 1) + 2 * len(entry.layers)
    kind: Kind = "scenes"
    if "composite" in node.settings:
        kind, stacked = "composite", round(frames_in(node, days))
        pixel_bytes = 5 * len(bands) + 3  # means are float32, beside a count
    else:
        count = len(bands) + len(entry.layers)
        stacked = len(list(stacks(scenes, pixel_bytes * height**2, count)))
        pixel_bytes *= math.ceil(scenes / stacked)
    each = stacked * len(blocks(height, height, pixel_bytes))
    scale = float(node.settings["scale_m"])
    sizes = [entry.native_m or entry.kind.bands[band].native_m for band in bands]
    sizes += [layer.native_m for layer in entry.layers]
    values = sum(max(scale / size, 1.0) ** 2 for size in sizes) * side**2 * scenes / 1e6
    return Asked(kind, values / each), each * rois


def volume_with_requests(node: Node, places: Places) -> Volume:
    """What a node has to do, with the requests of one that asks Earth Engine."""
    found = volume_of(node, places)
    if node.settings.get("provider") != "earthengine":
        return found
    return replace(found, requests=float(sum(count for _, count in _asked(node, places))))


def eecu(
    asked: Sequence[tuple[Asked, int]], month: Month | None
) -> tuple[float, float, float, str]:
    """EECU-seconds of requests, their range, and how that is known."""
    fits: Mapping[str, Fit] = month.fits if month else {}
    low = high = value = 0.0
    told, guessed = 0, False
    for each, count in asked:
        fit = fits.get(each.kind, Fit())
        known = fit.line() is not None
        cost, factor = count * expected(each, fit), max(LEAST_MARGIN, fit.most) if known else UNSURE
        value, low, high = value + cost, low + cost / factor, high + cost * factor
        guessed = guessed or not known
    told = sum(fit.n for fit in fits.values())
    return value, low, high, "guess" if guessed else f"ledger ({told} requests told)"


def ledger_month(study: Study) -> Month | None:
    """This month of the project that a study's Earth Engine is billed to, as far as that is known.

    Raises:
        SourceError: its file is damaged.
    """
    named = {
        str(options["project"])
        for options in study.node_options().values()
        if options.get("project")
    }
    known = sorted(p.name for p in (Path(study.store) / FOLDER).glob("*") if p.is_dir())
    project = named.pop() if len(named) == 1 else known[0] if len(known) == 1 else ""
    return Ledger(Path(study.store), project).read() if project else None
