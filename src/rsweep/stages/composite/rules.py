"""Rules that say which pixels of a scene are cloud."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rsweep.core.records import MaskRecord

if TYPE_CHECKING:  # planning reads the rules, and numpy is half of the time that it takes to load
    import numpy as np
    from numpy.typing import NDArray

SCL_CLEAR = (2, 4, 5, 6, 7, 11)
"""Sentinel-2 scene classes kept: dark, vegetation, bare, water, unclassified, snow. Dropped are no
data, saturated, cloud shadow, cloud of medium and high probability, and cirrus."""
NO_CLASS = 0
"""Scene class of a pixel without data."""
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

    def constants(self, threshold: float | None) -> MaskRecord:
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


def in_order(rules: Mapping[str, MaskRecord]) -> dict[str, MaskRecord]:
    """Rules in the order in which their layers are looked for."""
    return {name: rules[name] for name in MASK_RULES if name in rules}


def chosen_rule(rules: Mapping[str, MaskRecord], layers: Iterable[str]) -> str:
    """The first rule whose layer is among `layers`: what `cloud_mask: auto` becomes.

    Raises:
        KeyError: none has its layer there and none is "none"; names those wanted.
    """
    held = set(layers)
    for name, constants in in_order(rules).items():
        if not constants["layer"] or constants["layer"] in held:
            return name
    raise KeyError(", ".join(str(c["layer"]) for c in rules.values()))


def clear_pixels(constants: MaskRecord, values: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels that a rule calls clear, of the same shape as its layer's values."""
    if "classes" in constants:
        import numpy as np

        return np.isin(values, constants["classes"])
    above: NDArray[np.bool_] = values >= constants["threshold"]
    return known_pixels(constants, values) & (above if constants["clear_above"] else ~above)


def known_pixels(constants: MaskRecord, values: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels of which a rule's layer says anything at all."""
    known: NDArray[np.bool_] = values != (NO_CLASS if "classes" in constants else MISSING)
    return known
