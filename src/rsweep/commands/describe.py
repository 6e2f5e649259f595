"""The models, or one of them."""

from __future__ import annotations

import argparse

ABOUT = "the models, or what one expects, its knobs and where it is from"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("model", nargs="?")
    parser.add_argument(
        "--for",
        dest="sensors",
        metavar="SENSORS",
        help="list models that need no sensor but these, such as s2,s1",
    )
    parser.add_argument(
        "--license",
        "--licence",
        dest="licence",
        default="",
        metavar="NAME",
        help="list models by the licence of their weights: commercial, or a part of its name",
    )


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.core.errors import RsweepError
    from rsweep.report.describe import describe_model, list_models

    if given.model and (given.sensors or given.licence):
        raise RsweepError(f"--for and --license list models; leave {given.model} out, or them")
    if given.model:
        print(describe_model(given.model, given.json))
        return 0
    sensors = [name.strip() for name in (given.sensors or "").split(",") if name.strip()]
    print(list_models(sensors, given.licence, given.json))
    return 0
