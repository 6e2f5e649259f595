"""A tiny study that ran, for what is made of results."""

from __future__ import annotations

import pytest
from reportstudy import run_stages, write_rois

from rsweep.evaluate.tasks import design_study, evaluate_batch, judge_study
from rsweep.plan.study import make_study
from rsweep.report.figures import write_figures
from rsweep.report.page import write_page
from rsweep.results.lock import write_lock
from rsweep.results.profile import write_embeddings, write_meta
from rsweep.results.table import write_sweep


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """A study of grids and vectors of rcf, with a ROI that fails and a combination skipped."""
    root = tmp_path_factory.mktemp("study")
    write_rois(root / "rois.csv")
    config = {
        "study": "tiny",
        "rois": str(root / "rois.csv"),
        "results": str(root / "results"),
        "temporal": {"start": "2022-06-01", "end": "2022-07-01"},
        "on_invalid": "skip",
        "base": {
            "model": "rcf",
            "image_size": 16,
            "features": 8,
            "fetch_bands": "model",
            "bands": "B4,B3,B2",
        },
        "sweep": [{"patch_size": [4, 8], "output": ["pooled", "grid"]}, {"patch_size": 5}],
        "evaluate": {"label": "crop", "cv": "random", "folds": 3, "k": 1},
    }
    study = make_study(config, "tiny.yaml")
    run_stages(study)
    for profile in study.profiles:
        folder = study.folder / "profiles" / profile.name
        folder.mkdir(parents=True)
        write_embeddings(study, profile, folder / "embeddings.parquet")
        write_meta(study, profile, folder / "meta.json")
    design = study.folder / "evaluation" / "design.json"
    design_study(study, design)
    names = [profile.name for profile in study.profiles]
    evaluate_batch(study, names, design, study.folder / "evaluation" / "batch-000.json")
    judge_study(study, design, study.folder / "verdict.json", study.folder / "pairs.parquet")
    write_sweep(study, study.folder / "sweep.csv")
    write_lock(study, study.folder / "study.lock.json")
    write_figures(study, study.folder / "figures")
    lock = study.folder / "study.lock.json"
    write_page(study, study.folder / "figures", lock, study.folder / "report.html")
    return study
