"""Quality codes of each producer as the classes of Sentinel-2's scene classification.

One vocabulary, so that one cloud-mask rule serves every sensor: classes 3, 8, 9, 10 (shadow,
clouds, cirrus), 11 (snow), 6 (water), 7 (clear, cover unknown) and 0 (no data).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

NODATA, SHADOW, WATER, CLEAR, NEAR_CLOUD, CLOUD, CIRRUS, SNOW = 0, 3, 6, 7, 8, 9, 10, 11

Codes = NDArray[np.integer[Any]]
Rule = Callable[[Codes], list[tuple[Any, int]]]


def _bit(codes: Codes, first: int, width: int = 1) -> Codes:
    return (codes >> first) & ((1 << width) - 1)


def _qa_pixel(codes: Codes) -> list[tuple[Any, int]]:
    """Landsat Collection 2."""
    bits = (
        (0, NODATA),
        (3, CLOUD),
        (1, NEAR_CLOUD),
        (4, SHADOW),
        (2, CIRRUS),
        (5, SNOW),
        (7, WATER),
    )
    return [(_bit(codes, bit) == 1, meaning) for bit, meaning in bits]


def _fmask(codes: Codes) -> list[tuple[Any, int]]:
    """HLS 2.0; bit 0 (cirrus) is reserved there, and not read."""
    bits = ((1, CLOUD), (2, NEAR_CLOUD), (3, SHADOW), (4, SNOW), (5, WATER))
    return [(codes == 255, NODATA), *((_bit(codes, bit) == 1, meaning) for bit, meaning in bits)]


def _state_1km(codes: Codes) -> list[tuple[Any, int]]:
    """MOD09GA."""
    return [
        (codes == 65535, NODATA),
        ((_bit(codes, 0, 2) == 1) | (_bit(codes, 10) == 1), CLOUD),
        (_bit(codes, 0, 2) == 2, NEAR_CLOUD),
        (_bit(codes, 2) == 1, SHADOW),
        (_bit(codes, 8, 2) >= 2, CIRRUS),
        ((_bit(codes, 12) == 1) | (_bit(codes, 15) == 1), SNOW),
    ]


def _summary_qa(codes: Codes) -> list[tuple[Any, int]]:
    """MOD13Q1: 0 good, 1 marginal, 2 snow or ice, 3 cloudy."""
    return [(codes == 255, NODATA), (codes == 2, SNOW), (codes == 3, CLOUD)]


RULES: Mapping[str, Rule] = {
    "qa_pixel": _qa_pixel,
    "fmask": _fmask,
    "state_1km": _state_1km,
    "summary_qa": _summary_qa,
}


def to_scene_classes(rule: str, codes: Codes) -> NDArray[np.uint8]:
    """Scene classes (uint8) of a producer's codes: the first class of the rule that fits a pixel.

    Where none does the pixel is clear.
    """
    conditions, classes = zip(*RULES[rule](codes), strict=True)
    classified: NDArray[np.uint8] = np.select(conditions, classes, CLEAR).astype(np.uint8)
    return classified
