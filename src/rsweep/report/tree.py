"""The tree of what profiles share: each file of a stage once, with what was made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rsweep.core.durations import format_duration
from rsweep.plan.profiles import Profile
from rsweep.plan.study import Study
from rsweep.report.layout import text, varying
from rsweep.report.quality import Names
from rsweep.report.tables import STAGES
from rsweep.report.views import Branch
from rsweep.results.ran import Ran


def sharing_tree(study: Study, ran: Mapping[str, Ran], names: Names) -> list[Branch]:
    """Branches of the first stage; the leaves name profiles."""
    runs = {key: shards for each in ran.values() for key, shards in each.runs.items()}
    cost = {
        key: sum(float(r.get("seconds", 0.0)) for r in shards.values())
        for key, shards in runs.items()
    }
    told = Told(varying({p.name: p.settings for p in study.profiles}), cost, names)
    return _branches(study.profiles, list(STAGES), told)


@dataclass(frozen=True)
class Told:
    """What is said of branches: knobs that vary, stage key -> seconds, and short names."""

    knobs: Sequence[str]
    cost: Mapping[str, float]
    names: Names


def _branches(profiles: Sequence[Profile], stages: list[str], told: Told) -> list[Branch]:
    stage, *later = stages
    groups: dict[str, list[Profile]] = {}
    for profile in profiles:
        groups.setdefault(profile.keys()[stage], []).append(profile)
    return [
        Branch(
            stage,
            "; ".join([*_apart(own, profiles, told.knobs), _spent(key, len(own), told.cost)]),
            key,
            _branches(own, later, told) if later else (),
            () if later else [told.names[p.name] for p in own],
        )
        for key, own in groups.items()
    ]


def _apart(own: Sequence[Profile], profiles: Sequence[Profile], knobs: Sequence[str]) -> list[str]:
    """Settings that profiles of a branch have alike and those of its neighbours do not."""
    found = []
    for knob in knobs:
        values = {text(p.settings.get(knob)) for p in own}
        others = {text(p.settings.get(knob)) for p in profiles}
        if len(values) == 1 < len(others):
            found.append(f"{knob} {values.pop()}")
    return found


def _spent(key: str, count: int, cost: Mapping[str, float]) -> str:
    spent = format_duration(sum(cost.get(one, 0.0) for one in key.split("+")))
    return f"{spent}, {f'for {count} profiles' if count > 1 else 'for one profile'}"
