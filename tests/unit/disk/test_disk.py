"""What a store holds, who needs it, and what goes."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from rsweep.cli import main
from rsweep.core.files import put
from rsweep.core.store import Store
from rsweep.disk.sizes import parse_size, size_text
from rsweep.plan.study import load_study

STAGES = ("fetch", "composite", "prep", "infer", "stitch")


def write_study(folder: Path, name: str, image_size: int) -> Path:
    (folder / "rois.csv").write_text("id,lon,lat,buffer_m\na,8.7,50.5,90\n")
    config = {
        "study": name,
        "rois": "rois.csv",
        "base": {
            "model": "rcf",
            "temporal": {"year": 2022},
            "image_size": image_size,
            "context_m": 60,
        },
    }
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(config))
    return path


def fill(path: Path) -> None:
    """Write a study's files of stages, two days old, as if they had run for a second each."""
    study = load_study(path)
    store = Store(study.store)
    for node in study.nodes().values():
        for shard in study.shards:
            with store.write(node, shard.name) as file:
                put(file, "x", np.arange(1000))
            store.write_record(node, shard.name, {"seconds": 1.0})
            old = time.time() - 2 * 86400
            os.utime(store.path(node, shard.name), (old, old))


def write_lock(path: Path) -> None:
    study = load_study(path)
    study.folder.mkdir(parents=True, exist_ok=True)
    lock = {"lock": 2, "study": study.name, "profiles": {p.name: p.keys() for p in study.profiles}}
    (study.folder / "study.lock.json").write_text(json.dumps(lock))


@pytest.fixture
def two(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """Two studies that share fetch and composite."""
    monkeypatch.chdir(tmp_path)
    studies = write_study(tmp_path, "one", 32), write_study(tmp_path, "two", 64)
    for path in studies:
        fill(path)
    return studies


def kept() -> list[str]:
    return sorted(path.parts[2] for path in Path("results/store").glob("*/*/*.h5"))


def test_nothing_is_removed_unless_asked(two, capsys):
    before = kept()
    assert main(["gc", "results/store"]) == 0
    assert "8 files" in capsys.readouterr().out
    assert kept() == before


def test_what_a_study_needs_stays(two):
    assert main(["gc", "results/store", "--keep", str(two[0]), "--delete"]) == 0
    assert kept() == sorted(STAGES)
    assert main(["gc", "results/store", "--delete"]) == 0
    assert kept() == []
    assert list(Path("results/store").glob("*/*")) == []


def test_locks_beside_the_store_and_pinned_ones_keep_their_files(two):
    write_lock(two[0])
    pins = Path("results/store/pins")
    pins.mkdir()
    assert main(["gc", "results/store", "--delete"]) == 0
    assert kept() == sorted(STAGES)
    Path("results/one/study.lock.json").rename(pins / "paper.json")
    assert main(["gc", "results/store", "--delete"]) == 0
    assert kept() == sorted(STAGES)


def test_what_a_plan_beside_the_store_needs_stays(two):
    study = load_study(two[0])
    for part, names in (("nodes", study.nodes()), ("shards", [s.name for s in study.shards])):
        folder = Path("results/one/plan/d") / part
        folder.mkdir(parents=True)
        for name in names:
            (folder / f"{name}.json").write_text("{}")
    assert main(["gc", "results/store", "--delete"]) == 0
    assert kept() == sorted(STAGES)


def test_what_is_young_or_small_stays(two):
    assert main(["gc", "results/store", "--older", "3", "--delete"]) == 0
    assert main(["gc", "results/store", "--larger", "1GB", "--delete"]) == 0
    assert len(kept()) == 8


def test_room_is_made_by_what_costs_least_and_never_by_what_a_lock_names(two, capsys):
    write_lock(two[0])
    keep = ["--keep", str(two[1])]
    assert main(["gc", "results/store", *keep, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["gc", "results/store", *keep, "--free", "1KB", "--delete", "--json"]) == 0
    gone = json.loads(capsys.readouterr().out)
    assert len(gone) == 1
    assert not Path(gone[0]).exists()
    assert main(["gc", "results/store", *keep, "--free", "1GB", "--delete"]) == 1
    assert "bytes may go" in capsys.readouterr().err
    assert len(kept()) == 7


def test_du_says_what_is_shared_and_what_is_own(two, capsys):
    write_lock(two[0])
    assert main(["du", "results/store", str(two[1]), "--json"]) == 0
    rows = {(row["kind"], row["name"]): row for row in json.loads(capsys.readouterr().out)}
    assert rows["study", "one"]["files"] == rows["study", "two"]["files"] == 5
    sizes = [rows["stage", stage]["bytes"] for stage in ("fetch", "composite")]
    assert rows["study", "one"]["shared"] == sum(sizes)
    assert rows["study", "(nobody's)"]["files"] == 0
    assert rows["profile", "one: base"]["shared"] == 0
    assert main(["du", "results/store"]) == 0
    assert "by stage" in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_an_error(tmp_path, capsys):
    for command in ("gc", "du"):
        assert main([command, str(tmp_path / "nothing")]) == 1
        assert "no such folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"), [("200GB", 2e11), ("1.5 GiB", 1.5 * 2**30), ("7", 7), ("3k", 3000)]
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "1.2.3GB", "5 parsecs"])
def test_what_is_no_size_is_an_error(text):
    with pytest.raises(ValueError, match="expected a size such as 200GB"):
        parse_size(text)


def test_sizes_are_written_in_the_unit_that_fits():
    assert [size_text(s) for s in (7, 1500, 2e9)] == ["7 B", "1.5 KB", "2.0 GB"]
