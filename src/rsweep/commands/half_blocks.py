"""Images in a terminal: two pixels to a character, one above the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from rich.text import Text

LARGEST = 8
"""Pixels to a side that a cell of a small image is drawn with, at the most."""
UPPER, LOWER, NOTHING = "\N{UPPER HALF BLOCK}", "\N{LOWER HALF BLOCK}", " "


def half_blocks(image: NDArray[np.floating], columns: int, lines: int) -> Text:
    """An image in colour, as large as the room allows; transparent pixels are left out.

    Args:
        image: RGBA [h, w, 4] of 0 to 1.
        columns, lines: room in the terminal.
    """
    fitted = fit(image, columns, 2 * lines)
    if len(fitted) % 2:
        fitted = np.concatenate([fitted, np.zeros_like(fitted[:1])])
    text = Text(no_wrap=True)
    for upper, lower in zip(fitted[::2], fitted[1::2], strict=True):
        for top, bottom in zip(upper, lower, strict=True):
            text.append(*_character(_hex(top), _hex(bottom)))
        text.append("\n")
    return text


def fit(image: NDArray[np.floating], width: int, height: int) -> NDArray[np.floating]:
    """An image as whole multiples of its pixels, or averaged where it is too large for the room."""
    high, wide = image.shape[:2]
    times = min(width // wide, height // high, LARGEST)
    if times >= 1:
        return image.repeat(times, axis=0).repeat(times, axis=1)
    step = max(-(-wide // width), -(-high // height))
    padded = np.pad(image, ((0, -high % step), (0, -wide % step), (0, 0)))
    blocks = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step, 4)
    alpha = blocks[..., 3:]
    weight = alpha.sum(axis=(1, 3))
    colour = (blocks[..., :3] * alpha).sum(axis=(1, 3)) / np.maximum(weight, 1e-9)
    return np.concatenate([colour, weight > 0], axis=-1)


def _hex(pixel: NDArray[np.floating]) -> str:
    """A pixel as `#rrggbb`; "" where it is transparent."""
    return "#" + "".join(f"{round(255 * v):02x}" for v in pixel[:3].tolist()) if pixel[3] else ""


def _character(top: str, bottom: str) -> tuple[str, Style]:
    if top and bottom:
        return UPPER, Style(color=top, bgcolor=bottom)
    if top or bottom:
        return (UPPER if top else LOWER), Style(color=top or bottom)
    return NOTHING, Style()
