"""Each profile of a study with its settings and its five stage keys."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rsweep.commands.output import answer

if TYPE_CHECKING:
    from rsweep.plan.study import Study

ABOUT = "each profile of a study with its settings and its five stage keys"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("study", help="a study file, such as config/config.yaml")


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.plan.study import load_study

    study = load_study(given.study)
    rows = [
        {"profile": p.name, "keys": p.keys(), "settings": dict(p.settings)} for p in study.profiles
    ]
    answer(given.json, rows, _lines(study))
    return 0


def _lines(study: Study) -> Iterator[str]:
    for profile in study.profiles:
        settings = {k: v for k, v in profile.settings.items() if v not in (None, {})}
        yield profile.name
        yield "  keys      " + "  ".join(f"{s} {k}" for s, k in profile.keys().items())
        yield "  settings  " + "  ".join(f"{k}={v}" for k, v in settings.items())
    for skipped in study.skipped:
        yield f"{skipped.name}\n  skipped   {skipped.reason}"
