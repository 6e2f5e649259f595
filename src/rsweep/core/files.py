"""Files that appear whole or not at all: sealed HDF5, JSON, folders.

Files are written under a temporary name in the same folder and renamed. The sha256 of an HDF5 file
follows its last byte (HDF5 reads past such a trailer) and is checked before the file is opened:
HDF5's own checksums leave gaps, and a damaged header can make it loop for ever.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from rsweep.core.canonical import canonical_json
from rsweep.core.errors import CorruptError, RsweepError
from rsweep.core.writers import own_name, remove

LIBVER = ("v110", "v110")
"""One version of the format, so that the same content is the same bytes with any HDF5 library."""
TRAILER = b"rsweep sha256 "
DIGEST_SIZE = 32
CHUNK_BYTES = 64 << 10
BLOCK_BYTES = 16 << 20
COMPRESSED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
"""How a dataset is compressed. Equal values give equal bytes, which HDF5's LZF does not hold:
it reads memory that it has not set. Files of older stores stay readable."""
REFUSALS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.EFBIG,
    errno.EIO,
)


@contextmanager
def replacing(final: Path) -> Iterator[Path]:
    """A temporary name beside `final`, renamed to it when the block ends well, else removed."""
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(own_name(final.name, "tmp"))
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        if final.is_dir() and not final.is_symlink():
            remove(final)
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(final: Path) -> Iterator[Path]:
    """As `replacing`, for a folder of files; one that is there already gives way."""
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(own_name(final.name, "tmp"))
    temporary.mkdir()
    try:
        yield temporary
        remove(final)
        temporary.rename(final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a refusal of the file system into a message that names the file and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSALS or not _concerns(error.filename, path.parent):
            raise
        raise RsweepError(
            f"cannot write {path}: {os.strerror(error.errno)}; what is complete is "
            f"kept, so fix that and run again"
        ) from error


def _concerns(name: Any, folder: Path) -> bool:
    """True if an error that names a file, or none, can be about writing to a folder."""
    if not isinstance(name, str | bytes):
        return True
    named, folder = Path(os.fsdecode(name)).absolute(), folder.absolute()
    return named.is_relative_to(folder) or folder.is_relative_to(named)


class Sink(io.RawIOBase):
    """A file that HDF5 writes through, which keeps a refused write to itself until HDF5 is done.

    HDF5 crashes when it cannot flush what it holds, on a full disk for example. So it is told that
    all is well, and `error` is raised once it has let go of the file.
    """

    def __init__(self, path: Path) -> None:
        self.file = path.open("w+b", buffering=0)
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write bytes, or remember why that was refused."""
        view = memoryview(data).cast("B")
        try:
            done = 0
            while self.error is None and done < len(view):
                done += self.file.write(view[done:])
        except OSError as error:
            self.error = error
        return len(view)

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; zeros where nothing could be written."""
        view = memoryview(buffer).cast("B")
        count = self.file.readinto(view) or 0
        view[count:] = bytes(len(view) - count)
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset."""
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        """The offset."""
        return self.file.tell()

    def truncate(self, size: int | None = None) -> int:
        """Set the length of the file."""
        return self.file.truncate(size)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Close the file."""
        self.file.close()
        super().close()


@contextmanager
def new_file(path: Path) -> Iterator[h5py.File]:
    """A new HDF5 file, sealed when the block ends.

    Raises:
        OSError: the file system refused a write.
    """
    sink = Sink(path)
    try:
        with h5py.File(sink, "w", libver=LIBVER) as file:
            yield file
    except (OSError, RuntimeError):
        if sink.error is None:
            raise
    finally:
        sink.close()
    if sink.error is not None:
        raise sink.error
    seal(path)


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


def content_sha256(file: h5py.File) -> str:
    """sha256 of the values of a file's datasets with their names, types and shapes.

    Compression and the order of writing do not change it, so two files are compared without reading
    either as long as their values are bit for bit the same.
    """
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
    sha = hashlib.sha256()
    for name in sorted(names):
        data = file[name]
        sha.update(canonical_json([name, data.dtype.str, data.shape]).encode())
        for block in _blocks(data):
            sha.update(np.ascontiguousarray(block).tobytes())
    return sha.hexdigest()


def _blocks(data: h5py.Dataset) -> Iterator[NDArray[Any]]:
    """A dataset in parts of whole chunks along its first axis."""
    if not data.ndim or not data.size:
        yield data[()]
        return
    rows = data.chunks[0] if data.chunks else 1
    row_bytes = max(data.dtype.itemsize * data.size // data.shape[0], 1)
    step = max(BLOCK_BYTES // (row_bytes * rows), 1) * rows
    for start in range(0, data.shape[0], step):
        yield data[start : start + step]


def seal(path: Path) -> None:
    """Append the sha256 of a file to it."""
    with path.open("r+b") as file:
        found = hashlib.file_digest(file, "sha256")
        file.seek(0, os.SEEK_END)
        file.write(TRAILER + found.digest())


def is_sealed(path: Path) -> bool:
    """True if a file is there and has the sha256 at its end."""
    try:
        check_seal(path)
    except CorruptError:
        return False
    return True


def check_seal(path: Path) -> None:
    """Compare a file with the sha256 at its end.

    Raises:
        CorruptError: it is absent, has none, or differs.
        RsweepError: this user may not read it, which says nothing against it.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its other end
            raise CorruptError(path, "it is not a file")
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END) - len(TRAILER) - DIGEST_SIZE
            file.seek(max(size, 0))
            trailer = file.read()
            if trailer != TRAILER + _digest_start(file, size):
                raise CorruptError(path, "its sha256 is not the one that it was written with")
    except PermissionError as error:
        raise RsweepError(f"cannot read {path}: {error.strerror}") from error
    except OSError as error:
        raise CorruptError(path, error.strerror or error) from error


def _digest_start(file: BinaryIO, size: int) -> bytes:
    found = hashlib.sha256()
    file.seek(0)
    while size > 0 and (block := file.read(min(size, 1 << 20))):
        found.update(block)
        size -= len(block)
    return found.digest()


def put(
    group: h5py.Group,
    name: str,
    array: NDArray[Any],
    chunks: tuple[int, ...] | None = None,
) -> h5py.Dataset:
    """Store an array compressed, which suits counts, classes and images of integers."""
    if array.size == 0 or array.ndim == 0:
        return group.create_dataset(name, data=array)
    return group.create_dataset(name, data=array, chunks=chunks or True, **COMPRESSED)


def allocate(
    group: h5py.Group, name: str, shape: tuple[int, ...], dtype: Any, compress: bool = False
) -> h5py.Dataset:
    """An empty dataset of one chunk per item; `compress` does not pay for floats."""
    if 0 in shape:
        return group.create_dataset(name, shape=shape, dtype=dtype)
    options = COMPRESSED if compress else {}
    return group.create_dataset(name, shape=shape, dtype=dtype, chunks=(1, *shape[1:]), **options)


def chunk_rows(height: int, row_bytes: int) -> int:
    """Rows of an image per chunk: about 64 KB, so that a block of rows is read without the rest."""
    return min(height, max(16, CHUNK_BYTES // row_bytes))


def put_json(group: h5py.Group, name: str, value: Any) -> None:
    """Store a JSON value as bytes (HDF5 attributes end at 64 KB)."""
    put(group, name, np.frombuffer(canonical_json(value).encode(), dtype=np.uint8))


def get_json(group: h5py.Group, name: str) -> Any:
    """Read what `put_json` stored."""
    return json.loads(group[name][()].tobytes())
