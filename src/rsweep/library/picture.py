"""One embedding to look at: its numbers, its colours, and a picture of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rsweep.core.errors import RsweepError
from rsweep.core.knobs import nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rsweep.library.results import Results

Floats = NDArray[np.floating]
STRETCH = 98
"""Percentile of absolute values that has the fullest colour in a vector."""


@dataclass(frozen=True)
class Embedding:
    """The embedding of a ROI under a profile.

    Attributes:
        profile, roi: whose it is.
        values: [D], or [D, h, w] of a grid, NaN where missing.
        valid_share: share of the ROI's ground that was seen.
        cell_share: of a grid, the share of each cell [h, w] that is seen ground of the ROI.
        transform: of a grid, from cells to metres: cell width, 0, left, 0, -cell height, top.
        crs: of a grid, its coordinate system.
        others: how many more ROIs the profile has.
    """

    profile: str
    roi: str
    values: Floats
    valid_share: float
    cell_share: Floats | None = None
    transform: tuple[float, ...] = ()
    crs: str = ""
    others: int = 0

    @property
    def is_grid(self) -> bool:
        """True for a grid, false for a vector."""
        return self.values.ndim == 3

    def facts(self) -> dict[str, Any]:
        """Its numbers, for people and programs; statistics are of what is not missing."""
        flat = self.values.reshape(len(self.values), -1)
        there = np.asarray(np.isfinite(flat).all(axis=0))
        known = flat[:, there]
        found: dict[str, Any] = {
            "profile": self.profile,
            "roi": self.roi,
            "dimensions": len(flat),
            **(self._shape(there) if self.is_grid else {}),
            "valid_share": self.valid_share,
        }
        if known.size:
            norms = np.linalg.norm(known, axis=0)
            found |= {
                "mean": float(known.mean()),
                "deviation": float(known.std()),
                "least": float(known.min()),
                "largest": float(known.max()),
                "norm": float(norms.mean()),
            }
        return found

    def _shape(self, there: NDArray[np.bool_]) -> dict[str, Any]:
        _, height, width = self.values.shape
        return {
            "rows": height,
            "columns": width,
            "cell_m": self.transform[0],
            "crs": self.crs,
            "missing_cells": int((~there).sum()),
        }


def find_embedding(results: Results, profile: str, roi: str | None = None) -> Embedding:
    """The embedding of a ROI: of the first that has one, if none is named.

    Raises:
        RsweepError: there is no such profile or ROI, or the ROI has no embedding (says why).
    """
    frame = results.frame(profile)
    rows = {str(row["id"]): row for row in frame.to_dict("records")}
    errors = {name: row["error"] for name, row in rows.items()}
    failed = {name: why for name, why in errors.items() if isinstance(why, str) and why}
    roi = roi or next((name for name in rows if name not in failed), next(iter(rows)))
    if roi not in rows:
        raise RsweepError(
            f"{profile} has no ROI {roi!r}; it has {_some(list(rows))}{nearest(roi, rows)}"
        )
    row = rows[roi]
    if roi in failed:
        raise RsweepError(f"{profile}: ROI {roi} has no embedding: {failed[roi]}")
    vector = Embedding(
        profile, roi, np.asarray(row["embedding"]), float(row["valid_share"]), others=len(rows) - 1
    )
    grid = row.get("grid")
    if not isinstance(grid, str):
        return vector
    return _with_grid(vector, results.folder / "profiles" / profile / grid)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _with_grid(vector: Embedding, path: Path) -> Embedding:
    """The same ROI's grid, whose last band is the valid share of each cell."""
    import rasterio

    try:
        with rasterio.open(path) as raster:
            bands, transform, crs = raster.read(), tuple(raster.transform)[:6], raster.crs
    except rasterio.errors.RasterioError as error:
        raise RsweepError(f"{path} cannot be read: {error}") from None
    return replace(
        vector, values=bands[:-1], cell_share=bands[-1], transform=transform, crs=crs.to_string()
    )


def colours(shown: Embedding) -> Floats:
    """RGBA [h, w, 4] of 0 to 1: a grid's three principal components, or a vector's values in rows.

    A vector's dimensions go from left to right and down; blue is below 0 and red above.
    """
    from rsweep.report.colours import find_components, sample_cells

    if shown.is_grid:
        return find_components(sample_cells([shown.values], 1)).colour(shown.values)
    from matplotlib import colormaps

    largest = float(np.percentile(np.abs(shown.values), STRETCH)) or 1.0
    columns = 2 ** int(np.ceil(np.log2(max(len(shown.values), 1)) / 2))
    missing = -len(shown.values) % columns
    rows = np.pad(shown.values, (0, missing), constant_values=np.nan).reshape(-1, columns)
    image = colormaps["RdBu_r"](np.clip(rows / largest, -1, 1) / 2 + 0.5)
    image[..., 3] = np.isfinite(rows)
    return np.asarray(image)


def draw(shown: Embedding) -> Figure:
    """A figure: a grid with its valid share in metres of its coordinate system, or a vector."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5) if shown.is_grid else (9, 3.5), layout="constrained", dpi=120)
    figure.suptitle(f"{shown.roi}: {shown.profile}", fontsize=10)
    if shown.is_grid:
        _draw_grid(figure, shown)
    else:
        axes = figure.subplots()
        axes.bar(np.arange(len(shown.values)), shown.values, width=1.0, color="#3b6ea5")
        axes.axhline(0, color="0.4", linewidth=0.6)
        axes.set(xlabel="dimension", ylabel="value", xlim=(-0.5, len(shown.values) - 0.5))
    return figure


def _draw_grid(figure: Figure, shown: Embedding) -> None:
    _, height, width = shown.values.shape
    size, _, left, _, down, top = shown.transform
    extent = (left, left + size * width, top + down * height, top)
    first, second = figure.subplots(1, 2)
    first.imshow(colours(shown), extent=extent, interpolation="nearest")
    first.set_title("three principal components as red, green, blue", fontsize=9)
    image = second.imshow(
        shown.cell_share, extent=extent, interpolation="nearest", vmin=0, vmax=1, cmap="viridis"
    )
    second.set_title("valid share of each cell", fontsize=9)
    figure.colorbar(image, ax=second, shrink=0.8)
    for axes in (first, second):
        axes.ticklabel_format(useOffset=False, style="plain")
        axes.tick_params(labelsize=7)
        axes.set_xlabel(f"easting in m, {shown.crs}", fontsize=8)
    first.set_ylabel("northing in m", fontsize=8)


def write_png(shown: Embedding, path: Path) -> None:
    """Write the figure as a PNG.

    Raises:
        RsweepError: the file cannot be written.
    """
    try:
        draw(shown).savefig(path, format="png", metadata={"Description": json.dumps(shown.facts())})
    except OSError as error:
        raise RsweepError(f"{path}: {error.strerror}") from None
