"""The store: all or nothing, sealed, and clear about what it may not write."""

import errno
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsweep.core import files as module
from rsweep.core.errors import CorruptError, RsweepError
from rsweep.core.files import check_seal, get_json, put, put_json
from rsweep.core.nodes import Node
from rsweep.core.store import Store

NODE = Node("prep", 1, {"size": 64.0, "bands": ("B4",)})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def fill(store: Store, shard: str = "s", node: Node = NODE) -> Path:
    with store.write(node, shard) as file:
        put(file, "pixels", np.arange(5000, dtype=np.uint16).reshape(50, 100))
        put_json(file, "rois", [{"id": "ä", "share": 0.1}])
        put(file, "none", np.zeros((0, 3), np.float32))
    return store.path(node, shard)


def files(store: Store) -> set[str]:
    return {p.name for p in store.root.rglob("*") if p.is_file()}


def test_what_is_written_is_read(store):
    fill(store)
    with store.read(NODE, "s") as file:
        assert file["pixels"][3, 4] == 304
        assert get_json(file, "rois") == [{"id": "ä", "share": 0.1}]
    assert json.loads((store.folder(NODE) / "settings.json").read_text()) == {
        "stage": "prep",
        "version": 1,
        "inputs": {},
        "settings": {"size": 64, "bands": ["B4"]},
    }


def test_the_same_content_is_the_same_bytes_at_any_time(store, tmp_path):
    first = fill(store).read_bytes()
    time.sleep(1.1)  # a time stamp in the file would differ
    assert fill(Store(tmp_path / "other")).read_bytes() == first


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), OSError("no number")])
def test_a_block_that_fails_leaves_nothing(store, error):
    def write():
        with store.write(NODE, "s") as file:
            put(file, "half", np.ones(10))
            raise error

    with pytest.raises(type(error)):
        write()
    assert files(store) == {"settings.json"}


def test_nothing_is_there_before_the_end_and_what_was_there_is_kept_until_then(store):
    old = fill(store).read_bytes()
    with store.write(NODE, "s") as file:
        put(file, "other", np.ones(10))
        assert store.path(NODE, "s").read_bytes() == old
    assert store.path(NODE, "s").read_bytes() != old


def test_a_failure_keeps_what_was_there(store):
    old = fill(store).read_bytes()
    with pytest.raises(ValueError), store.write(NODE, "s"):
        raise ValueError
    assert store.path(NODE, "s").read_bytes() == old


def test_a_killed_writer_leaves_no_file_under_the_name(store):
    code = (
        "import os, sys; from rsweep.core.store import Store; from rsweep.core.nodes import Node\n"
        "with Store(sys.argv[1]).write(Node('prep', 1, {}), 's') as file: os._exit(9)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(store.root)], check=False)
    assert run.returncode == 9
    assert not store.path(Node("prep", 1, {}), "s").exists()


class TestSeal:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def test_any_flipped_byte_is_found(self, store, data):
        path = fill(store)
        whole = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(whole)
        assert not store.is_sound(NODE, "s")
        with pytest.raises(CorruptError, match="is damaged"), store.read(NODE, "s"):
            pass

    def test_any_truncation_or_addition_is_found(self, store):
        path = fill(store)
        whole = path.read_bytes()
        cuts = [0, 1, 32, 46, 47, len(whole) - 47, len(whole) - 46, len(whole) - 1]
        for length in [*cuts, *random.Random(0).sample(range(len(whole)), 40)]:
            path.write_bytes(whole[:length])
            with pytest.raises(CorruptError):
                check_seal(path)
        path.write_bytes(whole + b"\0")
        with pytest.raises(CorruptError):
            check_seal(path)

    def test_an_absent_file_is_as_a_damaged_one(self, store):
        with pytest.raises(CorruptError, match="No such file"), store.read(NODE, "s"):
            pass

    def test_a_damaged_file_is_never_opened_by_hdf5(self, store, monkeypatch):
        path = fill(store)
        path.write_bytes(path.read_bytes()[:-1])
        monkeypatch.setattr(h5py, "File", lambda *_, **__: pytest.fail("opened"))
        with pytest.raises(CorruptError), store.read(NODE, "s"):
            pass

    def test_another_nodes_file_is_refused(self, store):
        other = Node("prep", 1, {"size": 32})
        path = fill(store, node=other)
        fill(store)
        store.path(NODE, "s").write_bytes(path.read_bytes())
        with pytest.raises(CorruptError, match="another node's"), store.read(NODE, "s"):
            pass

    def test_a_file_that_may_not_be_read_is_not_taken_for_damaged(self, store, monkeypatch):
        fill(store)

        def refuse(*_, **__):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(RsweepError, match=r"cannot read .*s\.h5: Permission denied") as error:
            store.is_sound(NODE, "s")
        assert not isinstance(error.value, CorruptError)


class TestSettings:
    def test_a_collision_of_keys_is_refused(self, store):
        fill(store)
        path = store.folder(NODE) / "settings.json"
        path.write_text(path.read_text().replace("64", "32"))
        with pytest.raises(RsweepError, match="holds other settings than key"):
            fill(store, "t")
        assert not store.path(NODE, "t").exists()

    def test_settings_cut_off_by_a_crash_are_written_again(self, store):
        fill(store)
        path = store.folder(NODE) / "settings.json"
        whole = path.read_text()
        path.write_text(whole[:10])
        fill(store, "t")
        assert path.read_text() == whole

    def test_records_lie_apart_from_the_data(self, store):
        path = fill(store)
        before = path.read_bytes()
        store.write_record(NODE, "s", {"seconds": 1.5})
        assert store.read_record(NODE, "s") == {"seconds": 1.5}
        assert (path.read_bytes(), store.read_record(NODE, "t")) == (before, {})
        (store.folder(NODE) / "s.run.json").write_text("[")
        assert store.read_record(NODE, "s") == {}


class TestRefusals:
    def test_a_full_disk_is_said_and_leaves_nothing(self, tmp_path):
        """In a process of its own, whose files may not grow: the kernel's own refusal."""
        code = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_store import *
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
store = Store(sys.argv[1])
try:
    with store.write(NODE, "s") as file:
        for i in range(9):
            put(file, str(i), np.random.default_rng(i).integers(0, 255, 9000).astype("u1"))
except RsweepError as error:
    print(error)
print(sorted(files(store)))
"""
        run = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
        text, left = run.stdout.splitlines()
        assert f"cannot write {Store(tmp_path).path(NODE, 's')}: File too large" in text
        assert "run again" in text
        assert left == "['settings.json']"

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
    def test_a_refused_write_names_the_file_and_the_reason(self, store, monkeypatch, code):
        def refuse(*_):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(module, "seal", refuse)
        with pytest.raises(RsweepError, match=f"cannot write .*s.h5: {os.strerror(code)}"):
            fill(store)
        assert files(store) == {"settings.json"}

    def test_a_read_only_store(self, store, monkeypatch):
        def refuse(path, *_, **__):
            raise PermissionError(errno.EACCES, "Permission denied", str(store.root))

        monkeypatch.setattr(Path, "mkdir", refuse)
        for write in (lambda: fill(store), lambda: store.write_record(NODE, "s", {})):
            with pytest.raises(RsweepError, match=r"cannot write .*: Permission denied"):
                write()

    def test_a_file_elsewhere_that_cannot_be_read_is_not_blamed_on_the_store(self, store):
        error = PermissionError(errno.EACCES, "Permission denied", "/data/scene.tif")
        with pytest.raises(PermissionError), store.write(NODE, "s"):
            raise error
