"""Where profiles leave what their models were trained on: marked, never refused, in no key."""

from __future__ import annotations

from collections.abc import Sequence

from rsweep.core.errors import RoiError
from rsweep.core.settings import ProfileSettings
from rsweep.models.card import ModelCard
from rsweep.models.envelope import Departures, departures
from rsweep.models.registry import find_card
from rsweep.plan.profiles import Profile
from rsweep.sources.levels import LEVELS
from rsweep.sources.registry import choose_collection
from rsweep.stages.bands import sensor_bands
from rsweep.stages.composite.frames import bins


def profile_departures(settings: ProfileSettings) -> list[str]:
    """Every knob by which a resolved profile leaves its model's envelope, a line each."""
    card = find_card(settings["model"])
    return [f"{knob} {what}" for knob, what in _found(settings, card)]


def _found(settings: ProfileSettings, card: ModelCard) -> Departures:
    levels = {
        sensor: LEVELS.get(choose_collection(settings["provider"], sensor, settings["collection"]))
        or ""
        for sensor in sensor_bands(settings, card)
    }
    return departures(settings, card.envelope, levels, _frames(settings, card))


def _frames(settings: ProfileSettings, card: ModelCard) -> int | None:
    """How many frames an input has before empty ones are dropped; None where each ROI decides."""
    if settings["frames"] != "auto":
        return int(settings["frames"])
    if settings["temporal"] is None:
        return None
    start, end = settings["temporal"]["start"], settings["temporal"]["end"]
    try:
        return len(bins(start, end, settings["frame_policy"], "auto", card.frames_range[1]))
    except RoiError:
        return None


def departure_lines(profiles: Sequence[Profile]) -> list[str]:
    """Departures of a study's profiles, each once, with the profiles that have it."""
    names: dict[str, list[str]] = {}
    for profile in profiles:
        for what in profile_departures(profile.settings):
            names.setdefault(f"{profile.settings['model']}, {what}", []).append(profile.name)
    return [f"{what} ({_listed(found)})" for what, found in names.items()]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} profiles, {names[0]} first"
