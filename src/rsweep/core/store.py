"""The store: where the output of every stage lies.

`<root>/<stage>/<key>/<shard>.h5` holds a stage's output for a shard (of scenes on a disk, the name
says those too: see `Node.file`), `settings.json` beside it the settings in clear,
`<shard>.run.json` what ran (device, seconds, versions), which differs from run
to run and so is kept apart from the data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py

from rsweep.core.canonical import digest
from rsweep.core.errors import CorruptError, RsweepError
from rsweep.core.files import (
    check_seal,
    content_sha256,
    explained,
    new_file,
    replacing,
    write_json,
)
from rsweep.core.nodes import Node, name_of
from rsweep.core.writers import is_abandoned, made_by_others, own_name, remove, turn

CONTENT = "content_sha256"
"""Attribute of a file that says what `content_sha256` finds in it."""


def _opened(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        raise CorruptError(path, error) from error


@contextmanager
def _sound(path: Path, node: Node, shard: str) -> Iterator[h5py.File]:
    check_seal(path)
    with _opened(path) as file:
        if file.attrs.get("rsweep") != name_of(node, shard):
            raise CorruptError(path, "it is another node's file")
        yield file


def content_of(file: h5py.File) -> str:
    """sha256 of the values in a stage's file; files of older stores do not say it themselves."""
    return str(file.attrs[CONTENT]) if CONTENT in file.attrs else content_sha256(file)


class Store:
    """A folder of stage outputs, shared by studies and by people."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def folder(self, node: Node) -> Path:
        """Folder of a node."""
        return self.root / node.stage / node.key

    def path(self, node: Node, shard: str) -> Path:
        """File of a node and shard."""
        return self.folder(node) / f"{node.file(shard)}.h5"

    @contextmanager
    def write(
        self, node: Node, shard: str, before: Callable[[], None] = lambda: None
    ) -> Iterator[h5py.File]:
        """An HDF5 file that appears under its name when the block ends well, and only then.

        Args:
            node, shard: whose file.
            before: called when the file is complete and not yet there.

        Raises:
            RsweepError: the store cannot be written; names the file and the reason.
        """
        final = self.path(node, shard)
        with explained(final):
            self._declare(node)
            with replacing(final) as temporary:
                with new_file(temporary) as file:
                    file.attrs["rsweep"] = name_of(node, shard)
                    yield file
                    file.attrs[CONTENT] = content_sha256(file)
                before()

    @contextmanager
    def read(self, node: Node, shard: str) -> Iterator[h5py.File]:
        """A node's file for reading.

        Raises:
            CorruptError: the file is absent, damaged, or another node's.
        """
        with _sound(self.path(node, shard), node, shard) as file:
            yield file

    @contextmanager
    def adopt(
        self, node: Node, shard: str, before: Callable[[], None] = lambda: None
    ) -> Iterator[Path]:
        """A place to copy a node's file to, which takes its name if it is sound and the node's own.

        A block that copies nothing leaves nothing.

        Args:
            node, shard: whose file.
            before: called when the file is found sound and not yet there.

        Raises:
            CorruptError: what was copied is damaged, or another node's or shard's.
        """
        final = self.path(node, shard)
        with explained(final):
            copy = final.with_name(own_name(final.name, "tmp"))
            try:
                yield copy
                if copy.exists():
                    with _sound(copy, node, shard):
                        self._declare(node)
                        before()
                    copy.replace(final)
            finally:
                copy.unlink(missing_ok=True)

    def content(self, node: Node, shard: str) -> str:
        """sha256 of the values in a node's file.

        Raises:
            CorruptError: the file is absent, damaged, or another node's.
        """
        with self.read(node, shard) as file:
            return content_of(file)

    def is_sound(self, node: Node, shard: str) -> bool:
        """True if a node's file is there, as it was written, and its own."""
        try:
            with self.read(node, shard):
                return True
        except CorruptError:
            return False

    def discard(self, node: Node, shard: str) -> None:
        """Remove what is in the place of a node's file, so that it is absent."""
        path = self.path(node, shard)
        with explained(path):
            remove(path)

    @contextmanager
    def turn(self, node: Node, shard: str) -> Iterator[None]:
        """Be the one who makes a file, after others; what dead writers left of it is removed."""
        final = self.path(node, shard)
        with ExitStack() as stack:
            with explained(final):
                final.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(turn(final))
                for path in made_by_others(final.parent, final.name, "tmp"):
                    if is_abandoned(path):
                        remove(path)
            yield

    def _record(self, node: Node, shard: str) -> Path:
        return self.path(node, shard).with_suffix(".run.json")

    def write_record(self, node: Node, shard: str, record: dict[str, Any]) -> None:
        """Say what ran, beside the output that it makes."""
        path = self._record(node, shard)
        with explained(path):
            write_json(path, record)

    def read_record(self, node: Node, shard: str) -> dict[str, Any]:
        """What ran, or nothing if that is not known."""
        try:
            record = json.loads(self._record(node, shard).read_text())
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def _declare(self, node: Node) -> None:
        """Write a node's settings.json; refuse a folder that holds other settings (a collision)."""
        path = self.folder(node) / "settings.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            found = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):  # none yet, or cut off by a crash of the machine
            write_json(path, node.identity())
            return
        if digest(found) != digest(node.identity()):
            raise RsweepError(
                f"{path} holds other settings than key {node.key} stands for; move that folder away"
            )
