"""Rules that say which pixels of a scene are cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # planning reads the rules, and numpy is half of the time that it takes to load
    import numpy as np
    from numpy.typing import NDArray

SCL_CLEAR = (2, 4, 5, 6, 7, 11)
"""Sentinel-2 scene classes kept: dark, vegetation, bare, water, unclassified, snow. Dropped are no
data, saturated, cloud shadow, cloud of medium and high probability, and cirrus."""
MISSING = 255
"""Value of a percentage layer where the provider has none."""


@dataclass(frozen=True)
class MaskRule:
    """How one quality layer tells clear pixels.

    Attributes:
        layer: the quality layer that it reads.
        classes: values that are clear, for a layer of classes.
        threshold: default percent of a percentage layer.
        clear_above: True if a pixel is clear from the threshold on, False if below it.
    """

    layer: str
    classes: tuple[int, ...] = ()
    threshold: float = 0.0
    clear_above: bool = False

    def constants(self, threshold: float | None) -> dict[str, Any]:
        """What the rule applies, for the composite's settings; read back by `clear_pixels`."""
        if not self.layer:
            return {"layer": ""}
        if self.classes:
            return {"layer": self.layer, "classes": list(self.classes)}
        return {
            "layer": self.layer,
            "threshold": float(self.threshold if threshold is None else threshold),
            "clear_above": self.clear_above,
        }


MASK_RULES: Mapping[str, MaskRule] = {
    "scl": MaskRule("scl", classes=SCL_CLEAR),
    # Cloud Score+ (cs_cdf) 0.60: the example of its catalogue page.
    "clear": MaskRule("clear", threshold=60, clear_above=True),
    # s2cloudless 40 %: the threshold of the package's own mask.
    "cloud": MaskRule("cloud", threshold=40),
    "none": MaskRule(""),
}
"""In the order in which `cloud_mask: auto` looks for a layer."""


def clear_pixels(
    rules: Mapping[str, Mapping[str, Any]], quality: Mapping[str, NDArray[Any]]
) -> NDArray[np.bool_] | None:
    """Clear pixels of scenes under the first rule whose layer they have; None: all are.

    Args:
        rules: rule -> constants, as a composite's settings hold them.
        quality: layer -> [..., H, W].

    Raises:
        KeyError: no rule has its layer among `quality` and none is "none"; names those wanted.
    """
    for name in MASK_RULES:
        if name not in rules:
            continue
        constants = rules[name]
        layer = constants["layer"]
        if not layer:
            return None
        if layer in quality:
            return _apply(constants, quality[layer])
    raise KeyError(", ".join(str(c["layer"]) for c in rules.values()))


def _apply(constants: Mapping[str, Any], values: NDArray[Any]) -> NDArray[np.bool_]:
    if "classes" in constants:
        import numpy as np

        return np.isin(values, constants["classes"])
    known: NDArray[np.bool_] = values != MISSING
    above: NDArray[np.bool_] = values >= constants["threshold"]
    return known & (above if constants["clear_above"] else ~above)
