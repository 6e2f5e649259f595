"""Embeddings of others in a run of Snakemake: what they rerun, and what they do not."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from conftest import Workplace


def write(workplace: Workplace, shift: float = 0.0) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(6, 3)) + np.arange(6)[:, None] % 2 + shift
    np.savez(workplace.folder / "theirs.npz", id=[f"r{i}" for i in range(6)], embedding=vectors)


def sections(**given: Any) -> dict[str, Any]:
    return {
        "evaluate": {"label": "crop", "cv": "random", "folds": 2, "k": 1, "probes": ["knn"]},
        "given": [{"name": "theirs", "path": "theirs.npz", **given}],
    }


def test_given_embeddings_rerun_their_own_evaluation_and_no_stage(workplace: Workplace) -> None:
    workplace.write_rois(
        [
            {"id": f"r{i}", "lon": 8.6 + 0.05 * i, "lat": 50.5, "buffer_m": 80, "crop": "ab"[i % 2]}
            for i in range(6)
        ]
    )
    write(workplace)
    workplace.write_study(**sections())
    workplace.ran()
    rows = workplace.table()
    assert (rows["base"]["status"], rows["theirs"]["status"]) == ("ok", "given")
    store = workplace.state()
    assert "Nothing to be done" in workplace.ran().output
    write(workplace, shift=5.0)
    dry = workplace.run("-n", "-p").output
    assert "Read given embeddings theirs" in dry
    assert "Probe embeddings, batch 000" not in dry
    assert "Fetch scenes" not in dry
    workplace.ran()
    assert workplace.state() == store
    lock = json.loads((workplace.folder / "results/tiny/study.lock.json").read_text())
    assert lock["given"]["theirs"]["path"] == "theirs.npz"
