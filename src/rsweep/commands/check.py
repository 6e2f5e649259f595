"""Damaged files of a study's store."""

from __future__ import annotations

import argparse
import os

from rsweep.commands.output import answer

ABOUT = "damaged files of a study's store; --repair removes them"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("study", help="a study file, such as config/config.yaml")
    parser.add_argument("--repair", action="store_true", help="remove damaged files")


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.core.errors import CorruptError
    from rsweep.core.store import Store
    from rsweep.plan.study import load_study

    study = load_study(given.study)
    store, damaged, seen = Store(study.store), list[str](), 0
    for node in study.nodes().values():
        for shard in study.shards:
            path = store.path(node, shard.name)
            if not os.path.lexists(path):
                continue
            seen += 1
            try:
                with store.read(node, shard.name):
                    pass
            except CorruptError as error:
                damaged.append(str(error))
                if given.repair:
                    store.discard(node, shard.name)
    done = "; removed" if given.repair else ""
    data = {"read": seen, "damaged": damaged, "removed": given.repair}
    lines = [f"damaged: {error}{done}" for error in damaged]
    answer(given.json, data, [*lines, f"{seen} files read, {len(damaged)} damaged"])
    return 1 if damaged and not given.repair else 0
