"""Why an artefact exists, or would run."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsweep.commands.output import answer

if TYPE_CHECKING:
    from rsweep.core.nodes import Node
    from rsweep.explain.against import Departure
    from rsweep.explain.causes import Cause
    from rsweep.explain.reasons import Reason
    from rsweep.plan.study import Study

ABOUT = "why a profile, a stage or a file of the store exists, or would run"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("what", help="a profile, a stage, or a file of the store")
    parser.add_argument("study", help="a study file, such as config/config.yaml")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="LOCK",
        help="say what differs from a study.lock.json, and not whether the store has it",
    )


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.plan.study import load_study

    study = load_study(given.study)
    if given.against:
        return _against(study, given)
    found = dict(_reasons(study, given.what))
    data = {key: _plain(*entry) for key, entry in found.items()}
    lines = (line for key, entry in found.items() for line in _lines(key, *entry, study))
    answer(given.json, data, lines)
    return 0


def _reasons(study: Study, what: str) -> Iterator[tuple[str, tuple[Reason, list[str]]]]:
    """Key -> the node's reason and the profiles that need it."""
    from rsweep.core.places import places_of
    from rsweep.core.store import Store
    from rsweep.explain.reasons import profile_reasons

    wanted = _wanted(study, what)
    store, places = Store(study.store), places_of(study.rois, study.shards)
    seen: set[str] = set()
    for profile in study.profiles:
        if {n.key for n in profile.node.upstream()} & wanted - seen:
            told = profile_reasons(profile.node, profile.settings, study.shards, store, places)
            for reason in told:
                key = reason.node.key
                if key in wanted - seen:
                    seen.add(key)
                    yield key, (reason, _users(study, key))


def _against(study: Study, given: argparse.Namespace) -> int:
    """Say what makes nodes, and packages, others than a lock's."""
    from rsweep.explain.against import departures_from, package_changes
    from rsweep.results.lock import read_whole

    lock, wanted = read_whole(given.against), _wanted(study, given.what)
    found: dict[str, Departure] = {}
    for profile in study.profiles:
        if any(node.key in wanted - set(found) for node in profile.node.upstream()):
            for departure in departures_from(study, profile, lock):
                if departure.node.key in wanted:
                    found.setdefault(departure.node.key, departure)
    packages = package_changes(lock)
    data = {
        "nodes": {key: _departure(one) for key, one in found.items()},
        "packages": [
            {"name": c.name, "before": repr(c.before), "after": repr(c.after)} for c in packages
        ],
    }
    lines = [line for one in found.values() for line in _departure_lines(one, given.against)]
    answer(given.json, data, [*lines, *(f"package {change}" for change in packages)])
    return 0


def _departure(found: Departure) -> dict[str, Any]:
    return {
        "stage": found.node.stage,
        "same": found.same,
        "before": found.before.key if found.before else None,
        "causes": [_cause(cause) for cause in found.causes],
        "scenes": asdict(found.scenes),
    }


def _departure_lines(found: Departure, lock: Path) -> Iterator[str]:
    yield f"{found.node.stage} {found.node.key}"
    if found.same:
        yield f"  is as in {lock}"
    elif found.before is None:
        yield f"  {lock} has no {found.node.stage}"
    elif found.causes:
        yield f"  differs from {found.before.key} in {lock} by"
        yield from (f"    {cause}" for cause in found.causes)
    if found.scenes:
        yield f"  reads other scenes than {lock}: {found.scenes}"


def _wanted(study: Study, what: str) -> set[str]:
    """Keys of the nodes that are asked about.

    Raises:
        RsweepError: the study has nothing of that name.
    """
    from rsweep.core.errors import RsweepError
    from rsweep.core.knobs import nearest

    nodes = study.nodes()
    profiles = {p.name: p.node for p in study.profiles}
    stages = list(dict.fromkeys(node.stage for node in nodes.values()))
    if what in profiles:
        return {node.key for node in profiles[what].upstream()}
    if what in stages:
        return {key for key, node in nodes.items() if node.stage == what}
    key = next(
        (part for part in (what, Path(what).parent.name, Path(what).name) if part in nodes), None
    )
    if key:
        return {key}
    if Path(what).exists():
        raise RsweepError(f"{what}: no profile of this study needs it")
    options = (*profiles, *stages)
    raise RsweepError(
        f"{what!r} is no profile, stage ({', '.join(stages)}), key or file of this "
        f"study{nearest(what, options)}"
    )


def _users(study: Study, key: str) -> list[str]:
    return [p.name for p in study.profiles if key in {n.key for n in p.node.upstream()}]


def _plain(reason: Reason, profiles: list[str]) -> dict[str, Any]:
    return {
        "stage": reason.node.stage,
        "present": reason.present,
        "wanted": reason.wanted,
        "runs": reason.runs,
        "profiles": profiles,
        "nearest": reason.nearest.key if reason.nearest else None,
        "causes": [_cause(cause) for cause in reason.causes],
        "scenes": asdict(reason.scenes),
    }


def _cause(cause: Cause) -> dict[str, str]:
    change = cause.change
    return {
        "kind": cause.kind,
        "stage": cause.stage,
        "name": change.name,
        "before": repr(change.before),
        "after": repr(change.after),
    }


def _lines(key: str, reason: Reason, profiles: list[str], study: Study) -> Iterator[str]:
    others = f" and {len(profiles) - 1} more" if len(profiles) > 1 else ""
    yield f"{reason.node.stage} {key}, for {profiles[0]}{others}"
    if not reason.runs:
        yield f"  is there: all {reason.wanted} shards{_made(study, reason.node)}"
    elif reason.scenes:
        absent = reason.wanted - reason.present
        yield f"  runs for {absent} of {reason.wanted} shards: {reason.scenes}"
    elif reason.present:
        yield (
            f"  runs for {reason.wanted - reason.present} of {reason.wanted} shards: ROIs of "
            "these were added or changed, or their files are not there"
        )
    elif reason.nearest is None:
        yield f"  runs: the store has no {reason.node.stage} yet"
    else:
        yield f"  runs: nearest is {reason.nearest.key}, which differs by"
        yield from (f"    {cause}" for cause in reason.causes)


def _made(study: Study, node: Node) -> str:
    """When and where the first of a node's files was made, as far as its record says."""
    from datetime import UTC, datetime

    from rsweep.core.store import Store

    path = Store(study.store).path(node, study.shards[0].name)
    when = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return f", made {when:%Y-%m-%d %H:%M} UTC"
