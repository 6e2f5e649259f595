"""The two sides of a comparison: profiles of a study file, or of a folder of results."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from rsweep.core.errors import RsweepError
from rsweep.core.knobs import nearest
from rsweep.core.nodes import Node
from rsweep.core.places import Places, places_of
from rsweep.core.settings import ProfileSettings
from rsweep.explain.causes import Cause, chain_causes
from rsweep.explain.chains import plain
from rsweep.explain.leaves import Change, changes
from rsweep.plan.nodes import UNKNOWN
from rsweep.plan.study import load_study


@dataclass(frozen=True)
class Side:
    """A profile as a study asks for it, or as results say that it ran."""

    name: str
    settings: ProfileSettings
    node: Node
    places: Places = UNKNOWN


@dataclass(frozen=True)
class Difference:
    """Two profiles side by side.

    Attributes:
        before, after: their names.
        settings: settings that differ.
        causes: why their keys differ, sources first.
        shared, parted: stages with a node that both have, and that differ; "stage (sensor)" where a
            stage runs per sensor.
    """

    before: str
    after: str
    settings: tuple[Change, ...]
    causes: tuple[Cause, ...]
    shared: tuple[str, ...]
    parted: tuple[str, ...]


def compare(before: Side, after: Side) -> Difference:
    """What differs between two profiles."""
    old, new = ({_label(n): n.key for n in side.node.upstream()} for side in (before, after))
    same = tuple(label for label, key in new.items() if old.get(label) == key)
    return Difference(
        before=before.name,
        after=after.name,
        settings=tuple(changes(plain(before.settings), plain(after.settings))),
        causes=tuple(chain_causes(before.node, after.node, after.settings, after.places)),
        shared=same,
        parted=tuple(label for label in new if label not in same),
    )


def _label(node: Node) -> str:
    """A node's stage, with its sensor where there is one per sensor."""
    while node.stage != "fetch" and list(node.inputs) == ["scenes"]:
        return f"{node.stage} ({node.inputs['scenes'].settings['sensor']})"
    sensor = node.settings.get("sensor") if node.stage == "fetch" else None
    return f"{node.stage} ({sensor})" if sensor else node.stage


def read_sides(text: str) -> dict[str, Side]:
    """Name -> profile of `study.yaml`, `results/study`, or one of them with `:profile` behind it.

    Raises:
        RsweepError: there is no such file, folder or profile.
    """
    if Path(text).exists():
        return _all(Path(text))
    where, _, name = text.rpartition(":")
    if not where or not Path(where).exists():
        raise RsweepError(f"{text}: no such study file or folder of results")
    found = _all(Path(where))
    if name not in found:
        raise RsweepError(
            f"{where} has no profile {name!r}; it has: {', '.join(found)}{nearest(name, found)}"
        )
    return {name: found[name]}


def _all(path: Path) -> dict[str, Side]:
    if path.is_file():
        study = load_study(path)
        places = places_of(study.rois, study.shards)
        return {p.name: Side(p.name, p.settings, p.node, places) for p in study.profiles}
    metas = sorted(path.glob("profiles/*/meta.json"))
    if not metas:
        raise RsweepError(f"{path}: has no profiles/*/meta.json, as results/demo does")
    return {side.name: side for side in map(_side, metas)}


def _side(path: Path) -> Side:
    meta = json.loads(path.read_text())
    nodes: dict[str, Node] = {}
    for told in meta["stages"]:  # sources first
        inputs = {name: nodes[key] for name, key in told["inputs"].items()}
        node = Node(told["stage"], told["version"], told["settings"], inputs)
        nodes[told["key"]] = node
    return Side(meta["profile"], meta["settings"], node)
