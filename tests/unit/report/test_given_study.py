"""A study that judges embeddings of others beside its own profiles, and one that has no others."""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
from reportstudy import run_stages, write_rois

from rsweep.cli import main
from rsweep.core.errors import RsweepError
from rsweep.evaluate.tasks import design_study, evaluate_batch, judge_study
from rsweep.evaluate.verdict import read_verdict
from rsweep.library.results import open_results
from rsweep.plan.study import make_study
from rsweep.plan.workflow import batches
from rsweep.report.figures import write_figures
from rsweep.report.page import write_page
from rsweep.results.complete import write_complete
from rsweep.results.given import write_given
from rsweep.results.lock import write_lock
from rsweep.results.profile import write_embeddings, write_meta
from rsweep.results.table import write_sweep

OWN = {
    "base": {"model": "rcf", "image_size": 16, "features": 8, "patch_size": 8},
    "profiles": {"own": {}, "other": {"pooling": "max"}},
}


def finish(study):
    """Everything after the stages, as the rules do it."""
    for profile in study.profiles:
        folder = study.folder_of(profile.name)
        folder.mkdir(parents=True, exist_ok=True)
        write_embeddings(study, profile, folder / "embeddings.parquet")
        write_meta(study, profile, folder / "meta.json")
    for given in study.given:
        folder = study.folder_of(given.name)
        write_given(study, given, folder / "embeddings.parquet", folder / "meta.json")
    folder = study.folder
    design_study(study, folder / "evaluation/design.json")
    names = [name for batch in batches(study).values() for name in batch]
    evaluate_batch(study, names, folder / "evaluation/design.json", folder / "evaluation/b.json")
    judge_study(
        study, folder / "evaluation/design.json", folder / "verdict.json", folder / "pairs.parquet"
    )
    write_sweep(study, folder / "sweep.csv")
    write_lock(study, study.lock)
    write_figures(study, folder / "figures")
    write_page(study, folder / "figures", study.lock, folder / "report.html")
    return study


def make(root, given, **sections):
    config = {
        "study": "tiny",
        "rois": str(root / "rois.csv"),
        "results": str(root / "results"),
        "temporal": {"start": "2022-06-01", "end": "2022-07-01"},
        "max_failed": 0.5,
        "given": given,
        "evaluate": {"label": "crop", "cv": "random", "folds": 3, "k": 1},
        **sections,
    }
    (root / "study.yaml").write_text(json.dumps(config))
    return make_study(config, "tiny.yaml")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two profiles of rcf; the vectors of one as if others had made them, whole and in part."""
    root = tmp_path_factory.mktemp("given")
    write_rois(root / "rois.csv")
    own = make(root, [], **OWN)
    run_stages(own)
    write_embeddings(own, own.profiles[0], root / "own.parquet")
    table = pq.read_table(root / "own.parquet")
    place, vectors = table["id"].to_pylist(), table["embedding"].to_pylist()
    pq.write_table(pa.table({"place": place, "v": vectors}), root / "same.parquet")
    pq.write_table(pa.table({"id": place[1:], "v": vectors[1:]}), root / "part.parquet")
    return finish(
        make(
            root,
            [
                {"name": "same", "path": str(root / "same.parquet"), "id_column": "place"},
                {"name": "part", "path": str(root / "part.parquet")},
            ],
            **OWN,
        )
    )


def rows_of(study):
    with (study.folder / "sweep.csv").open(newline="") as file:
        return {row["profile"]: row for row in csv.DictReader(file)}


def test_the_same_vectors_have_the_same_standing_whoever_made_them(study):
    found = {s.profile: s for s in read_verdict(study.folder / "verdict.json").standings}
    own, same = found["own"], found["same"]
    assert same.given
    assert not own.given
    assert (same.quality, same.behind, same.probes) == (own.quality, own.behind, own.probes)
    assert same.cost.seconds is None
    assert "NaN" not in (study.folder / "verdict.json").read_text()


def test_places_that_a_set_lacks_are_failures_with_a_reason(study):
    rows = rows_of(study)
    assert rows["part"]["status"] == "given"
    assert (rows["part"]["rois"], rows["part"]["rois_failed"]) == ("7", "2")
    assert "2 ROIs" in rows["part"]["reason"]
    assert "part.parquet has no whole vector of it" in rows["part"]["reason"]
    assert rows["same"]["rois_failed"] == "1"  # the pole, which has no vector anywhere
    table = pq.read_table(study.folder / "given/part/embeddings.parquet")
    assert table["id"].to_pylist() == [roi.id for roi in study.rois]
    assert np.isnan(table["embedding"][0].as_py()).all()
    assert table["crop"].to_pylist()[:2] == ["a", "b"]
    page = (study.folder / "report.html").read_text()
    assert "part.parquet has no whole vector of it" in page
    assert "same (given)" in page
    write_complete(study.folder / "sweep.csv", 0.5, study.folder / "complete.json")
    with pytest.raises(RsweepError, match="part: 2 of 7 ROIs have no embedding"):
        write_complete(study.folder / "sweep.csv", 0.2, study.folder / "complete.json")


def test_results_open_like_those_of_profiles(study):
    found = open_results(study.folder)
    assert set(found.profiles) == {"own", "other", "same", "part"}
    assert np.array_equal(found.vectors("same"), found.vectors("own"), equal_nan=True)


def test_verify_reads_the_file_again(study, capsys, tmp_path):
    given = ["verify", str(study.folder), "--study", str(study.folder.parents[1] / "study.yaml")]
    assert main(given) == 0
    assert "given       2 identical" in capsys.readouterr().out
    path = study.folder.parents[1] / "part.parquet"
    kept = path.read_bytes()
    try:
        pq.write_table(pq.read_table(path).slice(1), path)
        assert main(given) == 1
        assert "different: given part: sha256:" in capsys.readouterr().out
        path.unlink()
        assert main(given) == 0  # as in a crate, which holds the vectors and not their source
        told = capsys.readouterr().out
        assert "1 not kept, 1 identical" in told
        assert "part.parquet is not at hand" in told
    finally:
        path.write_bytes(kept)
    table = study.folder / "given/same/embeddings.parquet"
    kept = table.read_bytes()
    try:
        pq.write_table(pq.read_table(study.folder / "given/part/embeddings.parquet"), table)
        assert main(given) == 1
        assert "embeddings same: ids or vectors are others" in capsys.readouterr().out
    finally:
        table.write_bytes(kept)


def test_compare_judges_a_file_beside_profiles_and_given_sets(study, tmp_path, capsys):
    own = pq.read_table(study.folder / "profiles/own/embeddings.parquet")
    pq.write_table(
        pa.table({"id": own["id"], "v": own["embedding"].to_pylist()}), tmp_path / "again.parquet"
    )
    given = ["compare", str(study.folder), f"again={tmp_path / 'again.parquet'}", "--json"]
    assert main(given) == 0
    told = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert set(told) == {"own", "other", "same", "part", "again"}
    assert told["again"]["quality"] == told["same"]["quality"]


def test_a_study_of_given_sets_alone_shows_what_pooling_bought(tmp_path, capsys, monkeypatch):
    write_rois(tmp_path / "rois.csv")
    labels = {row["id"]: row["crop"] for row in csv.DictReader((tmp_path / "rois.csv").open())}
    (tmp_path / "maps").mkdir()
    rng = np.random.default_rng(0)
    for name, crop in labels.items():
        # Classes differ in how much pixels vary, which their mean does not show.
        values = rng.normal(0, 3 if crop == "a" else 1, (4, 40, 40)).astype(np.float32)
        if "<" not in name:
            path, shape = tmp_path / f"maps/{name}.tif", {"count": 4, "height": 40, "width": 40}
            with rasterio.open(path, "w", driver="GTiff", dtype="float32", **shape) as file:
                file.write(values - values.mean(axis=(1, 2), keepdims=True))
    maps, poolings = str(tmp_path / "maps/{id}.tif"), ["mean", "mean_std"]
    given = [{"name": "maps", "path": maps, "pooling": poolings}]
    study = finish(make(tmp_path, given))
    assert not study.profiles
    verdict = read_verdict(study.folder / "verdict.json")
    assert verdict.best == "maps_mean_std"
    (effect,) = verdict.effects
    assert (effect.knob, effect.low, effect.high) == ("pooling", "mean", "mean_std")
    assert effect.bought.value > 0
    assert effect.cost_ratio is None
    page = (study.folder / "report.html").read_text()
    assert "0 profiles and 2 given sets of embeddings over 7 ROIs" in page
    rows = rows_of(study)
    assert [rows[f"maps_{name}"]["pooling"] for name in ("mean", "mean_std")] == [
        "mean",
        "mean_std",
    ]
    monkeypatch.chdir(tmp_path)
    verified = ["verify", "results/tiny", "--study", "study.yaml"]
    assert main(verified) == 0
    assert main(["export", "results/tiny", "--crate", "out", "--study", "study.yaml"]) == 0
    assert "- maps: not known to rsweep" in (tmp_path / "out/LICENCES.md").read_text()
    monkeypatch.chdir(tmp_path / "out")
    capsys.readouterr()
    assert main(verified) == 0  # of the vectors, whose source the crate does not hold
    told = capsys.readouterr().out
    assert "embeddings  2 identical" in told
    assert "given       2 not kept" in told
    table = tmp_path / "out/results/tiny/given/maps_mean/embeddings.parquet"
    table.write_bytes((table.parents[1] / "maps_mean_std/embeddings.parquet").read_bytes())
    assert main(verified) == 1
