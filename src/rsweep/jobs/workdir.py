"""What runs leave in a study's folders when they are killed or when the study changes.

Snakemake locks its working folder, and the lock stays when it is killed. So each run holds a lock
of the kernel too, which a process cannot leave behind: where nobody holds that one, Snakemake's is
of a run that is gone, and is removed.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rsweep.core.log import say
from rsweep.core.writers import HOST, LOCK, OWNED, is_abandoned, remove, remove_free

if TYPE_CHECKING:
    from rsweep.plan.workflow import Plan

SNAKEMAKE = Path(".snakemake")
ASIDE = "left"
"""Folder under a study's results for profiles that are no longer part of it."""

_held: list[IO[str]] = []


def take_over(folder: Path = SNAKEMAKE) -> None:
    """Hold the working folder's own lock, and remove Snakemake's if its run is gone; says so."""
    path = folder / "rsweep/run.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError:  # a folder that cannot be written; Snakemake says it better
        return
    _held.append(file)
    with suppress(OSError):  # BlockingIOError: another run is here; others: there are no locks
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _unlock(folder, file):
            file.seek(0)
            file.truncate()
            file.write(HOST)
            file.flush()
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_SH)


def _unlock(folder: Path, file: IO[str]) -> bool:
    """Remove locks of a run of this host, which is gone; True if there are none any more."""
    if not list((folder / "locks").glob("*.lock")):
        return True
    file.seek(0)
    host = file.read()
    if host == HOST:
        shutil.rmtree(folder / "locks")
        say("the last run here was killed; its lock is removed")
        return True
    if host:
        name = host.partition("_")[0]
        say(f"locked by a run on {name}; if that is gone, run snakemake with --unlock once")
    return False


def clear_leftovers(plan: Plan) -> None:
    """Remove what writers that are gone have left of a study's files."""
    removed = 0
    for path in _owned(plan):
        wanted = path.suffix == ".parts" and not _whole(path).exists()  # the next fetch goes on
        with suppress(OSError):
            if path.suffix == ".lock":
                removed += remove_free(path)
            elif not wanted and is_abandoned(path):
                remove(path)
                removed += 1
    if removed:
        say(f"{removed} temporary files of runs that were killed are removed")


def _owned(plan: Plan) -> Iterator[Path]:
    """Temporary files and folders beside the files of a study."""
    nodes = [plan.store / node.stage / node.key for node in plan.nodes.values()]
    for folder in (*nodes, plan.folder, *plan.folder.glob("profiles/*")):
        with suppress(OSError):
            yield from [
                path
                for path in folder.iterdir()
                if OWNED.fullmatch(path.name) or LOCK.fullmatch(path.name)
            ]


def _whole(parts: Path) -> Path:
    """The file that a folder of parts is for."""
    match = OWNED.fullmatch(parts.name)
    assert match is not None
    return parts.with_name(f"{match['name'].split('.')[0]}.h5")


def set_aside(plan: Plan) -> None:
    """Move results of profiles and given sets that have left the study to where no glob finds them.

    It says so.
    """
    kinds = {"profiles": set(plan.profiles), "given": set(plan.given)}
    gone = [
        path
        for kind, names in kinds.items()
        for path in (plan.folder / kind).glob("*")
        if path.is_dir() and path.name not in names
    ]
    for path in gone:
        target = plan.folder / ASIDE / path.name
        with suppress(FileNotFoundError):
            remove(target)
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
    if gone:
        say(
            f"results of {len(gone)} profiles that are no longer in the study are now in "
            f"{plan.folder / ASIDE}/: {', '.join(sorted(p.name for p in gone)[:5])}"
        )
