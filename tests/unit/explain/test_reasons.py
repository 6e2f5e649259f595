"""What a store holds, and why the rest would run."""

import json

import numpy as np

from rsweep.cli import main
from rsweep.core.files import put
from rsweep.core.shards import Shard
from rsweep.core.store import Store
from rsweep.explain.chains import StoredNodes
from rsweep.explain.reasons import profile_reasons
from rsweep.plan.nodes import build_nodes
from rsweep.plan.profiles import resolve

BASE = {"model": "rcf", "temporal": {"year": 2022}, "image_size": 32, "input_prep": "resize"}
SHARDS = [Shard("a", ()), Shard("b", ())]


def profile(**own):
    settings, errors = resolve({**BASE, **own}, {})
    assert not errors
    return build_nodes(settings), settings


def fill(store: Store, node, shards=("a", "b")) -> None:
    for one in node.upstream():
        for shard in shards:
            with store.write(one, shard) as file:
                put(file, "x", np.arange(3))


def test_what_is_there_does_not_run_and_the_rest_has_a_cause(tmp_path):
    store = Store(tmp_path)
    old, _ = profile()
    fill(store, old)
    fill(store, profile(image_size=64, scale_m=20, edge="fill")[0])
    node, settings = profile(image_size=64)
    reasons = {r.node.stage: r for r in profile_reasons(node, settings, SHARDS, store)}
    assert [s for s, r in reasons.items() if not r.runs] == ["fetch", "composite"]
    assert reasons["prep"].nearest is not None
    assert {str(c) for c in reasons["prep"].causes} == {"knob at prep: image_size: 32 -> 64"}
    assert {c.change.name for c in reasons["stitch"].causes} == {"image_size"}


def test_a_shard_that_lacks_is_said_to_run(tmp_path):
    store = Store(tmp_path)
    node, settings = profile()
    fill(store, node, ["a"])
    reasons = list(profile_reasons(node, settings, SHARDS, store))
    assert {(r.present, r.wanted, r.runs) for r in reasons} == {(1, 2, True)}


def test_an_empty_store_has_nothing_near(tmp_path):
    node, settings = profile()
    reasons = list(profile_reasons(node, settings, SHARDS[:1], Store(tmp_path)))
    assert all(r.runs and r.nearest is None for r in reasons)


def test_settings_that_cannot_be_read_or_were_edited_are_left_out(tmp_path):
    store = Store(tmp_path)
    good, damaged, edited = (profile(scale_m=m)[0] for m in (10, 20, 30))
    for node in (good, damaged, edited):
        fill(store, node)
    first = {node.key: node.upstream()[0] for node in (good, damaged, edited)}
    (store.folder(first[damaged.key]) / "settings.json").write_text("{")
    path = store.folder(first[edited.key]) / "settings.json"
    path.write_text(path.read_text().replace("30", "40"))
    found = {node.key for node in StoredNodes(store).of_stage("fetch")}
    assert found == {first[good.key].key}
    assert {node.key for node in StoredNodes(store).of_stage("stitch")} == {good.key}


def study(tmp_path, **base):
    rois = tmp_path / "rois.csv"
    rois.write_text("id,lon,lat,buffer_m\na,8.7,50.5,90\n")
    path = tmp_path / "study.yaml"
    config = {
        "study": "s",
        "rois": str(rois),
        "results": str(tmp_path / "results"),
        "base": {**BASE, **base},
    }
    path.write_text(json.dumps(config))
    return path


def test_why_says_what_differs_from_the_nearest(tmp_path, capsys):
    store = Store(tmp_path / "results/store")
    fill(store, profile()[0])
    path = study(tmp_path, image_size=64)
    assert main(["why", "prep", str(path)]) == 0
    told = capsys.readouterr().out
    assert "image_size: 32 -> 64" in told
    assert main(["why", "base", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {entry["stage"] for entry in found.values()} == {
        "fetch",
        "composite",
        "prep",
        "infer",
        "stitch",
    }


def test_why_of_something_unknown_is_an_error_with_a_hint(tmp_path, capsys):
    assert main(["why", "stich", str(study(tmp_path))]) == 1
    assert "did you mean 'stitch'" in capsys.readouterr().err


def test_diff_of_two_profiles_says_settings_causes_and_what_is_shared(tmp_path, capsys):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
    before, after = study(one), study(other, image_size=64)
    assert main(["diff", str(before), str(before)]) == 0
    capsys.readouterr()
    assert main(["diff", f"{before}:base", f"{after}:base"]) == 1
    told = capsys.readouterr().out
    assert "setting   image_size: 32 -> 64" in told
    assert "shared    fetch (s2), composite (s2)" in told
    assert main(["diff", str(before), str(after), "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["profiles"]
    assert found["parted"] == ["prep", "infer", "stitch"]
    assert [c["name"] for c in found["causes"]] == ["image_size"]


def test_diff_of_two_locks_names_what_changed(tmp_path, capsys):
    for name, version in (("a.json", "1.0"), ("b.json", "1.1")):
        (tmp_path / name).write_text(json.dumps({"versions": {"timm": version}}))
    assert main(["diff", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 1
    assert "versions.timm: 1.0 -> 1.1" in capsys.readouterr().out
