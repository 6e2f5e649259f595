"""Normalisations of Sentinel-2's red, green and blue for networks that were trained on pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rsweep.models.card import Normalization
from rsweep.models.statistics import CLEAR_S2

RGB = ("B4", "B3", "B2")
WHITE = 10_000.0
TRUE_COLOUR = 3000.0
"""Reflectance x 10000 that the usual true-colour rendering of Sentinel-2 shows as white."""
SENSORS = ("s2", "s2_l1c")


def of_pictures(
    name: str, mean: Sequence[float], std: Sequence[float], source: str
) -> dict[str, Mapping[str, Normalization]]:
    """`true_colour` pictures, as such networks were shown; and reflectance 0..1 as 8-bit values.

    The constants are of pictures stretched for display. Reflectance 0..1 is far darker than those,
    and 1.2 to 1.8 deviations below the mean on clear scenes (docs/inputs.md).

    Args:
        name: what the second is called.
        mean, std: of red, green and blue in 0..1.
        source: where they were published.
    """
    return {
        "true_colour": _whitened(
            TRUE_COLOUR,
            mean,
            std,
            f"{source}; reflectance 0.3 is white, as the usual pictures show Sentinel-2",
        ),
        name: _whitened(WHITE, mean, std, f"{source}; reflectance 1 is white"),
    }


def _whitened(
    white: float, mean: Sequence[float], std: Sequence[float], source: str
) -> dict[str, Normalization]:
    stats = {b: (255 * m, 255 * s) for b, m, s in zip(RGB, mean, std, strict=True)}
    found = Normalization(
        stats=stats,
        clip=(0.0, white),
        gain=255 / white,
        truncate=True,
        source=source,
        center={band: min(CLEAR_S2[band] / white, 1) * 255 for band in RGB},
    )
    return dict.fromkeys(SENSORS, found)
