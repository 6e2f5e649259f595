"""The design of a sweep: every profile on every place, or a race over parts of the shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rsweep.core.knobs import Option, Problem, nearest

OPTIONS: dict[str, Option] = {
    k.name: k
    for k in (
        Option(
            "design",
            "str",
            "grid",
            "grid: every profile runs on every place; race: all run on a part of the shards, "
            "those that are shown to be worse than another by more than `matters` stop, and the "
            "rest go on (docs/race.md)",
            allowed=("grid", "race"),
        ),
        Option(
            "parts",
            "names",
            [0.25, 0.5],
            "race: shares of the places after which profiles may stop, rising, below 1",
        ),
        Option(
            "confidence",
            "float",
            0.95,
            "race: probability that nobody is stopped in error, over all rounds and profiles",
            minimum=0.5,
            maximum=0.999,
        ),
    )
}
"""None of these changes an embedding, so none is in a key."""
BLOCKS = "blocks"
"""Where a sweep with a design has its blocks."""


@dataclass(frozen=True)
class Race:
    """What a study says of its race; see `OPTIONS`."""

    parts: tuple[float, ...]
    confidence: float


def has_design(sweep: Any) -> bool:
    """True of a `sweep` section that says more than its blocks."""
    return isinstance(sweep, Mapping) and "design" in sweep


def blocks_of(sweep: Any) -> tuple[list[Any], str]:
    """The blocks of a `sweep` section, and what the section calls their list."""
    blocks = sweep.get(BLOCKS) if has_design(sweep) else sweep
    blocks = blocks or []
    name = f"sweep.{BLOCKS}" if has_design(sweep) else "sweep"
    return (blocks if isinstance(blocks, list) else [blocks]), name


def read_race(sweep: Any, where: str) -> tuple[Race | None, list[Problem]]:
    """The race that a `sweep` section asks for, if it does, and everything wrong with it."""
    if not has_design(sweep):
        return None, []
    place, problems = f"{where}: sweep", []
    known = (*OPTIONS, BLOCKS)
    for name in sweep:
        if name not in known:
            what = f"is not part of a sweep with a design; it has: {', '.join(known)}"
            problems.append(Problem(f"{place}.{name}", f"{what}{nearest(name, known)}"))
    options: dict[str, Any] = {}
    for name, option in OPTIONS.items():
        value = sweep.get(name)
        try:
            options[name] = option.default if value is None else _parse(option, value)
        except ValueError as error:
            problems.append(Problem(f"{place}.{name}", str(error)))
    if problems or options["design"] == "grid":
        return None, problems
    return Race(tuple(options["parts"]), options["confidence"]), []


def _parse(option: Option, value: Any) -> Any:
    if option.name != "parts":
        return option.parse(value)
    shares = value if isinstance(value, list) else [value]
    number = Option("parts", "float", None, "", minimum=0.01, maximum=0.99)
    found = [number.parse(share) for share in shares]
    if not found or found != sorted(set(found)):
        raise ValueError(f"is {value!r}; expected rising shares below 1, such as [0.25, 0.5]")
    return found


def race_problems(
    race: Race,
    profiles: int,
    places: int,
    shards: int,
    evaluate: Mapping[str, Any],
    published: bool,
    where: str,
) -> list[Problem]:
    """What a study lacks for its race: labels, two profiles, a shard for each of its rounds."""
    place, rounds = f"{where}: sweep.design", len(race.parts) + 1
    found = []
    if not evaluate:
        found.append(Problem(place, "is race, which needs an evaluate section to judge by"))
    if published:
        found.append(Problem(place, "is race, but published numbers need every profile whole"))
    if 0 < profiles < 2:
        found.append(Problem(place, f"is race, but the study has {profiles} profile"))
    if 0 < shards < rounds:
        size = max(places // (4 * rounds), 1)
        found.append(
            Problem(
                place,
                f"is race, whose {rounds} rounds need as many shards at least, "
                f"and the {places} ROIs make {shards}; expected shard_size "
                f"{size} or so",
            )
        )
    return found


def first_share(race: Race, sizes: Sequence[int]) -> float:
    """Share of the places that the first round takes, about: a whole shard at least."""
    total = sum(sizes)
    return max(race.parts[0], min(sizes) / total) if total else 1.0
