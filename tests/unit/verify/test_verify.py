"""What verify says of results that are as their lock says, and of each thing that is not."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from labelraster import write_labels
from tinystudy import run_study, write_study

from rsweep.cli import main
from rsweep.commands.verify import share
from rsweep.core.files import content_sha256, seal
from rsweep.results.lock import read_whole
from rsweep.verify.rebuilt import worst_difference
from rsweep.verify.study import verify

RESULTS = Path("results/tiny")
LOCK = RESULTS / "study.lock.json"


def failed(**given) -> list[tuple[str, str, str]]:
    return [(r.kind, r.status, r.detail) for r in verify(RESULTS, **given) if r.failed]


def artefact(stage: str) -> Path:
    return sorted(Path("results/store").glob(f"{stage}/*/*.h5"))[0]


def test_what_ran_is_verified_in_another_folder(ran, capsys):
    assert failed() == []
    assert main(["verify", str(RESULTS)]) == 0
    told = capsys.readouterr().out
    assert "verified: nothing differs" in told
    assert re.search(r"embeddings +2 identical", told)
    assert main(["verify", str(RESULTS), "--json"]) == 0
    assert {row["status"] for row in json.loads(capsys.readouterr().out)} == {"identical"}


def test_a_part_made_again_from_scratch_is_identical(ran):
    rows = [r for r in verify(RESULTS, share=0.01) if r.kind == "rebuilt"]
    assert [r.name.partition("/")[0] for r in rows] == [
        "fetch",
        "composite",
        "prep",
        "infer",
        "stitch",
    ]
    assert {r.status for r in rows} == {"identical"}


def test_everything_made_again_covers_every_artefact(ran):
    locked = read_whole(LOCK)["artefacts"]
    rows = [r for r in verify(RESULTS, share=1.0) if r.kind == "rebuilt"]
    assert len(rows) == sum(len(shards) for shards in locked.values())
    assert {r.status for r in rows} == {"identical"}


def changed(path: Path, stage_data: str, change) -> None:
    """Edit a sealed file's values and seal it again, as somebody who hides it would."""
    content = path.read_bytes()[:-46]
    path.write_bytes(content)
    with h5py.File(path, "r+") as file:
        file[stage_data][...] = change(file[stage_data][()])
        file.attrs["content_sha256"] = content_sha256(file)
    seal(path)


def test_edited_values_of_a_stage_file_are_noticed(ran):
    changed(artefact("stitch"), "embedding", lambda v: v + 1)
    assert next((kind, status) for kind, status, _ in failed()) == ("artefact", "different")


def test_a_damaged_and_a_missing_file_are_told_apart(ran):
    path = artefact("prep")
    path.write_bytes(path.read_bytes()[:-100] + bytes(100))
    artefact("composite").unlink()
    found = {(kind, status) for kind, status, _ in failed()}
    assert found == {("artefact", "different"), ("artefact", "missing")}


def test_stages_that_the_study_does_not_keep_are_no_failure(ran):
    file = write_study(ran, retain={"composite": "temp"})
    artefact("composite").unlink()
    rows = list(verify(RESULTS, study_file=file))
    assert [r.status for r in rows if "composite" in r.name].count("not kept") == 1
    assert not any(r.failed for r in rows)


def test_another_vector_or_id_in_the_results_is_noticed(ran):
    path = RESULTS / "profiles/pooled/embeddings.parquet"
    table = pq.read_table(path)
    column = table.column_names.index("id")
    pq.write_table(table.set_column(column, "id", pa.array(["b", "a", "c"])), path)
    assert failed() == [("embeddings", "different", "ids or vectors are others")]


def test_a_grid_with_other_values_or_none_is_noticed(ran):
    import rasterio

    first = min((RESULTS / "profiles/grid/grids").glob("*.tif"))
    with rasterio.open(first, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as raster:
        raster.write(raster.read() + 1)
    assert [(k, s) for k, s, _ in failed()] == [("grids", "different")]
    first.unlink()
    ((kind, status, detail),) = failed()
    assert (kind, status) == ("grids", "missing")
    assert "has no grid of ROI a" in detail


def test_results_without_a_store_are_verified_by_themselves(ran):
    Path("results/store").rename("elsewhere")
    assert failed() == []
    assert failed(store=Path("elsewhere")) == []


def test_an_edited_roi_is_noticed(ran):
    rois = ran / "rois.csv"
    rois.write_text(rois.read_text().replace("8.72", "8.73"))
    found = failed()
    assert found[0][:2] == ("places", "different")
    rois.write_text(rois.read_text() + "d,8.74,50.5,90\n")
    assert failed()[0][2] == "3 ROIs in the lock, 4 now"


def test_shards_in_another_order_are_noticed(ran):
    lock = json.loads(LOCK.read_text())
    lock["rois"]["shards"].reverse()
    LOCK.write_text(json.dumps(lock))
    assert failed() == [("places", "different", "ROIs are in another order")]


def test_an_edited_study_is_named_by_its_knob(ran):
    # Another grid stays, or the model would have none and tiles lie elsewhere.
    edited = {"pooled": {"composite": "mean"}, "other": {"output": "grid", "composite": "mean"}}
    found = failed(study_file=write_study(ran, profiles=edited))
    assert ("keys", "different", "knob at composite: composite: median -> mean") in found
    assert ("keys", "missing", "the study has no such profile") in found


def test_an_edited_constant_of_a_card_is_named(ran):
    lock = json.loads(LOCK.read_text())
    for node in lock["nodes"].values():
        if node["stage"] == "infer":
            node["settings"]["bias"] = 0.5
    for keys in lock["profiles"].values():
        keys["infer"] = next(k for k, n in lock["nodes"].items() if n["stage"] == "infer")
        keys["stitch"] = "0" * 16
    LOCK.write_text(json.dumps(lock))
    assert {kind for kind, *_ in failed()} == {"keys"}


def test_another_package_is_noted_and_is_no_failure(ran):
    lock = json.loads(LOCK.read_text())
    lock["versions"]["numpy"] = "1.0"
    LOCK.write_text(json.dumps(lock))
    rows = [r for r in verify(RESULTS) if r.status == "different"]
    assert [(r.kind, r.name) for r in rows] == [("package", "numpy")]
    assert rows[0].detail.startswith("1.0 in the lock, ")
    assert failed() == []


def test_a_lock_of_the_first_version_is_read(ran):
    lock = json.loads(LOCK.read_text())
    for name in ("lock", "config", "rois", "nodes", "artefacts", "results"):
        del lock[name]
    LOCK.write_text(json.dumps(lock))
    assert failed(study_file=Path("study.yaml")) == []


def test_a_lock_of_a_later_version_is_an_error(ran, capsys):
    LOCK.write_text(json.dumps({**json.loads(LOCK.read_text()), "lock": 99}))
    assert main(["verify", str(RESULTS)]) == 1
    assert "version 99; this rsweep reads 1 to 3" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[]", "{", '{"lock": 2}', '{"profiles": 3}'])
def test_what_is_no_lock_is_an_error(ran, capsys, text):
    LOCK.write_text(text)
    assert main(["verify", str(RESULTS)]) == 1
    assert "lock" in capsys.readouterr().err


def test_a_lock_holds_no_absolute_path_and_no_secret(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    secret = "https://me:word@host.example/x?sig=abcdef"
    file = write_study(tmp_path, rois=str(tmp_path / "rois.csv"))
    config = json.loads(file.read_text())
    config["base"]["stac"] = {"catalog": secret}
    config["base"]["provider"] = "synthetic"
    file.write_text(json.dumps(config))
    text = (run_study(file) / "study.lock.json").read_text()
    assert str(tmp_path) not in text
    assert "word" not in text
    assert "abcdef" not in text
    assert "host.example" in text


def test_the_share_to_make_again_is_a_part(capsys):
    assert share("5%") == share("0.05") == 0.05
    with pytest.raises(SystemExit):
        main(["verify", "results/x", "--sample", "150%"])
    assert "expected a part such as 5% or 0.05" in capsys.readouterr().err


def test_the_worst_difference_is_a_relative_norm(tmp_path):
    def file(name, **data):
        made = h5py.File(tmp_path / name, "w")
        for key, value in data.items():
            made[key] = value
        return made

    old = file("old", a=np.array([3.0, 4.0]), b=np.array([1]))
    assert worst_difference(old, file("same", a=np.array([3.0, 4.0]), b=np.array([1])))[1] == 0
    near = file("near", a=np.array([3.0, 4.5]), b=np.array([1]))
    assert worst_difference(old, near) == ("a", pytest.approx(0.1))
    for k, other in enumerate(({"b": np.array([2])}, {"a": np.array([3.0, np.nan])}, {"c": 1.0})):
        data = {"a": np.array([3.0, 4.0]), "b": np.array([1]), **other}
        assert worst_difference(old, file(f"other{k}", **data))[1] == np.inf


def test_profiles_whose_names_follow_the_order_of_the_study_are_verified(tmp_path, monkeypatch):
    """A sweep names its profiles by its knobs as they stand, here not in the alphabet's order."""
    sweep = [{"seed": [1, 2], "bias": [0.0, 0.5]}]
    run_study(write_study(tmp_path, sweep=sweep, profiles={}))
    monkeypatch.chdir(tmp_path)
    assert list(read_whole(LOCK)["config"]["sweep"][0]) == ["seed", "bias"]
    assert failed() == []


def test_a_raster_of_labels_is_read_anew(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raster = write_labels(tmp_path / "cover.tif", 8.6, 50.6)
    run_study(write_study(tmp_path, evaluate={"label_raster": "cover.tif"}))
    assert read_whole(LOCK)["labels"]["raster"] == "cover.tif"
    assert failed() == []
    write_labels(raster, 8.6, 50.6, seed=1)
    ((kind, status, detail),) = failed()
    assert (kind, status) == ("labels", "different")
    assert "another content" in detail
