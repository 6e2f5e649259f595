"""The sweep table and the lock of a study."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsweep.core.errors import RsweepError
from rsweep.core.files import get_json, replacing, write_json
from rsweep.core.nodes import Node
from rsweep.core.store import Store
from rsweep.plan.departures import profile_departures
from rsweep.plan.study import Study
from rsweep.results.profile import versions
from rsweep.results.ran import Ran, read_ran
from rsweep.sources.registry import endpoint
from rsweep.stages.fetch.locks import LOCKED, read_lock


def sweep_rows(study: Study, ran: Mapping[str, Ran]) -> list[dict[str, Any]]:
    """A row per profile: every setting, every stage key, cost, quality; then those skipped."""
    rows = []
    for profile in study.profiles:
        own = ran[profile.name]
        quality = _read(study.folder / "profiles" / profile.name / "quality.json")
        rows.append({
            "profile": profile.name,
            "status": "ok",
            **_outcomes(own),
            **{f"key_{stage}": key for stage, key in profile.keys().items()},
            **own.cost,
            **quality,
            "outside_training": "; ".join(profile_departures(profile.settings)),
            **{name: _cell(value) for name, value in profile.settings.items()},
        })  # fmt: skip
    for skipped in study.skipped:
        settings = {name: _cell(value) for name, value in skipped.settings.items()}
        rows.append(
            {"profile": skipped.name, "status": "skipped", "reason": skipped.reason, **settings}
        )
    return rows


def _outcomes(ran: Ran) -> dict[str, Any]:
    return {
        "rois": ran.rois,
        "rois_failed": len(ran.failed),
        "reason": "; ".join(counted(ran.failed)),
        "valid_share": ran.valid_share,
        "real_share": ran.real_share,
    }


def counted(failed: Mapping[str, str]) -> list[str]:
    """Why ROIs have no embedding, the commonest reason first: `2 ROIs, r4 first: no scenes`."""
    found: dict[str, list[str]] = {}
    for roi, reason in failed.items():
        found.setdefault(reason, []).append(roi)
    ordered = sorted(found.items(), key=lambda item: -len(item[1]))
    return [f"{f'{len(rois)} ROIs, {rois[0]} first' if len(rois) > 1 else rois[0]}: {reason}"
            for reason, rois in ordered]  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, list | dict) else value


def write_sweep(study: Study, path: Path) -> None:
    """Write sweep.csv."""
    rows = sweep_rows(study, read_ran(study))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def write_lock(study: Study, path: Path) -> None:
    """Write study.lock.json: keys, scenes by fetch key and ROI, cloud rules, weights, versions."""
    nodes, options = study.nodes().values(), study.node_options()
    fetched = {
        n.key: {"settings": n.settings, "rois": _manifests(study, n),
                "endpoint": endpoint(n.settings["provider"], options[n.key])}
        for n in nodes if n.stage == "fetch"
    }  # fmt: skip
    rules = {n.key: n.settings.get("cloud_mask", {}) for n in nodes if n.stage == "composite"}
    lock = {
        "study": study.name,
        "profiles": {p.name: p.keys() for p in study.profiles},
        "fetch": fetched,
        "quality_rules": rules,
        "weights": _weights(study),
        "versions": {k: v for k, v in versions().items() if k != "written"},
    }
    write_json(path, lock)


def check_lock(study: Study) -> None:
    """Compare what the store holds with a frozen study's lock.

    A file of the store is not fetched again, so it may be of other scenes than the lock's.

    Raises:
        RsweepError: a ROI is not what the lock says; names them and the files to remove.
    """
    for node in study.nodes().values():
        if node.stage != "fetch":
            continue
        lock, held = read_lock(str(study.lock), node.key), _manifests(study, node)
        other = [roi for roi, told in held.items() if told != lock.entry(roi)]
        if other:
            folder = Store(study.store).folder(node)
            raise RsweepError(f"{folder} holds other scenes than {study.lock}, of ROIs "
                              f"{', '.join(other)}; remove it and run again")  # fmt: skip


def _manifests(study: Study, node: Node) -> dict[str, Any]:
    store = Store(study.store)
    found: dict[str, Any] = {}
    for shard in study.shards:
        if not store.path(node, shard.name).exists():
            continue  # a store may have dropped what only finished stages have read
        with store.read(node, shard.name) as file:
            for roi in get_json(file, "rois"):
                found[roi["id"]] = {name: roi[name] for name in LOCKED if name in roi}
    return found


def _weights(study: Study) -> dict[str, Any]:
    store, found = Store(study.store), {}
    for node in study.nodes().values():
        if node.stage == "infer":
            for shard in study.shards:
                found[node.key] = store.read_record(node, shard.name).get("weights", {})
    return found
