"""Whom an export says to cite for embeddings of others, and under which terms they are."""

import numpy as np

from rsweep.plan.planning import find_plan, read_plan
from rsweep.publish.citations import given_bibtex, licences


def lock_of(*given):
    return {"given": {own.name: own.record() for own in given}, "nodes": {}}


def planned(tmp_path, monkeypatch, **said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rois.csv").write_text("id,lon,lat,buffer_m\na,8.7,50.5,90\n")
    np.savez(tmp_path / "a.npz", id=["a"], embedding=np.ones((1, 2)))
    section = [{"name": "theirs", "path": "a.npz", **said}]
    config = {"study": "s", "rois": "rois.csv", "temporal": {"year": 2022}, "given": section}
    return read_plan(find_plan(config, "study"))[0].given


def test_the_paper_and_terms_that_a_study_names(tmp_path, monkeypatch):
    said = {"paper": "Brown et al. 2025, arXiv:2507.22291", "licence": "CC BY 4.0"}
    (own,) = planned(tmp_path, monkeypatch, **said)
    assert "@misc{theirs," in given_bibtex(lock_of(own))
    assert "eprint = {2507.22291}" in given_bibtex(lock_of(own))
    assert "- theirs: CC BY 4.0" in licences(lock_of(own), [])


def test_what_is_not_said_is_not_known(tmp_path, monkeypatch):
    (own,) = planned(tmp_path, monkeypatch)
    assert given_bibtex(lock_of(own)) == ""
    assert "- theirs: not known to rsweep" in licences(lock_of(own), [])
    assert set(own.record()) == set(own.identity())


def test_whom_to_cite_is_no_part_of_what_a_set_is(tmp_path, monkeypatch):
    (plain,) = planned(tmp_path, monkeypatch)
    (cited,) = planned(tmp_path, monkeypatch, paper="Somebody 2024")
    assert cited.identity() == plain.identity()
