"""why --against: each thing that can differ from a lock is changed in it, and named."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

from rsweep.cli import main
from rsweep.core.nodes import Node
from rsweep.explain.against import departures_from, package_changes
from rsweep.plan.study import load_study
from rsweep.results.lock import LOCK_VERSION, read_whole
from rsweep.results.versions import versions


@pytest.fixture
def place(tmp_path: Path, monkeypatch) -> Path:
    """A study with weights in a file, in its own folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rois.csv").write_text("id,lon,lat,buffer_m\na,8.7,50.5,90\n")
    (tmp_path / "weights.pt").write_bytes(b"now")
    base = {
        "model": "galileo",
        "variant": "nano",
        "weights": str(tmp_path / "weights.pt"),
        "frames": 1,
        "image_size": 32,
        "temporal": {"year": 2022},
        "context_m": 60,
    }
    config = {"study": "s", "rois": "rois.csv", "profiles": {"only": {}}, "base": base}
    (tmp_path / "study.yaml").write_text(json.dumps(config))
    return tmp_path


def write_lock(place: Path, change=lambda stage, told: told, **other) -> Path:
    """A lock of the study, with each node's identity changed by `change(stage, identity)`."""
    study = load_study(place / "study.yaml")
    (profile,) = study.profiles
    made: dict[str, Node] = {}
    for node in profile.node.upstream():
        told = change(node.stage, deepcopy({"version": node.version, "settings": node.settings}))
        inputs = {name: made[found.key] for name, found in node.inputs.items()}
        made[node.key] = replace(node, **told, inputs=inputs)
    keys: dict[str, list[str]] = {}
    for node in made.values():
        keys.setdefault(node.stage, []).append(node.key)
    lock = {
        "lock": LOCK_VERSION,
        "study": "s",
        "config": "{}",
        "rois": {},
        "fetch": {},
        "profiles": {"only": {stage: "+".join(found) for stage, found in keys.items()}},
        "nodes": {node.key: node.identity() for node in made.values()},
        "versions": versions(),
        **other,
    }
    path = place / "study.lock.json"
    path.write_text(json.dumps(lock))
    return path


def asked(capsys, path: Path, what: str = "only") -> dict:
    assert main(["why", what, "study.yaml", "--against", str(path), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def causes(found: dict) -> set[tuple[str, str, str, str]]:
    """Kind, name, before and after of the causes at the last stage."""
    last = next(node for node in found["nodes"].values() if node["stage"] == "stitch")
    return {(c["kind"], c["name"], c["before"], c["after"]) for c in last["causes"]}


def test_a_study_is_as_in_its_own_lock(place, capsys):
    found = asked(capsys, write_lock(place))
    assert all(node["same"] and not node["causes"] for node in found["nodes"].values())
    assert found["packages"] == []
    assert main(["why", "only", "study.yaml", "--against", "study.lock.json"]) == 0
    assert capsys.readouterr().out.count("is as in study.lock.json") == 5


def of(stage, edit):
    """A change of one stage's settings."""

    def change(name, told):
        if name == stage:
            edit(told["settings"])
        return told

    return change


def test_a_knob_is_named(place, capsys):
    lock = write_lock(place)
    text = (place / "study.yaml").read_text()
    (place / "study.yaml").write_text(text.replace('"image_size": 32', '"image_size": 64'))
    assert causes(asked(capsys, lock)) == {("knob", "image_size", "32", "64")}
    assert main(["why", "prep", "study.yaml", "--against", str(lock)]) == 0
    told = capsys.readouterr().out
    assert "knob at prep: image_size: 32 -> 64" in told
    assert "fetch" not in told  # only what was asked about


def test_weights_are_named_by_their_digest(place, capsys):
    lock = write_lock(place)
    before = next(
        n["settings"]["sha256"]
        for n in json.loads(lock.read_text())["nodes"].values()
        if n["stage"] == "infer"
    )
    (place / "weights.pt").write_bytes(b"later")
    ((kind, name, old, new),) = causes(asked(capsys, lock))
    assert (kind, name, old) == ("weights", "sha256", repr(before))
    assert new != old


def test_a_constant_of_a_card_is_named_by_its_place(place, capsys):
    def edit(settings):
        own = settings["normalization"]["s2"]
        own["mean"] = [round(v + 1, 6) for v in own["mean"]]

    (found,) = causes(asked(capsys, write_lock(place, of("prep", edit))))
    assert found[:2] == ("card constant", "normalization.s2.mean")


def test_data_of_a_provider_are_named(place, capsys):
    found = causes(
        asked(capsys, write_lock(place, of("fetch", lambda s: s["source"].update(seed=7))))
    )
    assert [cause[0] for cause in found] == ["data"]


@pytest.mark.parametrize("stage", ["fetch", "composite", "prep", "infer", "stitch"])
def test_a_stage_version_is_named(place, capsys, stage):
    def older(name, told):
        return {**told, "version": told["version"] - (name == stage)}

    found = causes(asked(capsys, write_lock(place, older)))
    assert {(kind, name) for kind, name, *_ in found} == {("stage version", "version")}


def test_a_package_is_named_and_when_the_lock_was_written_is_not(place, capsys):
    told = {**versions(), "torch": "1.0", "written": "2020-01-01", "modified": "yes"}
    path = write_lock(place, versions=told)
    assert [str(c) for c in package_changes(read_whole(path))] == [
        f"torch: 1.0 -> {versions()['torch']}"
    ]
    assert main(["why", "only", "study.yaml", "--against", str(path)]) == 0
    assert f"package torch: 1.0 -> {versions()['torch']}" in capsys.readouterr().out


def test_a_profile_of_another_name_is_compared_with_the_nearest(place):
    path = write_lock(place)
    lock = read_whole(path)
    lock["profiles"] = {"elsewhere": lock["profiles"]["only"]}
    study = load_study(place / "study.yaml")
    assert all(found.same for found in departures_from(study, study.profiles[0], lock))


def test_a_lock_without_nodes_has_nothing_to_compare_with(place, capsys):
    path = write_lock(place, nodes={}, profiles={})
    found = asked(capsys, path, "stitch")
    assert [node["before"] for node in found["nodes"].values()] == [None]


def test_what_is_no_lock_is_an_error(place, capsys):
    (place / "lock.json").write_text("[]")
    assert main(["why", "only", "study.yaml", "--against", "lock.json"]) == 1
    assert "lock.json is not a lock" in capsys.readouterr().err
