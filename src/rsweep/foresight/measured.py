"""What stages have cost in a store, by the parts that their cost is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from rsweep.core.nodes import Node
from rsweep.core.store import Store
from rsweep.explain.chains import StoredNodes
from rsweep.foresight.fits import Fit, fit
from rsweep.foresight.service import volume_with_requests
from rsweep.foresight.volumes import Places, Volume
from rsweep.stages.registry import STAGES

Group = tuple[str, ...]
"""A stage, and what its cost depends on beside how much there is to do."""
Measure = Literal["core_seconds", "device_seconds", "disk_bytes", "requests", "fetched_bytes"]
MOST_JOBS, MOST_NODES = 10, 60
"""Read of each node, and nodes of each stage; more say little more, and a plan is not to wait."""

MOST_FAILED = 0.2
"""Share of ROIs that failed, above which a job says little of what others cost."""

Parts = Callable[[Volume], tuple[float, ...]]


@dataclass(frozen=True)
class Model:
    """A model of cost: the numbers that it is made of, and a guess of what one of each costs."""

    parts: Parts
    guess: tuple[float, ...]


def _images(v: Volume) -> tuple[float, ...]:
    return v.rois, v.roi_days, v.read


def _fetch(v: Volume) -> tuple[float, ...]:
    return v.jobs, *_images(v)


def _frames(v: Volume) -> tuple[float, ...]:
    return v.jobs, v.rois, v.roi_days, v.read, v.written


def _tiles(v: Volume) -> tuple[float, ...]:
    return v.jobs, v.rois, v.tiles, v.read, v.written


def _forward(v: Volume) -> tuple[float, ...]:
    return v.jobs, v.tiles, v.gflops, v.read + v.written


def _size(v: Volume) -> tuple[float, ...]:
    return v.jobs, v.rois, v.written


CORE: Mapping[str, Model] = {
    "fetch": Model(_fetch, (0.02, 0.03, 0.00027, 0.14)),
    "composite": Model(_frames, (0.004, 0.004, 0.00002, 0.006, 0.2)),
    "prep": Model(_tiles, (0.0115, 0.0008, 0.00015, 0.01, 0.05)),
    "infer": Model(_forward, (0.0123, 0.0014, 0.0053, 0.03)),
    "stitch": Model(_tiles, (0.0077, 0.0013, 0.0001, 0.02, 0.1)),
}
"""Core seconds, guessed from the seen studies of benchmarks/forecast.py on one machine."""
DISK: Mapping[str, Model] = {
    "fetch": Model(lambda v: (v.jobs, v.rois, v.roi_days, v.read), (3e3, 1.5e3, 60.0, 4.5e5)),
    "composite": Model(_size, (6.8e3, 3.4e3, 3.4e6)),
    "prep": Model(lambda v: (v.jobs, v.rois, v.tiles, v.written), (1e4, 2e3, 5e2, 4.3e6)),
    "infer": Model(lambda v: (v.jobs, v.written), (1e4, 4e6)),
    "stitch": Model(_size, (5e3, 1.5e3, 2e6)),
}
"""Bytes: 4 a value and less where it is compressed, and what describes it."""
FETCH: Mapping[Measure, Model] = {
    "requests": Model(_images, (1.0, 0.2, 0.0)),
    "fetched_bytes": Model(_images, (7e2, 3.5e2, 8.75e5)),
}
COUNTED = Model(lambda v: (v.requests,), (1.0,))
"""Requests that can be counted, and what is asked beside them."""
DEVICE = Model(_forward, (0.05, 0.001, 1e-4, 0.002))
"""Seconds of a GPU."""


def model_of(node: Node, measure: Measure) -> Model:
    """The model of a cost of a node."""
    if measure == "device_seconds":
        return DEVICE
    if measure == "requests" and node.settings["provider"] == "earthengine":
        return COUNTED
    if measure in FETCH:
        return FETCH[measure]
    return (CORE if measure == "core_seconds" else DISK)[node.stage]


def group_of(node: Node, device: str = "cpu") -> Group:
    """Nodes whose costs are compared."""
    settings = node.settings
    names = {
        "fetch": ("provider", "collection"),
        "composite": ("composite",),
        "prep": ("input_prep",),
        "infer": ("model", "variant"),
        "stitch": ("output", "model", "variant"),
    }[node.stage]
    if node.stage == "stitch":  # of a network, whose tokens it is made of
        settings = {**node.inputs["tokens"].settings, **settings}
    own = tuple(str(settings.get(name, "")) for name in names)
    return (node.stage, *own, device) if node.stage == "infer" else (node.stage, *own)


Fits = Mapping[tuple[Measure, Group], Fit]


def measured(store: Store) -> Fits:
    """Fits by measure and group; and by measure and stage alone, over all of its groups."""
    found: dict[tuple[Measure, Group], list[tuple[tuple[float, ...], float]]] = {}
    models: dict[tuple[Measure, Group], Model] = {}
    nodes = StoredNodes(store)
    for node in (n for stage in STAGES for n in islice(nodes.of_stage(stage), MOST_NODES)):
        for device, volume, costs in _jobs(store, node):
            for measure, cost in costs.items():
                model = model_of(node, measure)
                for group in (group_of(node, device), _stage_group(node, device)):
                    models[measure, group] = model
                    row = (model.parts(volume), cost)
                    found.setdefault((measure, group), []).append(row)
    return {
        key: fit([r for r, _ in rows], [c for _, c in rows], models[key].guess)
        for key, rows in found.items()
    }


def _stage_group(node: Node, device: str) -> Group:
    return (node.stage, device) if node.stage == "infer" else (node.stage,)


def find_fit(fits: Fits, node: Node, measure: Measure, device: str) -> Fit | None:
    """What is known of a node's cost: from its like, or from others of its stage.

    What comes over a network is compared within a provider and collection alone.
    """
    own = fits.get((measure, group_of(node, device)))
    if own or node.stage == "fetch":
        return own
    return fits.get((measure, _stage_group(node, device)))


def _jobs(store: Store, node: Node) -> Iterator[tuple[str, Volume, dict[Measure, float]]]:
    """Of each job of a node: its device, what it had to do, and what that cost."""
    for path in sorted(store.folder(node).glob("*.run.json"))[:MOST_JOBS]:
        record = _read(path)
        if not record.get("extents") or not record.get("core_seconds"):
            continue  # of a version that did not tell
        if record.get("failed_rois", 0) > MOST_FAILED * record["rois"] or not record.get(
            "tiles", 1
        ):
            continue
        extents = {int(side): int(count) for side, count in record["extents"].items()}
        volume = volume_with_requests(node, Places(extents, record.get("own_days")))
        device = "cpu" if record.get("device", "cpu") == "cpu" else "gpu"
        yield device, volume, _costs(node, record, path, device)


def _costs(node: Node, record: Mapping[str, Any], path: Path, device: str) -> dict[Measure, float]:
    seconds, reused = float(record["seconds"]), float(record.get("reused_seconds", 0.0))
    # As if no tile had been copied, and no ROI had been there: a cost is that of the whole job.
    whole = seconds / max(seconds - reused, 0.05 * seconds, 1e-6) if reused else 1.0
    fetched = 1 - float(record.get("reused_rois", 0)) / float(record["rois"])
    found: dict[Measure, float] = {}
    if fetched > 0:
        found["core_seconds"] = float(record["core_seconds"]) * whole / fetched
    if device == "gpu":
        found["device_seconds"] = float(record["forward_seconds"])
    for measure, name in (("requests", "requests"), ("fetched_bytes", "bytes")):
        if node.stage == "fetch" and name in record and fetched > 0:
            found[measure] = float(record[name]) / fetched  # type: ignore[index]
    file = path.with_name(path.name.replace(".run.json", ".h5"))
    if file.exists():
        found["disk_bytes"] = float(file.stat().st_size)
    return found


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
