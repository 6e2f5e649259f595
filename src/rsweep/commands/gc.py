"""What of a store may go: files that nobody needs, or those that cost least to make again."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rsweep.commands.output import answer

if TYPE_CHECKING:
    from rsweep.budget.evict import Artefact
    from rsweep.core.store import Store

ABOUT = "files of a store that no study or lock needs; only --delete removes them"
RECENT_DAYS = 1 / 24
"""Files younger than this may belong to a run that goes on now."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("store", type=Path, help="a store, such as results/store")
    parser.add_argument(
        "--keep",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a study file, a lock or a folder of results that needs its files; "
        "locks beside the store and in its folder pins are read too",
    )
    parser.add_argument(
        "--older",
        type=float,
        default=RECENT_DAYS,
        metavar="DAYS",
        help="only files older than this; unset: an hour",
    )
    parser.add_argument("--larger", default="0", metavar="SIZE", help="only files of at least this")
    parser.add_argument(
        "--free",
        metavar="SIZE",
        help="free this much, such as 200GB: also files "
        "that studies need, those first that cost least to make again; never one "
        "that a lock names",
    )
    parser.add_argument("--delete", action="store_true", help="remove them; else they are listed")


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.core.errors import RsweepError
    from rsweep.core.store import Store

    if not given.store.is_dir():
        raise RsweepError(f"{given.store}: no such folder; expected a store, as results/store")
    store = Store(given.store)
    try:
        files = _to_go(store, given)
    except ValueError as error:
        raise RsweepError(str(error)) from None
    if given.delete:
        for file in files:
            _remove(file)
    answer(given.json, [str(file.path) for file in files], _lines(files, given.delete))
    return 0


def _to_go(store: Store, given: argparse.Namespace) -> list[Artefact]:
    from rsweep.budget.evict import cheapest_eviction
    from rsweep.disk.listing import artefacts
    from rsweep.disk.needs import planned_needs, read_needs
    from rsweep.disk.sizes import parse_size

    least = parse_size(given.larger)
    needs = [*read_needs(store, given.keep), *planned_needs(store)]
    old = [f for f in artefacts(store) if f.age_days >= given.older and f.size >= least]
    unneeded = [f for f in old if not any(need.wants(f) for need in needs)]
    if given.free is None:
        return unneeded
    wanted = parse_size(given.free) - sum(f.size for f in unneeded)
    if wanted <= 0:
        return list(cheapest_eviction(unneeded, parse_size(given.free)).files)
    pinned = [need for need in needs if need.pinned]
    may_go = [f for f in old if f not in unneeded and not any(n.wants(f) for n in pinned)]
    return [*unneeded, *cheapest_eviction(may_go, wanted).files]


def _remove(file: Artefact) -> None:
    """Remove a file and its record, and its folder when that was the last one."""
    from contextlib import suppress

    file.path.unlink(missing_ok=True)
    file.path.with_suffix(".run.json").unlink(missing_ok=True)
    folder = file.path.parent
    if not any(path.name != "settings.json" for path in folder.iterdir()):
        (folder / "settings.json").unlink(missing_ok=True)
        with suppress(OSError):  # somebody has begun to write there
            folder.rmdir()


def _lines(files: Sequence[Artefact], removed: bool) -> Iterator[str]:
    from rsweep.core.durations import format_duration
    from rsweep.disk.sizes import size_text

    for stage in dict.fromkeys(file.stage for file in files):
        own = [file for file in files if file.stage == stage]
        seconds = sum(file.seconds for file in own)
        size, oldest = sum(file.size for file in own), max(file.age_days for file in own)
        yield (
            f"{stage:<10} {len(own)} files, {size_text(size)}, up to {oldest:.1f} days old, "
            f"{format_duration(seconds)} to make again"
        )
    total = size_text(sum(file.size for file in files))
    done = "removed" if removed else "may go (--delete removes them)"
    yield f"{len(files)} files, {total}, {done}"
