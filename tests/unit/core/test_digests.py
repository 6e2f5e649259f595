"""Digests of files: read once, and again when they change."""

import hashlib
import os

import pytest

from rsweep.core import digests
from rsweep.core.digests import known_sha256, sha256_file


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(digests, "_memory", {})
    path = tmp_path / "weights" / "w.pt"
    path.parent.mkdir()
    return path


def write(path, text: str, age_s: int) -> str:
    path.write_text(text)
    when = path.stat().st_mtime - age_s
    os.utime(path, (when, when))
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_file_is_read_once_also_by_the_next_process(file, monkeypatch):
    monkeypatch.setattr(digests, "_SETTLED_NS", 0)
    expected = write(file, "one", 100)
    assert known_sha256(file) == sha256_file(file) == expected
    monkeypatch.setattr(digests, "sha256_file", lambda path: pytest.fail(f"reads {path}"))
    assert known_sha256(file) == expected
    monkeypatch.setattr(digests, "_memory", {})
    assert known_sha256(file) == expected


def test_a_changed_file_is_read_again(file):
    first = write(file, "one", 100)
    assert known_sha256(file) == first
    second = write(file, "two", 50)
    assert known_sha256(file) == second != first


def test_a_file_that_may_still_change_is_read_each_time(file):
    write(file, "one", 0)
    known_sha256(file)
    stat = file.stat()
    file.write_text("two")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert known_sha256(file) == hashlib.sha256(b"two").hexdigest()


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_read_again(file, monkeypatch):
    monkeypatch.setattr(digests, "_SETTLED_NS", 0)
    write(file, "one", 100)
    known_sha256(file)
    stat, other = file.stat(), file.with_name("other")
    other.write_text("two")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(file)
    assert known_sha256(file) == hashlib.sha256(b"two").hexdigest()


def test_an_absent_file(file):
    with pytest.raises(OSError):
        known_sha256(file)
