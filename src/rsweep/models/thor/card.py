"""What is known of THOR without torch. Paper: arXiv 2601.16011; weights: Hugging Face FM4CS."""

from __future__ import annotations

from collections.abc import Iterable

from rsweep.core.settings import ProfileSettings
from rsweep.models.card import (
    Checkpoint,
    ModelCard,
    Normalization,
    SensorInput,
    TokenGroup,
    Variant,
)
from rsweep.models.envelope import Envelope
from rsweep.models.thor.channels import BAND_CHANNELS, Group, present

S2_BANDS = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
_S2_MEAN = (
    0.176620,
    0.195923,
    0.213948,
    0.263378,
    0.300818,
    0.313144,
    0.308133,
    0.320993,
    0.221550,
    0.175772,
)
_S2_STD = (
    0.264520,
    0.252949,
    0.259180,
    0.272771,
    0.248175,
    0.235432,
    0.226434,
    0.223274,
    0.171606,
    0.156223,
)


def _bands(settings: ProfileSettings) -> list[str]:
    (needed,) = CARD.modalities[settings["modality"]]
    return list(settings["bands"] or needed.bands)


def _groups_of(settings: ProfileSettings) -> list[Group]:
    known = BAND_CHANNELS[settings["modality"]]
    return [group for group, _ in present(known[b] for b in _bands(settings) if b in known)]


def _token_groups(settings: ProfileSettings) -> tuple[TokenGroup, ...]:
    patch = settings["patch_size"]
    return tuple(TokenGroup(g.name, patch * g.pixel_ratio) for g in _groups_of(settings))


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    """The image must hold whole patches of every group, the coarsest of which decides."""
    known = BAND_CHANNELS[settings["modality"]]
    unknown = [
        ("bands", f"has {band!r}, for which THOR has no channel; it has: {', '.join(known)}")
        for band in _bands(settings)
        if band not in known
    ]
    groups = _groups_of(settings)
    if not groups:
        return unknown
    coarsest = max(groups, key=lambda group: group.pixel_ratio)
    return unknown + _check_sizes(settings["image_size"], settings["patch_size"], coarsest)


def _check_sizes(image: int, patch: int, coarsest: Group) -> list[tuple[str, str]]:
    step = patch * coarsest.pixel_ratio
    if image % step == 0:
        return []
    images = sorted({max(step, image // step * step), image // step * step + step})
    fits = [p for p in range(1, image + 1) if image % (p * coarsest.pixel_ratio) == 0]
    patches = sorted(sorted(fits, key=lambda p: abs(p - patch))[:2])
    nearest = f"nearest image_size: {_listed(images)}"
    if patches:
        nearest += f"; nearest patch_size for {image}: {_listed(patches)}"
    what = f"whole patches of the {coarsest.name} bands (multiples of {step} px)"
    return [("image_size", f"is {image}, which does not hold {what}; {nearest}")]


def _listed(numbers: Iterable[int]) -> str:
    return " or ".join(map(str, numbers))


_REVISIONS = {"base": "823c265cbb941a3e1b9054910a65dbe190c11f11"}
"""Commit of a variant's repository; each has its own, and those of the others are not known."""


def _checkpoint(variant: str) -> Checkpoint:
    repository, file = f"FM4CS/THOR-1.0-{variant}", f"thor_v1_vit_{variant}.pt"
    return Checkpoint(repository, file, _REVISIONS.get(variant, "main"))


CARD = ModelCard(
    id="thor",
    title="THOR 1.0",
    paper="https://arxiv.org/abs/2601.16011",
    modalities={
        "s2": (SensorInput("s2", S2_BANDS, bands_free=True),),
        "s1": (SensorInput("s1", ("VV", "VH"), bands_free=True),),
    },
    normalizations={
        "thor": {
            "s2": Normalization(
                stats=dict(zip(S2_BANDS, zip(_S2_MEAN, _S2_STD, strict=True), strict=True)),
                clip=(0.0, 10000.0),
                gain=1e-4,
                source="THOR 1.0 pre-training statistics of reflectance; none for B1 and B9",
            ),
        },
        "galileo_s1": {
            "s1": Normalization(
                stats={"VV": (-11.7287, 4.8871), "VH": (-18.8556, 5.7303)},
                source="mean and standard deviation of dB in Galileo's pre-training data "
                "(nasaharvest/galileo, config/normalization.json), because THOR's own Sentinel-1 "
                "statistics are not known to this project",
            ),
        },
        "unit": {
            "s2": Normalization(
                stats=dict.fromkeys(BAND_CHANNELS["s2"], (0.0, 1.0)),
                clip=(0.0, 10000.0),
                gain=1e-4,
                center=dict.fromkeys(BAND_CHANNELS["s2"], 0.25),
                source="reflectance as it is: this project's, for the bands without published "
                "statistics (B1, B9); a missing pixel is 0.25, about the mean of THOR's",
            ),
        },
    },
    variants={
        "base": Variant(768, 12, 12, 94.1, _checkpoint("base")),
        "tiny": Variant(192, 12, 3, 7.6, _checkpoint("tiny")),
        "small": Variant(384, 12, 6, 25.8, _checkpoint("small")),
        "large": Variant(1024, 24, 16, 314.0, _checkpoint("large")),
    },
    defaults={
        "image_size": 288,
        "patch_size": 8,
        "scale_m": 10,
        "frames": 1,
        "pooling": "mean",
        "resample": "bilinear",
    },
    groups=_token_groups,
    check=_check,
    vectors=("model",),
    side_inputs=("gsd",),
    licence_code="MIT",
    licence_weights="Apache-2.0",
    pretraining="THOR-Pretrain: Sentinel-1, -2 and -3 at 10 to 1000 m, random patch and image size",
    envelope=Envelope(
        source="THOR-Pretrain, as its model page and configuration describe it",
        levels={"s1": (), "s2": (), "s3": ()},
        frames=(1, 1),
        normalizations=("thor",),
        radiometry="reflectance 0..1",
    ),
    notes=(
        "No published checkpoint has been loaded here: key names and shapes follow the upstream "
        "encoder. Patches of bands at 20 and 60 m cover 2 and 6 times the ground of a 10 m "
        "band's, and keep that proportion at any pixel size; the network is told the true metres "
        "per pixel of each tile. It has no class token. `pooling: model` is the mean over all "
        "tokens of a tile, of which the 10 m bands have four in five; other poolings first merge "
        "the groups, which then weigh the same. With the `thor` normalisation a band without "
        "statistics is refused, and Sentinel-1 needs `galileo_s1`."
    ),
)
