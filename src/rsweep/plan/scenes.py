"""Scenes on a disk in the names of a study's files, so that one that changes is read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rsweep.core.errors import RsweepError, StudyError
from rsweep.core.knobs import Problem
from rsweep.core.nodes import Node
from rsweep.core.shards import Shard
from rsweep.plan.profiles import Profile
from rsweep.stages.fetch.used import scenes_digest, used_scenes
from rsweep.stages.registry import STAGES

Digests = Mapping[str, Mapping[str, str]]
"""Fetch key -> shard -> digest of the scenes that it uses."""


def with_scenes(
    profiles: Sequence[Profile], shards: Sequence[Shard], locked: Mapping[str, Any], where: str
) -> list[Profile]:
    """Profiles whose nodes know which scenes each shard uses.

    Args:
        profiles: of a study.
        shards: its ROIs.
        locked: of a frozen study, fetch key -> scenes of its lock, which alone are looked at.
        where: the study file, for messages.

    Raises:
        StudyError: scenes cannot be read.
    """
    digests: dict[str, Mapping[str, str]] = {}
    for profile in profiles:
        for node in profile.node.upstream():
            if node.stage == "fetch" and node.key not in digests:
                options = STAGES["fetch"].options(profile.settings)
                try:
                    used = used_scenes(node, options, shards, locked.get(node.key))
                except RsweepError as error:
                    place = f"{where}: {profile.name}: {node.settings['provider']}"
                    raise StudyError([Problem(place, str(error))]) from error
                digests[node.key] = {shard: scenes_digest(own) for shard, own in used.items()}
    made: dict[str, Node] = {}
    return [replace(profile, node=renamed(profile.node, digests, made)) for profile in profiles]


def renamed(node: Node, digests: Digests, made: dict[str, Node]) -> Node:
    """A node and all before it with the scenes that their shards use; `made` has each once."""
    if node.key not in made:
        inputs = {name: renamed(source, digests, made) for name, source in node.inputs.items()}
        made[node.key] = replace(node, inputs=inputs, scenes=digests.get(node.key, {}))
    return made[node.key]
