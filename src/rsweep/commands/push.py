"""Share what a study has made."""

from __future__ import annotations

import argparse

from rsweep.commands.output import answer

ABOUT = "copy what a study has made to another store, for others to name as upstream"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("study", help="a study file, such as config/config.yaml")
    parser.add_argument("target", help="a folder; a web server may serve it as it is")


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.jobs.upstream import push
    from rsweep.plan.study import load_study

    counts = push(load_study(given.study), given.target)
    line = (
        f"{given.target} has {counts['copied']} stage files of the study; "
        f"{counts['absent']} were not there to copy"
    )
    answer(given.json, {"target": given.target, **counts}, [line])
    return 0
