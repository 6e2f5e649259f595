"""What a race has decided so far, as files under results/<study>/race/ tell.

    parts.json      names of the shards of each round's part, a list each
    round-1.json    who went on and who stopped after the first part, and so on

They are made by the race's checkpoints and say which files of the store a study needs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rsweep.core.errors import RsweepError
from rsweep.plan.profiles import Profile
from rsweep.plan.study import Study


@dataclass(frozen=True)
class Stopped:
    """A profile that a round has stopped.

    Attributes:
        profile: its name.
        better: the profile that is ahead of it the most surely.
        quality: its score on the places of the round, of which it has no more.
        behind, low, high: quality of `better` minus its own, with the interval of the round.
    """

    profile: str
    better: str
    quality: float
    behind: float
    low: float
    high: float


@dataclass(frozen=True)
class Round:
    """What a round of a race has decided.

    Attributes:
        number: of the round, from 1.
        shards: names of the shards that its profiles have.
        places: ROIs of these shards.
        rois: labelled ROIs among them, or labelled cells in them, on which profiles were compared.
        blocks: blocks of equal size that would tell as much.
        confidence: of this round's intervals, for all profiles at once.
        matters: by more than this another profile must be better.
        going: profiles that go on.
        stopped: those that do not.
        seconds: what the stopped alone have used of the stages, shared nodes aside.
        saved_seconds: what they would have used more, at the same seconds per ROI.
        note: why none could stop, where that is so.
    """

    number: int
    shards: Sequence[str]
    places: int
    rois: int
    blocks: float
    confidence: float
    matters: float
    going: Sequence[str]
    stopped: Sequence[Stopped]
    seconds: float
    saved_seconds: float
    note: str = ""


def race_folder(study: Study) -> Path:
    """Where a study's race has its files."""
    return study.folder / "race"


def parts_file(study: Study) -> Path:
    """The file that says which shards each round has."""
    return race_folder(study) / "parts.json"


def round_file(study: Study, number: int) -> Path:
    """The file that says what a round has decided."""
    return race_folder(study) / f"round-{number}.json"


def read_parts(path: Path) -> list[list[str]]:
    """Shards of each round, by name."""
    return [list(part) for part in json.loads(path.read_text())]


def read_round(path: Path) -> Round:
    """What a round has decided."""
    held: dict[str, Any] = json.loads(path.read_text())
    stopped = [Stopped(**one) for one in held["stopped"]]
    return Round(**{**held, "stopped": stopped})


def rounds_so_far(study: Study) -> list[Round]:
    """The rounds that are decided, in order; none of a study that does not race."""
    found: list[Round] = []
    for number in range(1, len(study.race.parts) + 1 if study.race else 1):
        path = round_file(study, number)
        if not path.is_file():
            break
        found.append(read_round(path))
    return found


def left_after(study: Study, number: int) -> Study:
    """A study with the profiles alone that a round has left; all of them before the first.

    Raises:
        RsweepError: the round is not decided yet.
    """
    if not number:
        return study
    path = round_file(study, number)
    if not path.is_file():
        raise RsweepError(
            f"{path} is not there: the race of {study.name} has not come so far; run the study"
        )
    return only(study, read_round(path).going)


def only(study: Study, names: Sequence[str]) -> Study:
    """A study with some of its profiles."""
    return replace(study, profiles=[p for p in study.profiles if p.name in set(names)])


def finished(study: Study) -> Study:
    """A study with the profiles alone that run on every place: those that no round has stopped.

    Raises:
        RsweepError: its race is not over.
    """
    return left_after(study, len(study.race.parts)) if study.race else study


def out_of_race(study: Study) -> list[tuple[Profile, Stopped, Round]]:
    """Profiles that were stopped, with what is known of each, in the order of the rounds."""
    by_name = {profile.name: profile for profile in study.profiles}
    return [
        (by_name[one.profile], one, found)
        for found in rounds_so_far(study)
        for one in found.stopped
        if one.profile in by_name
    ]


def wanted_shards(study: Study) -> Mapping[str, frozenset[str]]:
    """Node key -> shards that it is needed for: of what was stopped, those that it came to."""
    everywhere = frozenset(shard.name for shard in study.shards)
    short = {profile.name: frozenset(found.shards) for profile, _, found in out_of_race(study)}
    wanted: dict[str, frozenset[str]] = {}
    for profile in study.profiles:
        for node in profile.node.upstream():
            own = short.get(profile.name, everywhere)
            wanted[node.key] = wanted.get(node.key, frozenset()) | own
    return wanted
