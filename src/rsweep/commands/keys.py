"""Each profile of a study with its settings and its five stage keys."""

from __future__ import annotations

import argparse
import json

ABOUT = "each profile of a study with its settings and its five stage keys"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("study", help="a study file, such as config/config.yaml")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.plan.study import load_study

    study = load_study(given.study)
    if given.json:
        rows = [{"profile": p.name, "keys": p.keys(), "settings": dict(p.settings)}
                for p in study.profiles]  # fmt: skip
        print(json.dumps(rows, indent=1))
        return 0
    for profile in study.profiles:
        settings = {k: v for k, v in profile.settings.items() if v not in (None, {})}
        print(profile.name)
        print("  keys      " + "  ".join(f"{s} {k}" for s, k in profile.keys().items()))
        print("  settings  " + "  ".join(f"{k}={v}" for k, v in settings.items()))
    for skipped in study.skipped:
        print(f"{skipped.name}\n  skipped   {skipped.reason}")
    return 0
