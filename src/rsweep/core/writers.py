"""Who writes a file: one process at a time, under a name of its own until it is whole.

A temporary file or folder is called after its host and process, so that what a process left when it
was killed is known as such. A file's lock says whose turn it is; where a file system has no locks,
or each host has its own, two processes make the same file twice, each under its own name, and
nothing is lost.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

INITIAL_PIDS = "pid:[4026531836]"
"""Namespace of process ids of a machine itself, as Linux numbers it; a container has another."""


def _host() -> str:
    """Name of what process ids are of, with a digest that tells two of one name apart.

    That is a machine, whatever it is called, over all times that it was started; or a container,
    whose ids mean nothing outside of it, for as long as it runs.
    """
    name = re.sub(r"[^A-Za-z0-9]+", "", platform.node()) or "host"
    parts = [_text("/etc/machine-id")]
    with suppress(OSError):
        pids = os.readlink("/proc/self/ns/pid")
        if pids != INITIAL_PIDS:
            parts += [pids, _text("/proc/sys/kernel/random/boot_id")]
    return f"{name}_{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:8]}"


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


HOST = _host()
OWNED = re.compile(r"\.(?P<name>.+)\.(?P<host>[A-Za-z0-9_]+)-(?P<pid>\d+)-[0-9a-f]{8}\.(tmp|parts)")
"""Names that `own_name` makes."""
LOCK = re.compile(r"\..+\.h5\.lock")
"""Names of the locks of a store's files."""
SILENT_S = 6 * 3600.0
"""A process of another host that has written nothing for so long is taken to be gone."""
PATIENCE_S = 3600.0
"""How long to wait for another writer; one that holds its file longer has stopped, not ended."""
POLL_S = 0.2

log = logging.getLogger("rsweep")


def own_name(name: str, kind: Literal["tmp", "parts"]) -> str:
    """A hidden name for what this process is making of `name`, unlike that of any other process."""
    return f".{name}.{HOST}-{os.getpid()}-{secrets.token_hex(4)}.{kind}"


def made_by_others(folder: Path, name: str, kind: Literal["tmp", "parts"]) -> list[Path]:
    """What any process has called `own_name(name, kind)` in a folder."""
    found = [(path, OWNED.fullmatch(path.name)) for path in folder.iterdir()]
    return [
        path
        for path, match in found
        if match and match["name"] == name and path.name.endswith(f".{kind}")
    ]


def is_own(path: Path) -> bool:
    """True of a file or folder that this process has named by `own_name`."""
    match = OWNED.fullmatch(path.name)
    return bool(match and match["host"] == HOST and int(match["pid"]) == os.getpid())


def is_abandoned(path: Path) -> bool:
    """True of a file or folder named by `own_name` whose process is gone."""
    match = OWNED.fullmatch(path.name)
    if not match:
        return False
    if match["host"] == HOST:
        return not _is_alive(int(match["pid"]))
    try:
        return time.time() - path.lstat().st_mtime > SILENT_S
    except FileNotFoundError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:  # another user's process, or a system without /proc
        return True
    return state != "Z"  # which has ended, and only its parent has not noticed


def remove(path: Path) -> None:
    """Remove whatever is there: a file, a link, a pipe, a folder, or nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def turn(final: Path, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold a file's lock while making it; waits while another process does.

    The kernel lets go of a lock however its process ends. Where locks do not work, or a process
    that has one does not come back, the block runs without.
    """
    lock = final.with_name(f".{final.name}.lock")
    held = _wait_for(lock, final, patience_s)
    try:
        yield
    finally:
        if held is not None:
            with suppress(OSError):
                lock.unlink()
            os.close(held)


def _wait_for(lock: Path, final: Path, patience_s: float) -> int | None:
    deadline, said = time.monotonic() + patience_s, False
    while True:
        held = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(lock, held):
                return held
            os.close(held)
            continue  # whoever had it has removed it meanwhile
        except BlockingIOError:
            os.close(held)
        except OSError as error:
            os.close(held)
            lock.unlink(missing_ok=True)
            log.info("no lock for %s: %s", final, error.strerror)
            return None
        if not said:
            log.info("another process makes %s; waiting for it", final)
            said = True
        if time.monotonic() > deadline:
            log.warning("another process has not ended making %s; making it here too", final)
            return None
        time.sleep(POLL_S)


def remove_free(lock: Path) -> bool:
    """Remove a lock that a killed process has left; False if somebody holds it."""
    with lock.open("rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        if _is_still(lock, file.fileno()):
            lock.unlink()
    return True


def _is_still(lock: Path, held: int) -> bool:
    """True if an open file is the one under its name."""
    try:
        return os.path.samestat(lock.stat(), os.fstat(held))
    except FileNotFoundError:
        return False
