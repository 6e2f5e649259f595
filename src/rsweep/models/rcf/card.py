"""Random convolutional features, the features of MOSAIKS (Rolf et al. 2021)."""

from __future__ import annotations

from rsweep.core.knobs import Knob
from rsweep.core.settings import ProfileSettings
from rsweep.models.card import (
    ModelCard,
    Normalization,
    SensorInput,
    TokenGroup,
    Variant,
    multiple_of,
)

S2 = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")

# Round numbers near the mean and spread of land surfaces; the features only need bands of like
# size, and a constant (unlike a statistic of the data) makes ROIs and studies comparable.
_S2 = Normalization(dict.fromkeys((*S2, "B10"), (2000.0, 1500.0)), "rsweep: round numbers")
_S1 = Normalization({"VV": (-12.0, 5.0), "VH": (-19.0, 6.0)}, "rsweep: round numbers, dB")


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    errors = multiple_of("image_size", settings["image_size"], settings["patch_size"], "patch_size")
    if settings["kernel_size"] > settings["patch_size"]:
        errors.append(
            (
                "kernel_size",
                f"is {settings['kernel_size']}; it must fit in patch_size "
                f"({settings['patch_size']})",
            )
        )
    return errors


CARD = ModelCard(
    id="rcf",
    title="Random convolutional features",
    paper="Rolf et al. 2021, A generalizable and accessible approach to machine learning with "
    "global satellite imagery, Nature Communications 12:4392",
    modalities={
        "s2": (SensorInput("s2", S2, bands_free=True),),
        "s1": (SensorInput("s1", ("VV", "VH"), bands_free=True),),
    },
    normalizations={"constant": {"s2": _S2, "s1": _S1}},
    variants={
        "gaussian": Variant(0, 1, 0, 0.0),
        "patches": Variant(0, 1, 0, 0.0),
        "torchgeo": Variant(0, 1, 0, 0.0),
    },
    defaults={"image_size": 64, "patch_size": 16},
    knobs=(
        Knob("features", "infer", "int", 512, "number of features; even", minimum=2, maximum=65536),
        Knob(
            "kernel_size", "infer", "int", 3, "side of a filter", unit="px", minimum=1, maximum=64
        ),
        Knob(
            "bias",
            "infer",
            "float",
            0.0,
            "subtracted before the two half-wave rectifiers; variant torchgeo: beside the 1 that "
            "torchgeo subtracts",
        ),
    ),
    groups=lambda s: (TokenGroup("patches", s["patch_size"]),),
    own_layers=lambda s: ("features",),
    check=_check,
    weights=("none",),
    licence_code="Apache-2.0 (rsweep)",
    licence_weights="none: there are no weights",
    pretraining="none",
    notes="Filters are Gaussian, or (variant patches) whitened patches of a fixed invented scene; "
    "each filter gives two features, max(x - bias, 0) and max(-x - bias, 0), averaged over the "
    "positions whose receptive field lies inside the patch, so features shift with the image at "
    "patch steps exactly. Variant torchgeo is torchgeo.models.RCF with its defaults: filters of "
    "torch.randn, not of unit norm, max(x - 1, 0) and max(1 - x, 0); as there, seed 0 is torch's "
    "own first seed. With patch_size = image_size they are of the whole image, as there.",
)
