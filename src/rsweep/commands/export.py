"""Publish a study's results."""

from __future__ import annotations

import argparse
from pathlib import Path

ABOUT = "write a study's results for an archive: as a Workflow Run RO-Crate"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("results", type=Path, help="a folder of results, such as results/demo")
    parser.add_argument("--crate", type=Path, required=True, metavar="OUT", help="a new folder")
    parser.add_argument("--study", type=Path, required=True, help="the study file")
    parser.add_argument("--author", action="append", default=[], help="who publishes; repeatable")
    parser.add_argument(
        "--licence",
        default="",
        metavar="SPDX",
        help="of the results, such as CC-BY-4.0; unset: none is stated",
    )
    parser.add_argument(
        "--anonymous",
        action="store_true",
        help="without names, hosts and addresses, for double-blind review",
    )


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.publish.crate import Names, write_crate

    names = Names(given.author, given.licence, given.anonymous)
    write_crate(given.results, given.study, given.crate, names)
    print(f"{given.crate} holds the study; check it there with: rsweep verify "
          f"results/{given.results.name} --study study.yaml")  # fmt: skip
    return 0
