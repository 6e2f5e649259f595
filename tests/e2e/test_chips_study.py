"""A study on chips, from the unpacked data set to scores, against torch and scikit-learn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from conftest import ENVIRONMENT, Workplace
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parents[1] / "standins"))
from eurosat_set import BANDS, CLASSES, image, write_eurosat

SIDE, FEATURES = 24, 16
READ = ["B4", "B3", "B2", "B8"]


def rectified_responses(images: np.ndarray) -> np.ndarray:
    """Random features [N, 16] of whole images [N, 4, s, s], written anew."""
    scaled = torch.from_numpy((images.astype(np.float32) - 2000) / 1500)
    drawn = torch.Generator().manual_seed(3)
    filters = torch.randn(FEATURES // 2, len(READ), 3, 3, generator=drawn)
    found = torch.nn.functional.conv2d(scaled, filters)
    halves = [torch.relu(found - 1), torch.relu(-(found - 1))]
    return torch.cat(halves, dim=1).mean(dim=(2, 3)).numpy()


def test_chips_go_through_the_five_stages_to_scores(workplace: Workplace) -> None:
    write_eurosat(workplace.folder / "eurosat", each=5, side=SIDE)
    lists = {split: f"eurosat-{split}.txt" for split in ("train", "val", "test")}
    workplace.write_study(
        rois="chips.csv",
        temporal={"year": 2018},
        shard_size=16,
        base={
            "provider": "chips",
            "bands": READ,
            "features": FEATURES,
            "seed": 3,
            "variant": "torchgeo",
            "input_prep": "resize",
            "image_size": SIDE,
            "patch_size": SIDE,
            "weights": None,
            "chips": {"path": "eurosat", "bands": list(BANDS), "splits": lists},
        },
        profiles={"whole": {}, "native": {"input_prep": "native"}},
        evaluate={
            "label": "label",
            "cv": "column",
            "column": "split",
            "probes": ["knn"],
            "k": 3,
            "buffer_m": "none",
        },
    )
    subprocess.run(
        [sys.executable, "-m", "rsweep.cli", "chips", "study.yaml"],
        cwd=workplace.folder,
        env=ENVIRONMENT,
        check=True,
    )
    workplace.ran()
    names = [f"{kind}_{number}" for kind in CLASSES for number in range(1, 6)]
    at = [BANDS.index(band) for band in READ]
    images = np.stack([image(n.split("_")[0], int(n.split("_")[1]), SIDE)[at] for n in names])
    wanted = dict(zip(names, rectified_responses(images), strict=True))
    for profile in ("whole", "native"):
        path = workplace.folder / f"results/tiny/profiles/{profile}/embeddings.parquet"
        table = pq.read_table(path, columns=["id", "embedding", "label", "split"]).to_pylist()
        assert len(table) == 50
        for row in table:
            np.testing.assert_allclose(row["embedding"], wanted[row["id"]], rtol=1e-4, atol=1e-5)
            assert row["label"] == row["id"].split("_")[0]
    learnt = [row for row in table if row["split"] != "test"]
    scored = [row for row in table if row["split"] == "test"]
    scale = StandardScaler().fit([row["embedding"] for row in learnt])
    knn = KNeighborsClassifier(3)
    knn.fit(scale.transform([r["embedding"] for r in learnt]), [r["label"] for r in learnt])
    accuracy = knn.score(
        scale.transform([r["embedding"] for r in scored]), [r["label"] for r in scored]
    )
    row = workplace.table()["whole"]
    assert float(row["knn_accuracy"]) == pytest.approx(accuracy, abs=1e-6)
    before = workplace.state()
    assert "Nothing to be done" in workplace.ran().output
    assert workplace.state() == before
