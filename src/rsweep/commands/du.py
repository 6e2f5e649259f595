"""Disk of a store by study, stage and profile, shared or own."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsweep.commands.output import answer

if TYPE_CHECKING:
    from rsweep.budget.evict import Artefact
    from rsweep.disk.needs import Need

ABOUT = "disk of a store by study, stage and profile: shared with others, or its own"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("store", type=Path, help="a store, such as results/store")
    parser.add_argument(
        "study",
        type=Path,
        nargs="*",
        help="studies or locks; those beside the store and pinned in it are read too",
    )


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.core.errors import RsweepError
    from rsweep.core.store import Store
    from rsweep.disk.listing import artefacts
    from rsweep.disk.needs import read_needs

    store = Store(given.store)
    if not given.store.is_dir():
        raise RsweepError(f"{given.store}: no such folder; expected a store, as results/store")
    files, needs = list(artefacts(store)), read_needs(store, given.study)
    rows = [*_stages(files), *_studies(files, needs), *_profiles(files, needs)]
    answer(given.json, rows, _lines(rows))
    return 0


def _stages(files: Sequence[Artefact]) -> Iterator[dict[str, Any]]:
    for stage in dict.fromkeys(file.stage for file in files):
        own = [file for file in files if file.stage == stage]
        yield _row("stage", stage, own, shared=0)


def _studies(files: Sequence[Artefact], needs: Sequence[Need]) -> Iterator[dict[str, Any]]:
    for need in needs:
        mine = [file for file in files if need.wants(file)]
        others = [other for other in needs if other.name != need.name]
        shared = sum(f.size for f in mine if any(other.wants(f) for other in others))
        yield _row("study", need.name, mine, shared)
    nobody = [file for file in files if not any(need.wants(file) for need in needs)]
    yield _row("study", "(nobody's)", nobody, shared=0)


def _profiles(files: Sequence[Artefact], needs: Sequence[Need]) -> Iterator[dict[str, Any]]:
    for need in needs:
        wanted = [file for file in files if need.wants(file)]
        for name, keys in need.profiles.items():
            mine = [file for file in wanted if file.key in keys]
            other = {k for n, found in need.profiles.items() if n != name for k in found}
            shared = sum(file.size for file in mine if file.key in other)
            yield _row("profile", f"{need.name}: {name}", mine, shared)


def _row(kind: str, name: str, files: Sequence[Artefact], shared: int) -> dict[str, Any]:
    size = sum(file.size for file in files)
    return {
        "kind": kind,
        "name": name,
        "files": len(files),
        "bytes": size,
        "shared": shared,
        "own": size - shared,
    }


def _lines(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    from rsweep.disk.sizes import size_text

    for kind in dict.fromkeys(row["kind"] for row in rows):
        yield f"by {kind}"
        for row in (row for row in rows if row["kind"] == kind):
            split = f", {size_text(row['own'])} its own" if row["shared"] else ""
            yield f"  {size_text(row['bytes']):>9}  {row['name']}: {row['files']} files{split}"
