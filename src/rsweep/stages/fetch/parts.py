"""ROIs that are fetched before their shard is: kept for whoever goes on with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rsweep.core.files import is_sealed, replacing
from rsweep.core.writers import is_abandoned, is_own, made_by_others, own_name, remove


@contextmanager
def own_parts(folder: Path, name: str) -> Iterator[Path]:
    """A folder for the finished ROIs of a shard that no other process writes to.

    It begins with what other processes have finished, and stays where the block fails, so that the
    next process begins with what this one has.
    """
    own = folder / own_name(name, "parts")
    earlier = made_by_others(folder, name, "parts") if folder.is_dir() else []
    own.mkdir(parents=True)
    for other in earlier:
        _take(other, own)
        if is_own(other) or is_abandoned(other):
            remove(other)
    yield own
    shutil.rmtree(own, ignore_errors=True)


def _take(other: Path, own: Path) -> None:
    """Adopt sealed parts, which nobody changes; their writer may end and remove them meanwhile."""
    with suppress(FileNotFoundError):
        for part in sorted(other.glob("*.h5")):
            if is_sealed(part) and not (own / part.name).exists():
                _link(part, own / part.name)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)
