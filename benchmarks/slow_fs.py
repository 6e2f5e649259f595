"""A pass-through file system that answers late, as a network file system does.

    python benchmarks/slow_fs.py FOLDER MOUNT --latency-ms 2 [--cache-s 3]

Every metadata operation (OPERATIONS) waits for the latency; reads and writes of contents do not.
Waits of up to ten requests overlap; libfuse 3.14 looks up one name at a time in a folder.
`cache_s` is how long the kernel remembers attributes and names, absent ones too: 0 asks for every
component of every path, 3 is what NFS does by default (acregmin). Two mounts of one folder are two
machines: with a cache, what one of them makes the other may see that much later. Unlinking an open
file hides it, as NFS does.

Needs Linux, the right to mount (`apt-get install fuse3`), and `pip install mfusepy`.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("FUSE_LIBRARY_NAME", "fuse3")  # which fusermount3 belongs to
try:
    import mfusepy
except (ImportError, OSError) as missing:
    sys.exit(f"{missing}; slow_fs needs `apt-get install fuse3` and `pip install mfusepy`")

OPERATIONS = (
    "getattr",
    "access",
    "readdir",
    "readlink",
    "open",
    "create",
    "mkdir",
    "unlink",
    "rmdir",
    "rename",
    "link",
    "symlink",
    "chmod",
    "truncate",
    "utimens",
)
ATTRIBUTES = (
    "st_mode",
    "st_ino",
    "st_dev",
    "st_nlink",
    "st_uid",
    "st_gid",
    "st_size",
    "st_blocks",
    "st_atime_ns",
    "st_mtime_ns",
    "st_ctime_ns",
)
START_S = 20.0


def late(operation: Callable[..., Any]) -> Callable[..., Any]:
    """An operation that is counted, and waits for the latency."""
    number = OPERATIONS.index(operation.__name__)

    @functools.wraps(operation)
    def answer(self: SlowFs, *given: Any) -> Any:
        with self.counts.get_lock():
            self.counts[number] += 1
        time.sleep(self.latency_s)
        return operation(self, *given)

    return answer


class SlowFs(mfusepy.Operations):
    """A folder under another name; paths that arrive here begin with a slash."""

    use_ns = True

    def __init__(self, folder: Path, latency_s: float, counts: Any) -> None:
        self.folder, self.latency_s, self.counts = str(folder), latency_s, counts

    @late
    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        found = os.lstat(self.folder + path) if fh is None else os.fstat(fh)
        return {name.removesuffix("_ns"): getattr(found, name) for name in ATTRIBUTES}

    @late
    def access(self, path: str, amode: int) -> int:
        if not os.access(self.folder + path, amode):
            raise PermissionError(13, "no access", path)
        return 0

    @late
    def readdir(self, path: str, fh: int) -> Iterator[tuple[str, dict[str, int], int]]:
        for name in (".", "..", *os.listdir(self.folder + path)):
            with suppress(FileNotFoundError):  # removed meanwhile
                found = os.lstat(f"{self.folder}{path}/{name}")
                yield name, {"st_mode": found.st_mode, "st_ino": found.st_ino}, 0

    @late
    def readlink(self, path: str) -> str:
        return os.readlink(self.folder + path)

    @late
    def open(self, path: str, flags: int) -> int:
        return os.open(self.folder + path, flags)

    @late
    def create(self, path: str, mode: int, fi: Any = None) -> int:
        return os.open(self.folder + path, os.O_RDWR | os.O_CREAT, mode)

    @late
    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(self.folder + path, mode)

    @late
    def unlink(self, path: str) -> None:
        os.unlink(self.folder + path)

    @late
    def rmdir(self, path: str) -> None:
        os.rmdir(self.folder + path)

    @late
    def rename(self, old: str, new: str) -> None:
        os.rename(self.folder + old, self.folder + new)

    @late
    def link(self, target: str, source: str) -> None:
        os.link(self.folder + source, self.folder + target)

    @late
    def symlink(self, target: str, source: str) -> None:
        os.symlink(source, self.folder + target)

    @late
    def chmod(self, path: str, mode: int) -> None:
        os.chmod(self.folder + path, mode)

    @late
    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        os.truncate(self.folder + path if fh is None else fh, length)

    @late
    def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
        os.utime(self.folder + path, ns=times, follow_symlinks=False)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return os.pwrite(fh, data, offset)

    def fsync(self, path: str, datasync: int, fh: int) -> None:
        os.fsync(fh)

    def release(self, path: str, fh: int) -> None:
        os.close(fh)

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self.folder + path)
        return {n: getattr(found, n) for n in dir(found) if n.startswith("f_") and n != "f_fsid"}


@dataclass(frozen=True)
class Mount:
    """A mounted folder.

    Attributes:
        path: where it is mounted.
        counts: operations so far, in the order of OPERATIONS; shared with the server's process.
    """

    path: Path
    counts: Any

    def operations(self) -> dict[str, int]:
        """How many of each metadata operation there have been."""
        return dict(zip(OPERATIONS, self.counts[:], strict=True))

    def total(self) -> int:
        """How many metadata operations there have been."""
        return sum(self.counts[:])


def serve(folder: Path, mount: Mount, latency_ms: float, cache_s: float) -> None:
    """Answer requests until the mount is gone."""
    mfusepy.FUSE(
        SlowFs(folder.resolve(), latency_ms / 1000, mount.counts),
        str(mount.path),
        foreground=True,
        use_ino=True,
        fsname="slow_fs",
        entry_timeout=cache_s,
        attr_timeout=cache_s,
        negative_timeout=cache_s,
    )


@contextmanager
def mounted(folder: Path, latency_ms: float, cache_s: float = 0) -> Iterator[Mount]:
    """Mount a folder at a new place for the block."""
    place = Path(tempfile.mkdtemp(prefix="slow-"))
    mount = Mount(place, multiprocessing.Array("q", len(OPERATIONS)))
    given = (folder, mount, latency_ms, cache_s)
    server = multiprocessing.Process(target=serve, args=given, daemon=True)
    server.start()
    try:
        deadline = time.monotonic() + START_S
        while not place.is_mount():
            if not server.is_alive() or time.monotonic() > deadline:
                raise SystemExit(f"{place} cannot be mounted")
            time.sleep(0.05)
        yield mount
    finally:
        subprocess.run(["fusermount3", "-u", str(place)], check=False)
        server.join()
        place.rmdir()  # which refuses, should the folder still be mounted there


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("mount", type=Path)
    parser.add_argument("--latency-ms", type=float, default=2.0)
    parser.add_argument("--cache-s", type=float, default=0.0)
    given = parser.parse_args()
    mount = Mount(given.mount, multiprocessing.Array("q", len(OPERATIONS)))
    serve(given.folder, mount, given.latency_ms, given.cache_s)
    print(*(f"{name} {count}" for name, count in mount.operations().items() if count), sep=", ")


if __name__ == "__main__":
    main()
