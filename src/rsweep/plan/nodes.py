"""A resolved profile becomes the chain of nodes that it asks for, by what each stage says it reads.

The specs of the stages (`stages/<stage>/spec.py`) are the only place where a knob enters a key.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rsweep.core.nodes import Node
from rsweep.core.places import Places
from rsweep.core.settings import ProfileSettings
from rsweep.core.stage import EACH_SENSOR, Stage
from rsweep.models.registry import find_card
from rsweep.stages.bands import sensor_bands
from rsweep.stages.prep.tiling import settle
from rsweep.stages.registry import STAGES

UNKNOWN = Places()
Made = dict[tuple[str, str], Node]
"""(stage, sensor; "" where a stage is not by sensor) -> its node."""


def build_nodes(settings: ProfileSettings, places: Places = UNKNOWN) -> Node:
    """The last node of a resolved profile, with all that it depends on.

    Args:
        settings: of the profile.
        places: of the study.

    Raises:
        ValueError: weights or data named by the profile are not there.
    """
    (settings,) = settle([settings])
    settings = {**settings, "places": places}
    sensors = list(sensor_bands(settings, find_card(settings["model"])))
    made: Made = {}
    for stage in STAGES.values():
        for sensor in sensors if stage.by_sensor else [""]:
            inputs = dict(_inputs(stage, sensor, sensors, made))
            node = stage.node(stage.reads(settings, sensor), inputs)
            made[stage.name, sensor] = node
    return node


def _inputs(
    stage: Stage, sensor: str, sensors: list[str], made: Made
) -> Iterator[tuple[str, Node]]:
    for name, source in stage.inputs.items():
        if name == EACH_SENSOR:
            yield from ((each, made[source, each]) for each in sensors)
        else:
            yield name, made[source, sensor if STAGES[source].by_sensor else ""]


def node_options(settings: ProfileSettings, node: Node) -> dict[str, dict[str, Any]]:
    """Node key -> what its job needs beside its settings: a provider's options, the weights."""
    found = {n.key: STAGES[n.stage].options(settings) for n in node.upstream()}
    return {key: options for key, options in found.items() if options}
