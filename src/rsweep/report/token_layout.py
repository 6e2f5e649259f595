"""A picture of a model's tokens: the lattice that each token group lays over a tile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

SIDE = 2.1
MOST_FRAMES = 4
STEP = 0.035
"""How far each frame lies behind the one before it, as a share of a tile."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")

STYLE: Any = {
    "svg.hashsalt": "rsweep",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 8,
}
"""No date, no drawn-out letters, no random ids: the same card is the same small file."""


def draw_layout(facts: Mapping[str, Any], path: Path) -> None:
    """Write the token layout of a model's default input, one panel per group, as SVG."""
    groups = facts["token_groups"][facts["input"]["modality"]]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=((SIDE + 0.5) * len(groups) + 0.2, SIDE + 0.75))
        axes = figure.subplots(1, len(groups), squeeze=False)[0]
        for ax, group, colour in zip(axes, groups, COLOURS * len(groups), strict=False):
            _draw_group(ax, group, facts["input"], colour)
        figure.subplots_adjust(left=0.04, right=0.96, bottom=0.17, top=0.86, wspace=0.2)
        figure.savefig(path, metadata={"Date": None, "Creator": "rsweep"})


def _draw_group(ax: Axes, group: Mapping[str, Any], given: Mapping[str, Any], colour: str) -> None:
    frames = _frames(given["frames"])
    for depth in range(len(frames) - 1, 0, -1):
        shift = depth * STEP
        ax.add_patch(Rectangle((shift, shift), 1, 1, facecolor="#f3f3f3", edgecolor="#999999"))
    ax.add_patch(Rectangle((0, 0), 1, 1, facecolor="white", edgecolor=colour, linewidth=1.2))
    ax.add_collection(_lattice(group["side"], colour))
    # The first token, at the top left, filled so that its size is seen.
    step = 1 / group["side"]
    ax.add_patch(Rectangle((0, 1 - step), step, step, facecolor=colour, alpha=0.6))
    far = 1 + (len(frames) - 1) * STEP
    ax.set(xlim=(-0.02, far + 0.02), ylim=(-0.02, far + 0.02), aspect="equal")
    ax.axis("off")
    ax.set_title(f"{group['name']}: {group['side']} x {group['side']} tokens", fontsize=9)
    size = given["image_size"]
    ground = size * given["scale_m"]
    ax.text(
        0.5,
        -0.06,
        f"{size} px, {ground:g} m; a token is {group['patch_px']} px",
        ha="center",
        va="top",
    )
    if len(frames) > 1:
        ax.text(0.5, -0.15, f"frames: {given['frames']}", ha="center", va="top")


def _frames(frames: int | str) -> Sequence[int]:
    count = MOST_FRAMES if frames == "auto" else int(frames)
    return range(min(count, MOST_FRAMES))


def _lattice(side: int, colour: str) -> LineCollection:
    ticks = [i / side for i in range(1, side)]
    lines = [[(t, 0.0), (t, 1.0)] for t in ticks] + [[(0.0, t), (1.0, t)] for t in ticks]
    return LineCollection(lines, colors=colour, linewidths=0.5, alpha=0.7)
