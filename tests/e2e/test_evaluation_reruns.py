"""Evaluations have keys: another probe runs nothing else, a new profile leaves the others alone."""

from __future__ import annotations

from conftest import Workplace

PLACES = [
    {
        "id": f"r{i}",
        "lon": 8.70 + 0.012 * (i % 4),
        "lat": 50.48 + 0.012 * (i // 4),
        "buffer_m": 60,
        "cover": "ab"[i % 2],
    }
    for i in range(12)
]


def predicted(workplace: Workplace) -> dict[str, int]:
    """Profile -> when its predictions were written."""
    folder = workplace.folder / "results/tiny/profiles"
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/pred*.parquet")}


def embedded(workplace: Workplace) -> dict[str, int]:
    """Profile -> when its embeddings were written."""
    folder = workplace.folder / "results/tiny/profiles"
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/emb*.parquet")}


def test_probes_and_profiles_rerun_what_depends_on_them(workplace: Workplace) -> None:
    workplace.write_rois(PLACES)
    profiles = {"mean": {}, "max": {"pooling": "max"}}
    evaluate = {"label": "cover", "cv": "random", "folds": 3, "probes": ["knn"], "k": 1}

    workplace.write_study(profiles=profiles, evaluate=evaluate)
    workplace.ran()
    store, vectors, first = workplace.state(), embedded(workplace), predicted(workplace)
    assert set(first) == {"mean", "max"}
    assert "linear_accuracy" not in workplace.table()["mean"]

    workplace.write_study(profiles=profiles, evaluate={**evaluate, "probes": ["knn", "linear"]})
    workplace.ran()
    second = predicted(workplace)
    assert workplace.state() == store
    assert embedded(workplace) == vectors
    assert all(second[name] > first[name] for name in first)
    assert float(workplace.table()["mean"]["linear_accuracy"]) >= 0

    profiles["gem"] = {"pooling": "gem"}
    workplace.write_study(profiles=profiles, evaluate={**evaluate, "probes": ["knn", "linear"]})
    workplace.ran()
    third = predicted(workplace)
    assert {name: third[name] for name in second} == second
    assert set(third) == {"mean", "max", "gem"}
    assert {name: embedded(workplace)[name] for name in vectors} == vectors
    assert set(workplace.table()) == {"mean", "max", "gem"}
