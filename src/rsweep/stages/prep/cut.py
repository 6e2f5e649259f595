"""How a ROI is cut into tiles under the settings of a prep node."""

from __future__ import annotations

import math

from rsweep.core.errors import RoiError
from rsweep.core.grid import Grid
from rsweep.stages.prep.geometry import (
    Lattice,
    Origin,
    Tiling,
    choose_lattice,
    larger_side,
    native_lattice,
    roi_span,
)
from rsweep.stages.prep.spec import PrepSettings


def cut(settings: PrepSettings, grid: Grid, polygon_wkt: str) -> tuple[str, Lattice]:
    """The mode that a ROI has under `input_prep`, and its tiles.

    Args:
        settings: of a prep node's key.
        grid: of the ROI.
        polygon_wkt: the ROI in the grid's coordinates.

    Raises:
        RoiError: the ROI is above a limit of native inputs.
    """
    span, mode = roi_span(grid, polygon_wkt), settings["input_prep"]
    origin = shared_origin(grid) if settings.get("lattice") == "shared" else Origin()
    if mode == "native":
        native = native_lattice(
            span, settings["step"], settings["align"], grid.height, grid.width, origin
        )
        above = _above(settings, native.size)
        if not above:
            return "native", native
        if settings["native_above"] == "error":
            raise RoiError(f"{above}; raise that limit, or set native_above: tile")
        mode = "tile"
    if larger_side(span) <= settings.get("resize_up_to", 0):
        mode = "resize"
    tiling = Tiling(
        settings.get("tile_size", 1),
        settings.get("stride", 1),
        settings.get("snap", 1),
        settings.get("align", 1),
        origin,
    )
    limit = settings.get("max_tiles", math.inf)
    return choose_lattice(span, mode, tiling, grid.height, grid.width, limit)


def shared_origin(grid: Grid) -> Origin:
    """Where a grid's first pixel lies on the pixels of its UTM zone, south- and eastwards."""
    return Origin(round(-grid.y0 / grid.scale_m), round(grid.x0 / grid.scale_m))


def _above(settings: PrepSettings, side: int) -> str:
    """How a native input is too large, or nothing."""
    tokens = sum((side // patch) ** 2 for patch in settings["patches_px"])
    if side > settings["native_max_px"]:
        return f"takes {side} px in one piece, more than native_max_px {settings['native_max_px']}"
    if tokens > settings["native_max_tokens"]:
        limit = settings["native_max_tokens"]
        return f"takes {tokens} tokens in one piece, more than native_max_tokens {limit}"
    return ""
