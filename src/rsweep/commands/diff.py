"""What differs between two profiles, studies, results or locks."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsweep.commands.output import answer

if TYPE_CHECKING:
    from rsweep.explain.leaves import Change
    from rsweep.explain.sides import Difference, Side

ABOUT = "what differs between two profiles, studies, results or locks, and what they share"
MOST = 40
"""Lines shown of the differences between two locks."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    what = "study.yaml, results/study, either with :profile behind it, or a lock"
    parser.add_argument("before", help=what)
    parser.add_argument("after", help="the same")


def run(given: argparse.Namespace) -> int:
    """Run the command; 0 if nothing differs, 1 if something does, as `diff` does."""
    if given.before.endswith(".json") and given.after.endswith(".json"):
        return _locks(given)
    from rsweep.explain.sides import compare, read_sides

    before, after = read_sides(given.before), read_sides(given.after)
    pairs = _pairs(before, after)
    found = [compare(one, other) for one, other in pairs]
    alone = {
        "before": sorted(set(before) - {a.name for a, _ in pairs}),
        "after": sorted(set(after) - {b.name for _, b in pairs}),
    }
    differ = any(d.parted or d.settings for d in found) or any(alone.values())
    data = {"profiles": [_plain(d) for d in found], "only": alone}
    answer(given.json, data, _lines(found, alone))
    return 1 if differ else 0


def _pairs(before: dict[str, Side], after: dict[str, Side]) -> list[tuple[Side, Side]]:
    """Profiles of the same name; two profiles alone are compared whatever their names."""
    if len(before) == len(after) == 1:
        return [(*before.values(), *after.values())]  # type: ignore[list-item]
    return [(before[name], after[name]) for name in before if name in after]


def _plain(found: Difference) -> dict[str, Any]:
    return {
        "before": found.before,
        "after": found.after,
        "settings": [_change(c) for c in found.settings],
        "causes": [{"kind": c.kind, "stage": c.stage, **_change(c.change)} for c in found.causes],
        "shared": found.shared,
        "parted": found.parted,
    }


def _change(change: Change) -> dict[str, Any]:
    from rsweep.explain.leaves import ABSENT

    sides = {"before": change.before, "after": change.after}
    return {"name": change.name} | {side: v for side, v in sides.items() if v is not ABSENT}


def _lines(found: list[Difference], alone: dict[str, list[str]]) -> Iterator[str]:
    same = [d.after for d in found if not d.parted]
    for difference in found:
        if difference.parted or (difference.settings and len(found) == 1):
            yield from _of_profile(difference)
    if same:
        yield f"{len(same)} profiles have the same keys"
    for side, names in alone.items():
        if names:
            yield f"only {side}: {', '.join(names)}"


def _of_profile(found: Difference) -> Iterator[str]:
    yield found.after if found.before == found.after else f"{found.before} -> {found.after}"
    for change in found.settings:
        yield f"  setting   {change}"
    for cause in found.causes:
        yield f"  because   {cause}"
    yield f"  shared    {', '.join(found.shared) or 'nothing'}"
    yield f"  parted    {', '.join(found.parted) or 'nothing'}"


def _locks(given: argparse.Namespace) -> int:
    from rsweep.core.errors import RsweepError
    from rsweep.explain.leaves import changes

    sides = []
    for name in (given.before, given.after):
        try:
            sides.append(json.loads(Path(name).read_text()))
        except (OSError, ValueError) as error:
            raise RsweepError(f"{name}: is no lock that can be read: {error}") from None
    found = changes(*sides)
    more = [f"and {len(found) - MOST} more (--json has all)"] if len(found) > MOST else []
    answer(given.json, [_change(c) for c in found], [*map(str, found[:MOST]), *more])
    return 1 if found else 0
