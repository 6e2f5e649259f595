"""How a profile's tiles lie, and how much imagery around a ROI they see: decided when planning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from rsweep.core.roi import SNAP_M
from rsweep.core.sensors import SENSORS
from rsweep.core.settings import ProfileSettings
from rsweep.models.card import ModelCard
from rsweep.models.registry import find_card
from rsweep.sources.registry import find_provider
from rsweep.stages.bands import sensor_bands

SHARED_SNAP = 32
"""Pixels by which the last tile of a ROI moves inwards (of smaller tiles a part), where that is
whole tokens: patch sizes that divide it then have the same tiles."""


def tile_size(settings: ProfileSettings) -> int:
    """Side of a tile in pixels of the grid."""
    return int(settings["tile_size"] or settings["image_size"])


def token_step(settings: ProfileSettings, card: ModelCard) -> Fraction:
    """Pixels of the grid after which the tokens of every group meet again, in tile mode."""
    together = math.lcm(*(group.patch_px for group in card.groups(settings)))
    return Fraction(together * tile_size(settings), settings["image_size"])


def tile_snap(settings: ProfileSettings, card: ModelCard) -> int:
    """Pixels of which the starts of a ROI's tiles are multiples apart, so that tokens coincide."""
    step = token_step(settings, card).numerator
    shared = math.gcd(tile_size(settings), SHARED_SNAP)
    return step if shared % step else shared


def has_tiles(settings: ProfileSettings) -> bool:
    """True if a ROI may be cut into several tiles."""
    if settings["input_prep"] == "native":
        return bool(settings["native_above"] == "tile")
    return bool(settings["input_prep"] in ("tile", "auto"))


def native_step(settings: ProfileSettings, card: ModelCard) -> int:
    """Pixels in which whole patches of every token group meet, in native mode."""
    return math.lcm(*(group.patch_px for group in card.groups(settings)))


def native_limit(settings: ProfileSettings, card: ModelCard) -> int:
    """Largest native input that the study and the network both take; 0 if its size is fixed."""
    if card.allowed.get("image_size"):
        return 0
    step, most = native_step(settings, card), settings["native_max_px"]
    sides = range(most // step * step, 0, -step)
    return next((s for s in sides if not card.check({**settings, "image_size": s})), 0)


def tile_align(settings: ProfileSettings, card: ModelCard) -> int:
    """Pixels of the grid in the coarsest native pixel that is read, where grids nest in it."""
    read = [
        SENSORS[sensor].bands[band].native_m
        for sensor, bands in sensor_bands(settings, card).items()
        for band in bands
    ]
    pixels = max(
        (native / settings["scale_m"] for native in read if SNAP_M % native == 0), default=1.0
    )
    return int(pixels) if pixels >= 1 and float(pixels).is_integer() else 1


def start_step(settings: ProfileSettings, card: ModelCard) -> int:
    """Pixels of which the start of a ROI's first tile is a multiple.

    On a lattice that ROIs share it is whole tokens of every group. These are whole native pixels
    where a network averages over such, as THOR's are; patches that are not, cut them anywhere.
    """
    if settings["lattice"] == "roi" or settings["input_prep"] == "resize":
        return tile_align(settings, card)
    tokens = native_step(settings, card) if settings["input_prep"] == "native" else 1
    if has_tiles(settings):
        tokens = math.lcm(tokens, token_step(settings, card).numerator)
    return tokens


def needed_surroundings(settings: ProfileSettings) -> tuple[float, float]:
    """What a profile's tiles see around a ROI, in metres, so that none is filled in.

    Returns:
        `context_m` on every side of a ROI larger than a tile, which its tiles reach beyond by part
        of a snap; and `least_side_m`, the square that one tile takes around a smaller ROI.
    """
    if settings["input_prep"] == "resize" or find_provider(settings["provider"]).own_grid:
        return 0.0, 0.0
    card, scale_m = find_card(settings["model"]), settings["scale_m"]
    snap, align = 0, start_step(settings, card)
    if settings["input_prep"] == "native":
        snap = native_step(settings, card)
    side = 0
    if has_tiles(settings):
        snap, side = max(snap, tile_snap(settings, card)), tile_size(settings) + 2 * align
    return (snap + 3 * align) // 2 * scale_m, side * scale_m


def settle(profiles: Sequence[ProfileSettings]) -> list[ProfileSettings]:
    """Profiles of a study with what they decide together: lattices, then surroundings."""
    return settle_surroundings(settle_lattices(profiles))


def settle_lattices(profiles: Sequence[ProfileSettings]) -> list[ProfileSettings]:
    """Profiles with `shared` or `roi` where `lattice` was `auto`.

    It is one for all profiles of a model, so that pooled and grid ones share inference and differ
    in nothing that was not asked for: shared if a grid is among them that is not resized.
    """
    gridded = {
        settings["model"]
        for settings in profiles
        if settings["output"] == "grid" and settings["input_prep"] != "resize"
    }
    found: list[ProfileSettings] = []
    for settings in profiles:
        lattice = settings["lattice"]
        if lattice == "auto":
            shared = settings["model"] in gridded and _has_room(settings)
            lattice = "shared" if shared else "roi"
        found.append({**settings, "lattice": lattice})
    return found


def _has_room(settings: ProfileSettings) -> bool:
    """False where a study reads nothing around ROIs, which tiles that lie off them would see."""
    nothing = settings["context_m"] == 0 and not settings["least_side_m"]
    return not nothing and not why_not_shared(settings)


def why_not_shared(settings: ProfileSettings) -> str:
    """Why the pixels of ROIs' grids lie on no common lattice, or nothing.

    Grids start on multiples of 60 m, but for images that are ROIs by themselves.
    """
    if find_provider(settings["provider"]).own_grid:
        return f"{settings['provider']} has each image on pixels of its own"
    if SNAP_M % settings["scale_m"]:
        return f"it needs a scale_m of which {SNAP_M} m is a multiple, not {settings['scale_m']:g}"
    return ""


def settle_surroundings(profiles: Sequence[ProfileSettings]) -> list[ProfileSettings]:
    """Profiles with a number for `context_m` and `least_side_m` where they were unset.

    Profiles that read one provider at one `scale_m` get the same numbers, the largest that one of
    them needs, so that they share what is fetched. With a `context_m` given, `least_side_m` is 0
    unless it is given too.
    """
    largest: dict[Any, tuple[float, float]] = {}
    for settings in profiles:
        group, own = _group(settings), needed_surroundings(settings)
        before = largest.get(group, (0.0, 0.0))
        largest[group] = (max(before[0], own[0]), max(before[1], own[1]))
    return [_settled(settings, largest[_group(settings)]) for settings in profiles]


def _group(settings: ProfileSettings) -> tuple[str, float]:
    return settings["provider"], settings["scale_m"]


def _settled(settings: ProfileSettings, needed: tuple[float, float]) -> ProfileSettings:
    context, least = settings["context_m"], settings["least_side_m"]
    if least is None:
        least = needed[1] if context is None else 0.0
    return {
        **settings,
        "context_m": needed[0] if context is None else context,
        "least_side_m": least,
    }
