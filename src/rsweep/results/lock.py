"""The lock of a study: everything that it takes to repeat it, and to prove that it was repeated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rsweep.core.canonical import canonical_json, digest
from rsweep.core.digests import known_sha256
from rsweep.core.errors import RsweepError
from rsweep.core.files import write_json
from rsweep.core.nodes import Node
from rsweep.core.redact import portable, without_secrets
from rsweep.core.store import Store, content_of
from rsweep.jobs.runner import reading
from rsweep.models.pins import Pin, checkpoint_name
from rsweep.plan.pinning import published
from rsweep.plan.profiles import Profile
from rsweep.plan.rounds import finished, rounds_so_far, wanted_shards
from rsweep.plan.study import Study
from rsweep.results.profile import read_rows
from rsweep.results.versions import versions
from rsweep.sources.registry import find_provider
from rsweep.stages.fetch.format import read_held, read_rois
from rsweep.stages.fetch.locks import LOCKED, read_lock
from rsweep.stages.fetch.manifest import pack, pack_scenes, unpack_scenes
from rsweep.stages.fetch.used import Scenes, scenes_digest, used_scenes

LOCK_VERSION = 3
"""Of the file's format. Version 1 had no version, no artefacts and no results; version 2 had the
study as a mapping, which a file of sorted names puts in another order."""


LATER = ("config", "rois", "labels", "nodes", "fetch", "artefacts", "results", "given")
"""Parts that locks have had since a later version, or that a study may lack."""


def write_lock(study: Study, path: Path) -> None:
    """Write study.lock.json; see docs/reproduce.md for what it holds."""
    write_json(path, make_lock(study))


def make_lock(study: Study) -> dict[str, Any]:
    """A lock as JSON: no path, account or signature is in it."""
    nodes, options = study.nodes(), study.node_options()
    fetched = {
        n.key: {
            "settings": n.settings,
            **pack(_manifests(study, n)),
            **_held(study, n, options[n.key]),
            "endpoint": _endpoint(n, options[n.key]),
        }
        for n in nodes.values()
        if n.stage == "fetch"
    }
    rules = {
        n.key: n.settings.get("cloud_mask", {}) for n in nodes.values() if n.stage == "composite"
    }
    return {
        "lock": LOCK_VERSION,
        "study": study.name,
        "config": json.dumps(_portable(without_secrets(study.config))),
        "rois": {"count": len(study.rois), "shards": [shard.name for shard in study.shards]},
        "labels": _labels(study),
        "profiles": {p.name: p.keys() for p in study.profiles},
        "nodes": {key: node.identity() for key, node in nodes.items()},
        "fetch": fetched,
        "quality_rules": rules,
        "weights": _weights(study),
        "pins": {name: asdict(pin) for name, pin in _used_pins(study).items()},
        "artefacts": {key: dict(_artefacts(study, node)) for key, node in nodes.items()},
        "results": {p.name: _result(study, p) for p in finished(study).profiles},
        "given": {
            g.name: {
                **portable(g.record()),
                "embeddings": embeddings_digest(study.folder_of(g.name)),
            }
            for g in study.given
        },
        **_race(study),
        "versions": {k: v for k, v in versions().items() if k != "written"},
    }


def _labels(study: Study) -> dict[str, str]:
    """The raster that the labels are from, by name and content; nothing where there is none."""
    raster = study.evaluate.get("label_raster")
    return {"raster": Path(raster).name, "sha256": known_sha256(Path(raster))} if raster else {}


def _race(study: Study) -> dict[str, Any]:
    """What the rounds of a race decided; its seconds are of this machine, and in no lock."""
    timed = ("seconds", "saved_seconds")
    rounds = [
        {name: value for name, value in asdict(found).items() if name not in timed}
        for found in rounds_so_far(study)
    ]
    return {"race": rounds} if study.race else {}


def _portable(config: Mapping[str, Any]) -> dict[str, Any]:
    """A study without what only this machine has: folders of results, absolute paths."""
    here = ("results", "store", "upstream", "lock", "frozen")
    return {name: _relative(value) for name, value in config.items() if name not in here}


def _relative(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _relative(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_relative(item) for item in value]
    absolute = isinstance(value, str) and Path(value).is_absolute()
    return Path(value).name if absolute else value


def read_whole(path: Path) -> dict[str, Any]:
    """A lock of any version, in the form of this one; what an older one lacks is empty.

    Raises:
        RsweepError: the file cannot be read, is no lock, or is of a later rsweep.
    """
    try:
        found = json.loads(path.read_text())
        version = found.get("lock", 1)
        empty: dict[str, Any] = {name: {} for name in LATER}
        complete = {**empty, **found}
        profiles = complete["profiles"]
        if isinstance(complete["config"], str):  # text, since its order names the profiles
            complete["config"] = json.loads(complete["config"])
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise RsweepError(f"{path} is not a lock that rsweep wrote: {error!r}") from None
    if version > LOCK_VERSION or not isinstance(profiles, dict):
        raise RsweepError(
            f"{path} is a lock of version {version}; this rsweep reads 1 to {LOCK_VERSION}"
        )
    return dict(complete)


def locked_digests(lock: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Fetch key -> shard -> digest of the scenes on a disk that it used."""
    used = {key: unpack_scenes(told) for key, told in lock["fetch"].items()}
    return {
        key: {shard: scenes_digest(own) for shard, own in shards.items()}
        for key, shards in used.items()
    }


def locked_nodes(lock: Mapping[str, Any]) -> dict[str, Node]:
    """The nodes that a lock holds in clear, by key, with the scenes that their shards used."""
    found: dict[str, Node] = {}
    digests = locked_digests(lock)
    for key in lock["nodes"]:  # sorted by key in the file, so in no useful order
        _locked(key, lock["nodes"], digests, found)
    return found


def _locked(key: str, every: Any, digests: Any, found: dict[str, Node]) -> Node:
    if key not in found:
        told, scenes = every[key], digests.get(key, {})
        inputs = {n: _locked(k, every, digests, found) for n, k in told["inputs"].items()}
        found[key] = Node(told["stage"], told["version"], told["settings"], inputs, scenes=scenes)
    return found[key]


def _artefacts(study: Study, node: Node) -> Iterator[tuple[str, str]]:
    """Shard -> sha256 of the values in the node's file, for those that the store has kept."""
    store, wanted = Store(study.store), wanted_shards(study)[node.key]
    for shard in study.shards:
        if shard.name in wanted and store.path(node, shard.name).exists():
            with reading(study, node, shard) as file:
                yield shard.name, content_of(file)


def _result(study: Study, profile: Profile) -> dict[str, Any]:
    """Digests of a profile's vectors and, by ROI, of its grids."""
    rows = read_rows(study, profile, grids=True)
    grids = {row.roi.id: grid_digest(row.grid) for row in rows if row.grid is not None}
    return {"embeddings": embeddings_digest(study.folder_of(profile.name)), "grids": grids}


def grid_digest(values: NDArray[Any]) -> str:
    """Short digest of a grid [D, h, w] as its file holds it, in float32."""
    exact = np.ascontiguousarray(values, dtype="<f4")
    exact[np.isnan(exact)] = np.nan  # one of the many bit patterns that are no number
    sha = hashlib.sha256(canonical_json(list(exact.shape)).encode())
    sha.update(exact.tobytes())
    return sha.hexdigest()[:16]


def embeddings_digest(folder: Path) -> str:
    """sha256 of ids and vectors of a profile's folder in table order; "" where there are none."""
    path = folder / "embeddings.parquet"
    if not path.exists():
        return ""
    with pq.ParquetFile(path) as file:  # read_table first imports pandas and pyarrow.dataset
        table = file.read(columns=["id", "embedding"])
    vectors = table["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    sha = hashlib.sha256(canonical_json(table["id"].to_pylist()).encode())
    sha.update(np.ascontiguousarray(vectors, dtype="<f4").tobytes())
    return sha.hexdigest()


def roi_digest(study: Study) -> str:
    """Identity of a study's places: their ids, shapes and windows, in table order."""
    return digest([shard.name for shard in study.shards])


def check_lock(study: Study) -> None:
    """Compare what the store holds with a frozen study's lock.

    A file of the store is not fetched again, so it may be of other scenes than the lock's.

    Raises:
        RsweepError: a ROI is not what the lock says; names them and the files to remove.
    """
    for node in study.nodes().values():
        if node.stage != "fetch":
            continue
        lock, held = read_lock(str(study.lock), node), _manifests(study, node)
        other = [roi for roi, told in held.items() if told != lock.entry(roi)]
        if other:
            folder = Store(study.store).folder(node)
            raise RsweepError(
                f"{folder} holds other scenes than {study.lock}, of ROIs "
                f"{', '.join(other)}; remove it and run again"
            )


def _endpoint(node: Node, options: Mapping[str, Any]) -> str:
    """Where the scenes of a fetch came from; "" of one that is on no network."""
    return str(without_secrets(find_provider(node.settings["provider"]).address(options)))


def _manifests(study: Study, node: Node) -> dict[str, Any]:
    store = Store(study.store)
    found: dict[str, Any] = {}
    for shard in study.shards:
        if not store.path(node, shard.name).exists():
            continue  # a store may have dropped what only finished stages have read
        with reading(study, node, shard) as file:
            for roi in read_rois(file):
                found[roi["id"]] = {name: value for name, value in roi.items() if name in LOCKED}
    return found


def _held(study: Study, node: Node, options: Mapping[str, Any]) -> dict[str, Any]:
    """`held`: the scenes on a disk that each shard used; nothing of a service."""
    store = Store(study.store)
    found: dict[str, Scenes] = {}
    dropped = []
    for shard in (shard for shard in study.shards if shard.name in node.scenes):
        if store.path(node, shard.name).exists():
            with reading(study, node, shard) as file:
                _, found[shard.name] = read_held(file)
        else:
            dropped.append(shard)
    if dropped:  # as the study says of fetches that have been read
        now = used_scenes(node, options, dropped)
        found |= {s: used for s, used in now.items() if scenes_digest(used) == node.scenes[s]}
    return {"held": pack_scenes(found)} if found else {}


def _used_pins(study: Study) -> dict[str, Pin]:
    """Which file each published checkpoint of the study is."""
    used = {checkpoint_name(c) for p in study.profiles if (c := published(p.settings))}
    return {name: pin for name, pin in sorted(study.pins().items()) if name in used}


def _weights(study: Study) -> dict[str, Any]:
    store, found = Store(study.store), {}
    for node in study.nodes().values():
        if node.stage == "infer":
            for shard in study.shards:
                record = store.read_record(node, shard.name)
                if record or node.key not in found:  # a race leaves shards out
                    found[node.key] = record.get("weights", {})
    return dict(portable(found))
