"""Which stages there are: the folders here that have a spec, in the order in which data flows."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path

from rsweep.core.stage import Stage


def find_stages(folder: Path, package: str) -> dict[str, Stage]:
    """Name -> stage of every folder with a spec; what a stage reads comes before it.

    Raises:
        ValueError: a stage is not named as its folder, or not exactly one is read by no other.
    """
    names = sorted(path.parent.name for path in folder.glob("*/spec.py"))
    found: dict[str, Stage] = {
        n: importlib.import_module(f"{package}.{n}.spec").STAGE for n in names
    }
    strangers = [f"{folder / n}: {stage.name}" for n, stage in found.items() if n != stage.name]
    read = {name for stage in found.values() for name in stage.inputs.values()}
    last = sorted(set(found) - read)
    if strangers or len(last) != 1 or not read <= set(found):
        raise ValueError(
            f"stages need the names of their folders ({strangers}), inputs among "
            f"{names} ({sorted(read)}), and one that none reads ({last})"
        )
    order = TopologicalSorter({n: sorted(found[n].inputs.values()) for n in names}).static_order()
    return {name: found[name] for name in order}


STAGES: Mapping[str, Stage] = find_stages(Path(__file__).parent, __package__)
"""Every stage by name, first to last; the last is what a profile asks for."""
