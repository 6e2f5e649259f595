"""Pictures of grid profiles: embeddings in colour beside the composite that they were made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rsweep.core.grid import Grid, roi_polygon
from rsweep.core.nodes import Node
from rsweep.core.roi import Roi
from rsweep.core.sensors import SENSORS
from rsweep.core.store import Store
from rsweep.jobs.runner import reading
from rsweep.plan.profiles import Profile
from rsweep.plan.study import Study
from rsweep.report.colours import (
    Components,
    aligned,
    find_components,
    sample_cells,
    scores,
    true_colour,
)
from rsweep.results.native import Grid as MapGrid
from rsweep.results.native import at_centres
from rsweep.results.profile import read_rows
from rsweep.stages.composite.format import read_rois, stored_composite

if TYPE_CHECKING:  # the page shows panels that are there, and draws nothing
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROIS = 6
ROWS_PER_PAGE = 9
INCHES, GAP, TITLE, FOOT, MARGIN = 1.6, 0.08, 0.28, 0.45, 0.1
"""Side of a panel; space between panels, above a row, below the last, and beside all."""
MISSING = "#e6e6e6"

Floats = NDArray[np.floating]
Extent = tuple[float, float, float, float]


@dataclass(frozen=True)
class Panel:
    """An image in map coordinates: RGBA, and left, right, bottom, top."""

    image: Floats
    extent: Extent


@dataclass(frozen=True)
class PictureRow:
    """One row of panels under a name; a ROI without an image has None."""

    name: str
    panels: list[Panel | None]
    bold: bool = False


@dataclass(frozen=True)
class Pictures:
    """Rows of panels of the same ROIs."""

    rois: list[Roi]
    rows: list[PictureRow]


def make_pictures(study: Study) -> Pictures:
    """Composites and grids of the grid profiles; no rows if there are no grids."""
    profiles = [p for p in study.profiles if p.settings["output"] == "grid"]
    rois = choose_rois(study, profiles)
    rows: list[PictureRow] = []
    drawn: set[str] = set()
    reference = None
    for profile in sorted(profiles if rois else [], key=lambda p: composite_of(p).key):
        node = composite_of(profile)
        if node.key not in drawn:
            rows.append(_composite_row(study, node, rois))
            drawn.add(node.key)
        own = _coloured(study, profile, rois, reference)
        reference = reference or own
        rows.append(_grid_row(profile, own, rois))
    return Pictures(rois, rows)


def draw_pictures(study: Study, made: Pictures) -> Iterator[Figure]:
    """Pages of pictures, for papers."""
    for first in range(0, len(made.rows), ROWS_PER_PAGE):
        yield _page(study, made.rows[first : first + ROWS_PER_PAGE], made.rois)


def choose_rois(study: Study, profiles: Sequence[Profile]) -> list[Roi]:
    """Up to six ROIs that every grid profile has: one of each label where there are labels."""
    good = {roi.id for roi in study.rois}
    for profile in profiles:
        good &= {row.roi.id for row in read_rows(study, profile) if not row.outcome["error"]}
    found = [roi for roi in study.rois if roi.id in good] if profiles else []
    label = study.evaluate.get("label")
    firsts = {roi.properties.get(label): roi for roi in reversed(found)} if label else {}
    ordered = [roi for roi in found if roi in firsts.values()]
    step = max(1, len(found) // MOST_ROIS)
    ordered += [roi for roi in found[::step] if roi not in ordered]
    chosen = {roi.id for roi in ordered[:MOST_ROIS]}
    return [roi for roi in found if roi.id in chosen]


def composite_of(profile: Profile) -> Node:
    """The composite that a person would look at: of the first sensor that a profile reads."""
    nodes = [node for node in profile.node.upstream() if node.stage == "composite"]
    order = {name: place for place, name in enumerate(SENSORS)}
    return min(nodes, key=lambda n: order[n.inputs["scenes"].settings["sensor"]])


@dataclass(frozen=True)
class Coloured:
    """Grids of the ROIs that are drawn, and the components that give them colours."""

    grids: dict[str, MapGrid]
    components: Components


def _coloured(
    study: Study, profile: Profile, rois: Sequence[Roi], reference: Coloured | None
) -> Coloured:
    """A profile's grids; its components are turned to match those of the first profile."""
    wanted = {roi.id for roi in rois}
    grids = {
        row.roi.id: MapGrid(row.grid, tuple(row.outcome["transform"]))
        for row in read_rows(study, profile, grids=True)
        if row.roi.id in wanted and row.grid is not None and row.outcome["error"] is None
    }
    components = _components(study, profile)
    if reference is not None:
        both = [roi for roi in grids if roi in reference.grids]
        cells = np.concatenate([at_centres(grids[roi], reference.grids[roi]) for roi in both])
        scored = [scores(reference.components, cells_of(reference.grids[roi])) for roi in both]
        components = aligned(components, cells, np.concatenate(scored))
    return Coloured(grids, components)


def cells_of(grid: MapGrid) -> Floats:
    """Vectors [cells, D] of a grid, row by row."""
    return grid.values.reshape(len(grid.values), -1).T


def _grid_row(profile: Profile, own: Coloured, rois: Sequence[Roi]) -> PictureRow:
    found = {}
    for roi, grid in own.grids.items():
        cell, _, left, _, _, top = grid.transform
        _, height, width = grid.values.shape
        extent = (left, left + width * cell, top - height * cell, top)
        found[roi] = Panel(own.components.colour(grid.values), extent)
    return PictureRow(profile.name, [found.get(roi.id) for roi in rois])


def _components(study: Study, profile: Profile) -> Components:
    rows = read_rows(study, profile, grids=True)
    grids = (row.grid for row in rows if row.grid is not None)
    return find_components(sample_cells(grids, len(study.rois)))


def _composite_row(study: Study, node: Node, rois: Sequence[Roi]) -> PictureRow:
    name = node.inputs["scenes"].settings["sensor"]
    sensor = SENSORS[name]
    title = "VV, VH, VV - VH" if sensor.decibel else f"true colour ({name})"
    found = list(_frames(study, node, rois))
    if not all(found):
        return PictureRow(f"{title}: composite not kept", [None] * len(rois), bold=True)
    images = true_colour([f[0] for f in found if f], [*next(f[1] for f in found if f)], sensor)
    extents = [_extent(f[2]) for f in found if f]
    panels: list[Panel | None] = [Panel(i, e) for i, e in zip(images, extents, strict=True)]
    return PictureRow(title, panels, bold=True)


def _extent(grid: Grid) -> Extent:
    left, bottom, right, top = grid.bounds
    return left, right, bottom, top


def _frames(
    study: Study, node: Node, rois: Sequence[Roi]
) -> Iterator[tuple[Floats, list[str], Grid] | None]:
    """The fullest frame [C, H, W] of each ROI, its bands and grid; None if the file is gone."""
    store = Store(study.store)
    for roi in rois:
        shard = next(s for s in study.shards if roi in s.rois)
        if not store.path(node, shard.name).exists():
            yield None
            continue
        with reading(study, node, shard) as file:
            index = shard.rois.index(roi)
            entry = read_rois(file)[index]
            if entry["error"] is not None:
                yield None
                continue
            stored = stored_composite(file, index)
            seen = (stored.count[()] > 0).sum(axis=(1, 2))
            yield stored.frames[int(seen.argmax())], entry["bands"], Grid.from_dict(entry["grid"])


def _page(study: Study, rows: Sequence[PictureRow], rois: Sequence[Roi]) -> Figure:
    from matplotlib.figure import Figure

    label = study.evaluate.get("label")
    height = (INCHES + TITLE) * len(rows) + FOOT
    width = (INCHES + GAP) * len(rows[0].panels) - GAP + 2 * MARGIN
    figure = Figure(figsize=(width, height))
    place = {
        "left": MARGIN / width,
        "right": 1 - MARGIN / width,
        "top": 1 - TITLE / height,
        "bottom": FOOT / height,
        "wspace": GAP / INCHES,
        "hspace": TITLE / INCHES,
    }
    axes = figure.subplots(len(rows), len(rois), squeeze=False, gridspec_kw=place)
    for row, across in zip(rows, axes, strict=True):
        for roi, panel, ax in zip(rois, row.panels, across, strict=True):
            _draw(ax, roi, panel)
        across[0].set_title(
            _wrapped(row.name), loc="left", fontsize=9, fontweight="bold" if row.bold else "normal"
        )
    for roi, ax in zip(rois, axes[-1], strict=True):
        named = [roi.id, str(roi.properties.get(label, ""))] if label else [roi.id]
        ax.set_xlabel("\n".join(part[:24] for part in named if part), fontsize=8)
    return figure


def _wrapped(name: str) -> str:
    return name if len(name) <= 90 else f"{name[:60]}…{name[-25:]}"


def _draw(ax: Axes, roi: Roi, panel: Panel | None) -> None:
    ax.set_facecolor(MISSING)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    if panel is not None:
        ax.imshow(panel.image, extent=panel.extent, interpolation="nearest")
    left, right, bottom, top = square(roi)
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    ax.set_aspect("equal")


def square(roi: Roi) -> Extent:
    """The square of ground that a panel shows: left, right, bottom, top in map units."""
    _, polygon = roi_polygon(roi)
    left, bottom, right, top = polygon.bounds
    half = max(right - left, top - bottom) / 2
    x, y = (left + right) / 2, (bottom + top) / 2
    return x - half, x + half, y - half, y + half


def save_pictures(study: Study, made: Pictures, folder: Path) -> None:
    """Write the pages as grids.png, grids_2.png, …."""
    for number, figure in enumerate(draw_pictures(study, made), start=1):
        name = "grids.png" if number == 1 else f"grids_{number}.png"
        # A long name is wider than the panels of few ROIs.
        figure.savefig(folder / name, dpi=150, bbox_inches="tight")
