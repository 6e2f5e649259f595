"""The models, or one of them."""

from __future__ import annotations

import argparse

ABOUT = "the models, or what one expects, its knobs and where it is from"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("model", nargs="?")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.report.describe import describe_model, list_models

    print(describe_model(given.model, given.json) if given.model else list_models())
    return 0
