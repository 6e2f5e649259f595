"""Embeddings of others are judged exactly as a study's own."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr

from rsweep.cli import main
from rsweep.core.errors import RsweepError
from rsweep.evaluate.design import read_design
from rsweep.evaluate.given import compare_given
from rsweep.results.given_tables import read_vectors


@pytest.fixture
def design(study):
    return read_design(study.folder / "evaluation/design.json")


def vectors_of(study, name):
    table = pq.read_table(study.folder / "profiles" / name / "embeddings.parquet")
    return table["id"].to_pylist(), np.array(table["embedding"].to_pylist(), np.float32)


def write_all(ids, vectors, folder):
    """The same embeddings in every format, in another order and with a place more."""
    order = np.random.default_rng(0).permutation(len(ids) + 1)
    ids = np.array([*ids, "elsewhere"])[order]
    vectors = np.concatenate([vectors, np.ones((1, vectors.shape[1]), np.float32)])[order]
    np.savez(folder / "a.npz", id=ids, embedding=vectors)
    pq.write_table(
        pa.table({"id": ids, "v": list(vectors), "n": [1] * len(ids)}), folder / "b.parquet"
    )
    columns = {f"A{i:02d}": vectors[:, i] for i in reversed(range(vectors.shape[1]))}
    pq.write_table(pa.table({"id": ids, "lon": vectors[:, 0], **columns}), folder / "c.parquet")
    group = zarr.open_group(folder / "d.zarr", mode="w")
    group["id"], group["embedding"] = ids, vectors
    return {path.stem: path for path in sorted(folder.iterdir())}


def test_a_profiles_own_vectors_in_any_format_are_that_profile(study, design, tmp_path):
    name = study.profiles[0].name
    ids, vectors = vectors_of(study, name)
    files = write_all(ids, vectors, tmp_path)
    for path in files.values():
        assert np.array_equal(read_vectors(path, design.ids), vectors, equal_nan=True), path
    found = {g.name: g for g in compare_given(study.folder, study.evaluate, files)}
    assert set(found) == {*"abcd", *(p.name for p in study.profiles)}
    for given in "abcd":
        assert not found[given].own
        assert (found[given].quality, found[given].behind) == (
            found[name].quality,
            found[name].behind,
        )


def test_vectors_that_tell_the_label_are_best_and_missing_ones_are_counted(
    study, design, tmp_path, capsys
):
    labels = np.array([1.0 if label == "a" else 0.0 for label in design.labels])
    np.savez(tmp_path / "o.npz", id=np.array(design.ids), embedding=np.stack([labels, labels], 1))
    few = np.array(design.ids[1:])
    np.savez(tmp_path / "f.npz", id=few, embedding=np.stack([labels[1:], labels[1:]], 1))
    files = [f"told={tmp_path / 'o.npz'}", f"few={tmp_path / 'f.npz'}"]
    assert main(["compare", str(study.folder), *files, "--json"]) == 0
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert found["told"]["quality"]["value"] == 1.0
    assert found["told"]["lost"] == 0
    assert found["few"]["lost"] == 1
    assert main(["compare", str(study.folder), *files]) == 0
    assert "few (given, 1 labelled ROIs without a vector)" in capsys.readouterr().out


def test_files_that_do_not_fit_are_refused_by_name(study, design, tmp_path):
    np.savez(tmp_path / "twice.npz", id=["r1", "r1"], embedding=np.ones((2, 3)))
    np.savez(tmp_path / "others.npz", id=["x", "y"], embedding=np.ones((2, 3)))
    np.savez(tmp_path / "shape.npz", id=["r1"], embedding=np.ones((2, 3)))
    np.savez(tmp_path / "names.npz", ids=["r1"], embedding=np.ones((1, 3)))
    pq.write_table(pa.table({"id": ["r1"], "lon": [1.0]}), tmp_path / "none.parquet")
    wanted = {
        "twice.npz": "has id 'r1' twice",
        "others.npz": "no ROI of the study",
        "shape.npz": r"expected \[N\] and \[N, D\]",
        "names.npz": "arrays id and embedding",
        "none.parquet": "expected one column of lists",
        "gone.npz": "is not there",
    }
    for name, reason in wanted.items():
        with pytest.raises(RsweepError, match=reason):
            read_vectors(tmp_path / name, design.ids)
    profile = study.profiles[0].name
    with pytest.raises(RsweepError, match="is a profile of the study"):
        compare_given(study.folder, study.evaluate, {profile: tmp_path / "others.npz"})
