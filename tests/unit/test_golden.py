"""What each stage makes of a fixed study, against what it made when its version was set.

Whole numbers must be equal; floats agree to 1e-4 of their dataset's spread, since another CPU or
another torch rounds otherwise. After a change on purpose, raise the version in the stage's spec
(or the synthetic world's WORLD_VERSION) and run `python tests/unit/test_golden.py`, which writes
golden.json again.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rsweep.core.canonical import digest
from rsweep.core.roi import Roi
from rsweep.core.shards import Shard
from rsweep.core.store import Store
from rsweep.jobs.runner import run_job
from rsweep.plan.nodes import build_nodes, node_options
from rsweep.plan.profiles import resolve
from rsweep.sources.synthetic import WORLD_VERSION
from rsweep.stages.job import Job
from rsweep.stages.registry import STAGES

VERSIONS = {name: stage.version for name, stage in STAGES.items()}
NOW = {**VERSIONS, "world": WORLD_VERSION}
GOLDEN = Path(__file__).parent / "golden.json"
PLACES = ((8.705, 50.503, 90.0), (8.745, 50.493, 140.0))
ROIS = tuple(
    Roi(f"r{i}", {"type": "point", "lon": lon, "lat": lat, "buffer_m": buffer_m})
    for i, (lon, lat, buffer_m) in enumerate(PLACES)
)
BASE = {
    "model": "rcf",
    "temporal": {"start": "2022-06-01", "end": "2022-07-01"},
    "features": 8,
    "patch_size": 8,
    "context_m": 60,
}
PROFILES = {
    "tile": {**BASE, "image_size": 16, "tile_overlap": 8, "output": "grid", "lattice": "roi"},
    "mosaic": {**BASE, "image_size": 16, "output": "grid"},
    "resize": {
        **BASE,
        "image_size": 24,
        "input_prep": "resize",
        "composite": "mean",
        "resample": "bicubic",
        "bands": "B4,B3,B2",
        "variant": "patches",
        "pooling": "stats",
    },
    "radar": {**BASE, "modality": "s1", "image_size": 32, "edge": "fill"},
}


def summary(values: np.ndarray) -> dict[str, Any]:
    """What identifies an array up to rounding: its shape, and projections onto fixed directions."""
    numbers = np.nan_to_num(values.astype(np.float64), nan=-1e3).ravel()
    if numbers.size == 0:
        return {"shape": list(values.shape), "kind": values.dtype.kind}
    # Fixed weights from the golden ratio: no generator whose stream may change.
    waves = [np.cos((k + 1) * 2.399963 * np.arange(numbers.size)) for k in range(6)]
    found = [numbers.mean(), numbers.std(), *(float(w @ numbers) / numbers.size for w in waves)]
    return {
        "shape": list(values.shape),
        "kind": values.dtype.kind,
        "sketch": [float(f"{x:.8g}") for x in found],
    }


def sketches(path: Path) -> dict[str, Any]:
    """Dataset -> its summary; of the description of ROIs a digest, floats in it rounded."""
    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            values = item[()]
            text = values.tobytes() if name == "rois" else None
            found[name] = digest(rounded(json.loads(text))) if text else summary(values)

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items() if k not in ("polygon", "sha256")}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return round(value, 4) if isinstance(value, float) else value


def outputs(folder: Path) -> dict[str, dict[str, Any]]:
    """stage -> "profile/dataset" -> summary."""
    store, shard = Store(folder), Shard("golden", ROIS)
    found: dict[str, dict[str, Any]] = {stage: {} for stage in VERSIONS}
    for name, own in PROFILES.items():
        settings, errors = resolve(own, {})
        assert not errors
        node = build_nodes(settings)
        run_job(Job(node, shard, store, node_options(settings, node)))
        for each in node.upstream():
            items = sketches(store.path(each, shard.name)).items()
            found[each.stage].update({f"{name}/{dataset}": item for dataset, item in items})
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, dict[str, Any]]:
    return json.loads(json.dumps(outputs(tmp_path_factory.mktemp("golden"))))


def agrees(one: Any, other: Any) -> bool:
    """Equal, but for rounding of sketches of floats."""
    if not (isinstance(one, dict) and "sketch" in one):
        return one == other
    plain = {k: v for k, v in one.items() if k != "sketch"}
    if not isinstance(other, dict) or plain != {k: v for k, v in other.items() if k != "sketch"}:
        return False
    tolerance = 1e-4 * abs(one["sketch"][1]) if one["kind"] == "f" else 1e-7 * abs(one["sketch"][1])
    return bool(np.allclose(one["sketch"], other["sketch"], rtol=1e-6, atol=tolerance))


@pytest.mark.parametrize("stage", VERSIONS)
def test_a_stage_makes_what_it_made_under_its_version(stage, made):
    golden = json.loads(GOLDEN.read_text())
    for name in (stage, "world"):
        assert golden["versions"][name] == NOW[name], (
            f"the version of {name} was raised: run `python tests/unit/test_golden.py`"
        )
    before, after = golden["outputs"][stage], made[stage]
    other = [
        name for name in sorted({*before, *after}) if not agrees(before.get(name), after.get(name))
    ]
    assert not other, (
        f"{stage} makes other {', '.join(other)}. If on purpose, raise its version in "
        f"stages/{stage}/spec.py (else stores are mixed); run `python tests/unit/test_golden.py`"
    )


def test_a_change_is_noticed(made):
    """The summaries tell arrays apart that differ in one value, or in order."""
    values = np.random.default_rng(0).normal(0, 1, 1000).astype(np.float32)
    one, swapped = values.copy(), values.copy()
    one[500] += 1
    swapped[[10, 20]] = swapped[[20, 10]]
    counts = np.arange(1000)
    more = counts.copy()
    more[7] += 1
    assert agrees(summary(values), summary(values * np.float32(1 + 1e-6)))
    assert not agrees(summary(values), summary(one))
    assert not agrees(summary(values), summary(swapped))
    assert not agrees(summary(counts), summary(more))
    assert not agrees(summary(values), summary(values.reshape(10, 100)))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        content = {"versions": NOW, "outputs": outputs(Path(folder))}
    GOLDEN.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    print(f"wrote {GOLDEN}", file=sys.stderr)
