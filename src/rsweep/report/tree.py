"""The tree of what profiles share: each file of a stage once, with what was made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rsweep.plan.profiles import Profile
from rsweep.plan.study import Study
from rsweep.report.quality import Names
from rsweep.report.seconds import seconds
from rsweep.report.tables import STAGES
from rsweep.report.views import Branch
from rsweep.results.ran import Ran


def sharing_tree(study: Study, ran: Mapping[str, Ran], names: Names) -> list[Branch]:
    """Branches of the first stage; the leaves name profiles."""
    runs = {key: shards for each in ran.values() for key, shards in each.runs.items()}
    cost = {key: sum(float(r.get("seconds", 0.0)) for r in shards.values())
            for key, shards in runs.items()}  # fmt: skip
    return _branches(study.profiles, list(STAGES), cost, names)


def _branches(
    profiles: Sequence[Profile], stages: list[str], cost: Mapping[str, float], names: Names
) -> list[Branch]:
    stage, *later = stages
    groups: dict[str, list[Profile]] = {}
    for profile in profiles:
        groups.setdefault(profile.keys()[stage], []).append(profile)
    return [
        Branch(
            stage,
            _words(own, sum(cost.get(k, 0.0) for k in key.split("+"))),
            key,
            _branches(own, later, cost, names) if later else (),
            () if later else [names[p.name] for p in own],
        )
        for key, own in groups.items()
    ]


def _words(profiles: Sequence[Profile], spent: float) -> str:
    count = len(profiles)
    return f"{seconds(spent)}, {f'for {count} profiles' if count > 1 else 'for one profile'}"
