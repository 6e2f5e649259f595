"""The sweep of a study: its base, blocks and named profiles become profiles that can run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rsweep.core.errors import RsweepError
from rsweep.core.knobs import Knob, Problem, nearest
from rsweep.core.names import slug
from rsweep.core.nodes import Node
from rsweep.core.places import Places
from rsweep.core.settings import ProfileSettings
from rsweep.models.pins import Pin, checkpoint_name
from rsweep.models.registry import families, find_card
from rsweep.plan.nodes import UNKNOWN, build_nodes
from rsweep.plan.profiles import Profile, resolve, window
from rsweep.plan.race import blocks_of
from rsweep.plan.table import CORE
from rsweep.stages.prep.tiling import settle

Settings = dict[str, Any]
MAX_NAME = 120
MOST_PROFILES = 10_000
"""Of one sweep; counted before the lists of its blocks are multiplied out."""


@dataclass(frozen=True)
class Skipped:
    """A combination that its model cannot run, under `on_invalid: skip`."""

    name: str
    settings: Mapping[str, Any]
    reason: str


@dataclass(frozen=True)
class Combination:
    """One profile that a study asks for: its name if it has one, where it stands, what it sets."""

    name: str
    place: str
    own: Settings


@dataclass(frozen=True)
class Candidate:
    """A combination that can run: its name if it was given one, what it sets, all that it is."""

    name: str
    own: Mapping[str, Any]
    settings: ProfileSettings
    node: Node


def expand(
    config: Mapping[str, Any],
    where: str,
    skip: bool,
    problems: list[Problem],
    places: Places = UNKNOWN,
    pins: Mapping[str, Pin] | None = None,
) -> tuple[list[Profile], list[Skipped]]:
    """The profiles of a study and the combinations left out.

    Args:
        config: the study as its file holds it.
        where: that file, for messages.
        skip: leave out what a model cannot run; a knob or value that no model takes is a problem
            all the same.
        problems: what is wrong is added here.
        pins: which file each published checkpoint is, where that is known.
        places: what keys need to know of the study's ROIs.
    """
    base = _base(config, where, problems)
    found: list[Candidate] = []
    skipped: list[Skipped] = []
    combinations = list(_combinations(config, where, problems))
    for one, settings, errors in _resolved(combinations, base, pins or {}):
        candidate, errors = _candidate(one, settings, places) if not errors else (None, errors)
        if candidate:
            found.append(candidate)
        elif skip and settings:
            reason = "; ".join(f"{knob} {what}" for knob, what in errors)
            skipped.append(Skipped(one.name or join(one.own), {**base, **one.own}, reason))
        else:
            for knob, what in errors:
                inherited = knob in base and knob not in one.own
                place = f"{where}: base" if inherited else one.place
                problems.append(Problem(f"{place}.{knob}", what))
    return name_profiles(found), skipped


def _resolved(
    combinations: Sequence[Combination], base: Settings, pins: Mapping[str, Pin]
) -> Iterator[tuple[Combination, ProfileSettings, list[tuple[str, str]]]]:
    """Combinations with their settings and errors; those without agree on their surroundings."""
    found = [(one, *resolve(one.own, base)) for one in combinations]
    good = [_pinned(settings, pins) for _, settings, errors in found if not errors]
    settled = iter(settle(good))
    for one, settings, errors in found:
        yield one, settings if errors else next(settled), errors


def _pinned(settings: ProfileSettings, pins: Mapping[str, Pin]) -> ProfileSettings:
    """Settings with the digest of published weights, where their card has none."""
    checkpoint = find_card(settings["model"]).variants[settings["variant"]].checkpoint
    if settings["weights"] != "pretrained" or not checkpoint or checkpoint.sha256:
        return settings
    pin = pins.get(checkpoint_name(checkpoint))
    if not pin or settings["weights_sha256"]:
        return settings
    return {**settings, "weights_sha256": pin.sha256}


def _candidate(
    one: Combination, settings: ProfileSettings, places: Places
) -> tuple[Candidate | None, list[tuple[str, str]]]:
    try:
        return Candidate(one.name, one.own, settings, build_nodes(settings, places)), []
    except ValueError as error:
        return None, [("weights", str(error))]
    except (OSError, RsweepError) as error:
        return None, [(settings["provider"], str(error))]


def section(value: Any, place: str, problems: list[Problem]) -> Settings:
    """A section of a study that is a mapping; an unset one is empty."""
    if value is None or isinstance(value, Mapping):
        return dict(value or {})
    problems.append(Problem(place, f"is {value!r}; expected a mapping"))
    return {}


def _all_knobs() -> dict[str, Knob]:
    own = {k.name: k for f in families() if f != "timm" for k in find_card(f).knobs}
    return own | CORE


def _base(config: Mapping[str, Any], where: str, problems: list[Problem]) -> Settings:
    base = section(config.get("base"), f"{where}: base", problems)
    if config.get("temporal") is not None:
        base.setdefault("temporal", config["temporal"])
    good = {}
    for name, value in base.items():
        what = _wrong(name, value)
        if what:
            problems.append(Problem(f"{where}: base.{name}", what))
        else:
            good[name] = value
    return good


def _wrong(name: str, value: Any) -> str:
    """What is wrong with a knob's value whatever the model, or nothing."""
    knobs = _all_knobs()
    if name not in knobs:
        return f"is not a knob{nearest(name, knobs)}"
    if isinstance(value, list) and knobs[name].kind != "names":
        return "is a list; lists belong under sweep"
    if name not in CORE or value is None:
        return ""
    try:
        parsed = CORE[name].parse(value)
        if name == "temporal":
            window(parsed)
    except ValueError as error:
        return str(error)
    return ""


def _combinations(
    config: Mapping[str, Any], where: str, problems: list[Problem]
) -> Iterator[Combination]:
    most, (blocks, listed) = MOST_PROFILES, blocks_of(config.get("sweep"))
    for number, block in enumerate(blocks):
        place = f"{where}: {listed}[{number}]"
        if not isinstance(block, Mapping):
            problems.append(Problem(place, f"is {block!r}; expected a mapping of knobs to lists"))
            continue
        if too_many := _too_many(block, most):
            problems.append(Problem(place, too_many))
            continue
        most -= _size(block)
        lists = [_good(f"{place}.{name}", name, value, problems) for name, value in block.items()]
        for values in itertools.product(*lists):
            yield Combination("", place, dict(zip(block, values, strict=True)))
    for name, own in section(config.get("profiles"), f"{where}: profiles", problems).items():
        place = f"{where}: profiles.{name}"
        settings = section(own, place, problems)
        good = [_good(f"{place}.{knob}", knob, [v], problems) for knob, v in settings.items()]
        if all(good):
            yield Combination(slug(str(name)), place, settings)
    if not blocks and not config.get("profiles"):
        yield Combination("base", f"{where}: base", {})


def _size(block: Mapping[str, Any]) -> int:
    return math.prod(len(value) for value in block.values() if isinstance(value, list))


def _too_many(block: Mapping[str, Any], most: int) -> str:
    """What is wrong with a block that multiplies out to more profiles than are left, or nothing."""
    size = _size(block)
    if size <= most:
        return ""
    lists = {str(name): len(value) for name, value in block.items() if isinstance(value, list)}
    longest = sorted(lists.items(), key=lambda item: -item[1])
    product = " x ".join(f"{name} ({count:,})" for name, count in longest[:6] if count > 1)
    before = "" if most == MOST_PROFILES else f", with {MOST_PROFILES - most:,} of blocks before it"
    return (
        f"multiplies out to {size:,} profiles{before}: {product}; a study has at most "
        f"{MOST_PROFILES:,}"
    )


def _good(place: str, name: str, value: Any, problems: list[Problem]) -> list[Any]:
    """The values of a knob in a block that some model may take; the others are problems."""
    values = value if isinstance(value, list) else [value]
    wrong = ["is an empty list"] if not values else [_wrong(name, item) for item in values]
    problems += [Problem(place, what) for what in dict.fromkeys(wrong) if what]
    return [item for item, what in zip(values, wrong, strict=False) if not what]


def name_profiles(candidates: Sequence[Candidate]) -> list[Profile]:
    """Profiles under the names of what varies in them; one per stitch key.

    A name that the study gives wins over one made here. Two that set different knobs to one effect
    in their names are told apart by their keys.
    """
    swept = [c for c in candidates if not c.name]
    names = list(dict.fromkeys(k for c in swept for k in c.own))
    varying = {
        k
        for k in names
        if all(
            len({repr(s.get(k)) for s in each}) > 1
            for each in ([c.own for c in swept], [c.settings for c in swept])
        )
    }
    given = {c.node.key: c.name for c in reversed(candidates) if c.name}
    found: dict[str, Profile] = {}
    used: set[str] = set()
    for c in candidates:
        key = c.node.key
        if key in found:
            continue
        name = given.get(key) or join({k: c.settings.get(k) for k in c.own if k in varying}, c.node)
        if name in used or (key not in given and name in given.values()):
            name = f"{name}_{key[:8]}"
        used.add(name)
        found[key] = Profile(name, c.settings, c.node)
    return list(found.values())


def join(shown: Mapping[str, Any], node: Node | None = None) -> str:
    """`thor_patch_size-8_grid`: words as they are, other values with their knob's name."""
    parts = []
    for name, value in shown.items():
        if isinstance(value, str):
            parts.append(slug(value))
        elif value is not None:
            text = "+".join(map(str, value)) if isinstance(value, list) else str(value)
            parts.append(slug(f"{name}-{text}"))
    text = "_".join(parts) or "base"
    if len(text) <= MAX_NAME:
        return text
    return f"{text[: MAX_NAME - 9]}_{node.key[:8] if node else len(text)}"
