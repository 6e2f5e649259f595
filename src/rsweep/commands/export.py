"""Publish a study's results."""

from __future__ import annotations

import argparse
from pathlib import Path

from rsweep.commands.output import answer

ABOUT = "write a study's results for an archive: as an RO-Crate or a STAC catalogue"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("results", type=Path, help="a folder of results, such as results/demo")
    parser.add_argument(
        "--crate", type=Path, metavar="OUT", help="a new folder for a Workflow Run RO-Crate"
    )
    parser.add_argument(
        "--stac", type=Path, metavar="OUT", help="a new folder for a static STAC catalogue"
    )
    parser.add_argument(
        "--zarr",
        type=Path,
        metavar="OUT",
        help="a new folder for grids as Zarr v3, a store per profile",
    )
    parser.add_argument("--study", type=Path, help="the study file; a crate needs it")
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
    from rsweep.core.errors import RsweepError

    if not given.crate and not given.stac and not given.zarr:
        raise RsweepError("say --crate OUT, --stac OUT or --zarr OUT")
    made, lines = {}, []
    if given.crate:
        _crate(given)
        made["crate"] = str(given.crate)
        lines.append(
            f"{given.crate} holds the study; check it there with: rsweep verify "
            f"results/{given.results.name} --study study.yaml"
        )
    if given.stac:
        from rsweep.publish.stac import write_stac

        write_stac(given.results, given.stac, given.licence, given.anonymous)
        made["stac"] = f"{given.stac}/catalog.json"
        lines.append(f"{made['stac']} is the catalogue")
    if given.zarr:
        from rsweep.publish.zarr_grids import write_zarr

        stores = [str(store) for store in write_zarr(given.results, given.zarr)]
        made["zarr"] = str(given.zarr)
        lines += [f"{store} holds the grids of a profile, a group per ROI" for store in stores]
    answer(given.json, made, lines)
    return 0


def _crate(given: argparse.Namespace) -> None:
    from rsweep.core.errors import RsweepError
    from rsweep.publish.crate import Names, write_crate

    if not given.study:
        raise RsweepError("a crate holds the study: say --study FILE")
    names = Names(given.author, given.licence, given.anonymous)
    write_crate(given.results, given.study, given.crate, names)
