"""A study as a crate: others verify it, the community's validator takes it, it tells no secret."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tinystudy import run_study, write_study

from rsweep.cli import main
from rsweep.core.store import Store
from rsweep.plan.study import load_study
from rsweep.publish.citations import bibtex, data_bibtex, data_terms
from rsweep.publish.files import clean_text, named, nameless
from rsweep.results.lock import write_lock
from rsweep.results.profile import write_meta

ROOT = Path(__file__).parents[3]
VALIDATOR = Path(os.environ.get("CRATE_VALIDATOR", ROOT / "build/crate-validator")) / "bin/python"
SECRETS = ("hunter2", "signed-by-me", "/home/someone", "/mnt/secret", "machine-of-mine")
UPSTREAM = "https://someone:hunter2@data.example.org/store?sig=signed-by-me"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A study that ran, with secrets in all that it was given and what its jobs told."""
    folder = tmp_path_factory.mktemp("publish")
    (folder / "told.csv").write_text(
        "what,profile,measure,published,tolerance,source\na,pooled,linear_r2,1,0,Table 1\n"
    )
    file = write_study(
        folder, upstream=[UPSTREAM, "/mnt/secret/store"], published=str(folder / "told.csv")
    )
    run_study(file)
    study = load_study(file)
    store = Store(study.store)
    for node in study.nodes().values():
        for shard in study.shards:
            record = store.read_record(node, shard.name)
            weights = {"file": "/home/someone/weights/a.pt", "url": UPSTREAM, "sha256": "0" * 64}
            own = {**record, "host": "machine-of-mine", "weights": weights}
            store.write_record(node, shard.name, own)
    for profile in study.profiles:
        write_meta(study, profile, study.folder / "profiles" / profile.name / "meta.json")
    write_lock(study, study.lock)
    commit = json.loads(study.lock.read_text())["versions"]["commit"]
    (study.folder / "report.html").write_text(
        f"<p>read <b>/mnt/secret/a.tif</b> of {UPSTREAM} by {commit}</p>"
        '<img src="data:image/png;base64,a/b/c">'
    )
    (study.folder / "sweep.csv").write_text("profile,weights\npooled,/home/someone/weights/a.pt\n")
    (study.folder / "logs").mkdir()
    (study.folder / "logs/run.log").write_text("/mnt/secret")
    return folder


@pytest.fixture
def crate(made, tmp_path, monkeypatch) -> Path:
    """The study's crate in a folder of its own; the study is gone."""
    monkeypatch.chdir(made)
    given = ["export", "results/tiny", "--crate", str(tmp_path / "out"), "--study", "study.yaml"]
    assert main([*given, "--anonymous"]) == 0
    shutil.copytree(tmp_path / "out", tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "out")
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


def test_a_crate_is_verified_where_nothing_else_of_the_study_is(crate, capsys):
    given = ["verify", str(crate / "results/tiny"), "--study", str(crate / "study.yaml")]
    assert main(given) == 0
    told = capsys.readouterr().out
    assert "verified: nothing differs" in told
    assert "embeddings  2 identical" in told
    table = crate / "rois/rois.csv"
    table.write_text(table.read_text().replace("8.72", "8.73"))
    assert main(given) == 1


def test_the_published_numbers_go_along(crate):
    assert load_study(crate / "study.yaml").options["published"] == "published/told.csv"


def test_no_file_of_a_crate_tells_a_secret_or_a_path(crate, made):
    secrets = [*SECRETS, str(made), str(Path.home()) + "/"]
    for path in (path for path in crate.rglob("results/**/*") if path.is_file()):
        text = path.read_bytes().decode("latin-1")
        assert [secret for secret in secrets if secret in text] == [], path
    for name in ("study.yaml", "ro-crate-metadata.json", "CITATION.cff", "LICENCES.md"):
        text = (crate / name).read_text()
        assert [secret for secret in secrets if secret in text] == [], name
    assert not (crate / "results/tiny/logs").exists()
    assert "base64,a/b/c" in (crate / "results/tiny/report.html").read_text()
    commit = json.loads((made / "results/tiny/study.lock.json").read_text())["versions"]["commit"]
    if commit != "unknown":
        assert commit not in (crate / "results/tiny/report.html").read_text()
    versions = json.loads((crate / "results/tiny/study.lock.json").read_text())["versions"]
    assert versions["commit"] == "anonymous"


def test_the_results_themselves_tell_no_account_and_no_path(made):
    for path in [
        *made.glob("results/tiny/profiles/*/meta.json"),
        made / "results/tiny/study.lock.json",
    ]:
        text = path.read_text()
        assert [secret for secret in SECRETS[:4] if secret in text] == [], path


def test_metadata_lists_every_file_with_its_size(crate):
    graph = json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]
    listed = {e["@id"]: e for e in graph if "File" in e["@type"]}
    there = {p.relative_to(crate).as_posix() for p in crate.rglob("*") if p.is_file()}
    assert there - {"ro-crate-metadata.json"} == set(listed)
    lock = listed["results/tiny/study.lock.json"]
    assert int(lock["contentSize"]) == (crate / "results/tiny/study.lock.json").stat().st_size
    run = next(e for e in graph if e["@type"] == "CreateAction")
    assert {e["@id"] for e in run["object"]} == {"study.yaml", "rois/rois.csv"}


def test_citations_and_licences_are_those_of_what_ran(crate):
    assert "@misc{rcf," in (crate / "citations.bib").read_text()
    assert "synthetic: synthetic-s2-l2a: made by rsweep" in (crate / "LICENCES.md").read_text()
    cff = yaml.safe_load((crate / "CITATION.cff").read_text())
    assert cff["authors"] == [{"name": "The authors of study tiny"}]


def test_a_model_is_cited_by_its_arxiv_number():
    from rsweep.models.registry import find_card

    (entry,) = bibtex([find_card("dofa")]).strip().split("\n\n")
    assert "eprint = {2403.15356}" in entry
    assert "url = {https://arxiv.org/abs/2403.15356}" in entry


def test_data_sets_are_cited_once_and_by_name_where_nothing_is_known():
    def node(provider, collection, sensor):
        own = {"provider": provider, "collection": collection, "sensor": sensor}
        return {"stage": "fetch", "settings": own}

    nodes = {
        "a": node("stac", "sentinel-2-l2a", "s2"),
        "b": node("earthengine", "COPERNICUS/S2_SR_HARMONIZED", "s2"),
        "c": node("earthengine", "MODIS/061/MOD09GA", "modis"),
        "d": node("local", "tessera_annual", "tessera_annual"),
        "e": node("synthetic", "synthetic-s2-l2a", "s2"),
        "f": {"stage": "infer", "settings": {}},
    }
    found = data_bibtex({"nodes": nodes})
    names = re.findall(r"@misc\{(\w+),", found)
    assert names == ["data_modis_061_mod09ga", "data_s2", "data_tessera_annual", "earthengine"]
    assert "doi = {10.5270/S2_-znk9xsj}" in found
    assert "see who provides it" in found
    assert found.count("{") == found.count("}")
    assert data_bibtex({"nodes": {"e": nodes["e"]}}) == ""


def test_terms_of_data_follow_the_sensor():
    def node(sensor):
        own = {"provider": "stac", "collection": sensor, "sensor": sensor}
        return {"stage": "fetch", "settings": own}

    terms = data_terms({"nodes": {"a": node("s2_l1c"), "b": node("dem")}})
    assert "Copernicus Sentinel" in terms["stac: s2_l1c"]
    assert "not known" in terms["stac: dem"]


def test_what_is_no_path_stays():
    text = "a <br/> and m/s and https://a.org/b/c and 1/2/3 </b></p>"
    assert clean_text(text) == text
    assert clean_text("at /a/b/c.txt.") == "at c.txt."


def test_what_cannot_be_exported_is_said(crate, made, capsys, monkeypatch):
    monkeypatch.chdir(made)
    given = ["export", "results/tiny", "--study", "study.yaml", "--crate"]
    assert main([*given, str(crate)]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert main([*given, "new", "--anonymous", "--author", "A"]) == 1
    assert "exclude each other" in capsys.readouterr().err


@pytest.mark.skipif(not VALIDATOR.is_file(), reason="`make crate-validator` builds the validator")
def test_the_communitys_validator_takes_a_crate_and_refuses_a_broken_one(crate):
    def validate() -> subprocess.CompletedProcess:
        tool = [VALIDATOR, ROOT / "tools/validate_crate.py", crate]
        return subprocess.run(tool, capture_output=True, text=True)

    assert validate().stdout.strip() == '{"valid": true, "profile": "workflow-run-crate"}'
    path = crate / "ro-crate-metadata.json"
    found = json.loads(path.read_text())
    for entity in found["@graph"]:
        entity.pop("additionalType", None)
    path.write_text(json.dumps(found))
    done = validate()
    assert done.returncode == 1
    assert "FormalParameter MUST have an additionalType" in done.stdout


def test_a_project_in_the_study_of_a_lock_is_hidden():
    study = {"base": {"earthengine": {"project": "my-project"}}, "study": "s"}
    told = nameless({"config": json.dumps(study), "runs": [{"host": "h", "seconds": 1}]})
    assert json.loads(told["config"])["base"] == {"earthengine": {"project": "anonymous"}}
    assert told["runs"] == [{"host": "anonymous", "seconds": 1}]
    assert set(named(study)) == {"my-project"}
