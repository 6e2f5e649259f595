"""The recipe of patch sizes, on a generated table in the layout of the published one."""

import csv
from datetime import UTC, datetime

import numpy as np
import pyarrow.parquet as pq
import pytest
from recipebench import copy_recipe, prepare, read_study, run
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier


def milliseconds(year, month, day):
    return int(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = copy_recipe("patch_size", tmp_path)
    (found / "data").mkdir()
    rows = [
        {
            "x": 8.5 + 0.03 * i,
            "y": 50.4 + 0.02 * (i % 4),
            "label": i % 2,
            "label_name": ("crop", "other")[i % 2],
            "split": "test" if i % 3 == 0 else "train",
            "support_time_start_ms": milliseconds(2020, 1, 1),
            "support_time_end_ms": milliseconds(2021, 1, 1) - (i % 2),
        }
        for i in range(12)
    ]
    with (found / "data/africa_crop_mask.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    prepare(found)
    return found


def test_rows_become_pixels_with_their_windows(folder):
    with (folder / "data/rois.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows[:2]] == ["sample_1", "sample_2"]
    # An end at midnight and one a millisecond before are the same last day.
    assert {(row["start"], row["end"]) for row in rows} == {("2020-01-01", "2021-01-01")}
    assert {row["buffer_m"] for row in rows} == {"5"}
    assert [row["crop"] for row in rows[:2]] == ["crop", "other"]


def test_every_pair_of_sizes_is_asked_for_that_can_be(folder):
    study = read_study(folder, "study.yaml")
    sizes = {(p.settings["patch_size"], p.settings["image_size"]) for p in study.profiles}
    assert sizes == {(p, s) for p in (1, 2, 4, 8) for s in (4, 8, 16, 32, 64) if s % p == 0}
    assert len(study.skipped) == 1
    assert len({node.key for node in study.nodes().values() if node.stage == "composite"}) == 1
    for profile in study.profiles:
        assert profile.settings["variant"] == "v1_base"
        assert profile.settings["frames"] == "auto"
        assert profile.settings["frame_policy"] == "30d"


def test_it_runs_and_neighbours_are_those_of_scikit_learn(folder):
    small = {"provider": "synthetic", "variant": "v1_nano", "weights": "random", "frames": 2}
    sweep = [{"patch_size": [2, 4], "image_size": [8]}]
    study = read_study(folder, "study.yaml", base=small, sweep=sweep)
    design_rows = {row["id"]: row for row in csv.DictReader((folder / "data/rois.csv").open())}
    assert run(study) == []  # there is nothing published
    with (study.folder / "sweep.csv").open(newline="") as file:
        told = {row["profile"]: row for row in csv.DictReader(file)}
    assert len(told) == 2
    for profile in study.profiles:
        table = pq.read_table(study.folder_of(profile.name) / "embeddings.parquet")
        vectors = np.array(table["embedding"].to_pylist(), np.float32)
        rows = [design_rows[name] for name in table["id"].to_pylist()]
        labels = np.array([row["crop"] for row in rows])
        test = np.array([row["split"] == "test" for row in rows])
        model = KNeighborsClassifier(3, algorithm="brute").fit(vectors[~test], labels[~test])
        expected = balanced_accuracy_score(labels[test], model.predict(vectors[test]))
        found = float(told[profile.name]["knn_balanced_accuracy"])
        assert found == pytest.approx(expected)
