"""Panels of the page: small images of grids, so that their words can be the page's own."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rsweep.core.files import write_json
from rsweep.report.pictures import Extent, Panel, Pictures, square
from rsweep.report.views import PanelView, PictureRowView, PicturesView

PANELS = "panels"
MOST_ROWS = 40
"""Rows of images that the page holds; the pages of figures/ have all."""
MOST_PX = 160
"""Longest side of a panel; a larger grid is thinned."""


def save_panels(made: Pictures, folder: Path) -> None:
    """Write each panel as a PNG, and panels.json: what it is and where it lies."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    rows = made.rows[:MOST_ROWS]
    squares = [square(roi) for roi in made.rois]
    held = [
        {
            "name": row.name,
            "profile": not row.bold,
            "panels": [
                _save(panel, ground, folder / f"{number}-{place}.png")
                for place, (panel, ground) in enumerate(zip(row.panels, squares, strict=True))
            ],
        }
        for number, row in enumerate(rows)
    ]
    index = {
        "rois": [roi.id for roi in made.rois],
        "rows": held,
        "left": len(made.rows) - len(rows),
    }
    write_json(folder / "panels.json", index)


def _save(panel: Panel | None, ground: Extent, path: Path) -> dict[str, Any] | None:
    if panel is None:
        return None
    step = -(-max(panel.image.shape[:2]) // MOST_PX)
    image = (np.clip(panel.image[::step, ::step], 0, 1) * 255).round().astype(np.uint8)
    Image.fromarray(image, "RGBA").save(path, optimize=True)
    left, right, bottom, top = ground
    wide, tall = right - left, top - bottom
    x0, x1, y0, y1 = panel.extent
    box = [(x0 - left) / wide, (top - y1) / tall, (x1 - x0) / wide, (y1 - y0) / tall]
    return {"file": path.name, "box": [round(100 * v, 2) for v in box]}


def read_panels(folder: Path, names: Mapping[str, str]) -> PicturesView | None:
    """The panels that `save_panels` wrote; None if there are none."""
    path = folder / PANELS / "panels.json"
    index = json.loads(path.read_text()) if path.exists() else {"rows": []}
    if not index["rows"]:
        return None
    rows = [
        PictureRowView(
            names.get(row["name"], row["name"]),
            list(_views(path.parent, row, index["rois"], names)),
        )
        for row in index["rows"]
    ]
    return PicturesView(index["rois"], rows, index["left"])


def _views(
    folder: Path, row: Mapping[str, Any], rois: list[str], names: Mapping[str, str]
) -> Iterator[PanelView | None]:
    for roi, panel in zip(rois, row["panels"], strict=True):
        if panel is None:
            yield None
            continue
        data = base64.b64encode((folder / panel["file"]).read_bytes()).decode()
        alt = f"{names.get(row['name'], row['name'])}, ROI {roi}"
        left, top, width, height = panel["box"]
        yield PanelView(data, alt, (left, top, width, height))
