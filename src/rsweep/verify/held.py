"""What is held now against what a lock says: places, keys, artefacts, results, packages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rsweep.core.errors import CorruptError
from rsweep.core.names import file_names
from rsweep.core.nodes import Node
from rsweep.core.store import Store
from rsweep.explain.causes import chain_causes
from rsweep.plan.profiles import Profile
from rsweep.plan.study import Study
from rsweep.results.lock import embeddings_digest
from rsweep.results.profile import read_rows, versions
from rsweep.verify.rows import Row, Status

Lock = Mapping[str, Any]


def held_rows(study: Study, lock: Lock) -> Iterator[Row]:
    """Everything that can be compared without running a stage again."""
    yield from _places(study, lock)
    yield from _keys(study, lock)
    yield from _artefacts(study, lock)
    for profile in study.profiles:
        yield from _embeddings(study, profile, lock)
        if profile.settings["output"] == "grid":
            yield _grids(study, profile)
    yield from _packages(lock)


def _same(equal: bool) -> Status:
    return "identical" if equal else "different"


def _places(study: Study, lock: Lock) -> Iterator[Row]:
    told = lock["rois"]
    if not told:
        return
    now = [shard.name for shard in study.shards]
    detail = ""
    if told["count"] != len(study.rois):
        detail = f"{told['count']} ROIs in the lock, {len(study.rois)} now"
    elif now != told["shards"]:
        first = next(i for i, name in enumerate(now) if name not in told["shards"])
        detail = f"a ROI of shard {first + 1} of {len(now)} was edited"
    yield Row("places", str(study.options["rois"]), _same(now == told["shards"]), detail)


def _keys(study: Study, lock: Lock) -> Iterator[Row]:
    nodes = locked_nodes(lock)
    now = {profile.name: profile for profile in study.profiles}
    for name, keys in lock["profiles"].items():
        if name not in now:
            yield Row("keys", name, "missing", "the study has no such profile")
            continue
        same = now[name].keys() == keys
        yield Row("keys", name, _same(same), "" if same else _cause(now[name], keys, nodes))
    for name in now:
        if name not in lock["profiles"]:
            yield Row("keys", name, "different", "the lock has no such profile")


def locked_nodes(lock: Lock) -> dict[str, Node]:
    """The nodes that a lock holds in clear, by key."""
    found: dict[str, Node] = {}
    for key, told in lock["nodes"].items():  # sorted by key in the file, so in no useful order
        _locked(key, told, lock["nodes"], found)
    return found


def _locked(key: str, told: Any, every: Any, found: dict[str, Node]) -> Node:
    if key not in found:
        inputs = {n: _locked(k, every[k], every, found) for n, k in told["inputs"].items()}
        found[key] = Node(told["stage"], told["version"], told["settings"], inputs)
    return found[key]


def _cause(profile: Profile, keys: Mapping[str, str], nodes: Mapping[str, Node]) -> str:
    last = nodes.get(keys.get(profile.node.stage, ""))
    causes = chain_causes(last, profile.node, profile.settings) if last else []
    if causes:
        more = f" and {len(causes) - 1} more" if len(causes) > 1 else ""
        return f"{causes[0]}{more}"
    stages = [stage for stage, key in profile.keys().items() if keys.get(stage) != key]
    return f"{', '.join(stages)} have other keys"


def _artefacts(study: Study, lock: Lock) -> Iterator[Row]:
    store, nodes = Store(study.store), study.nodes()
    for key, shards in lock["artefacts"].items():
        if key not in nodes:
            continue  # said of its profile already
        for shard, sha256 in shards.items():
            name = f"{nodes[key].stage}/{key}/{shard}"
            yield Row("artefact", name, *_artefact(study, store, nodes[key], shard, sha256))


def _artefact(
    study: Study, store: Store, node: Node, shard: str, sha256: str
) -> tuple[Status, str]:
    if not store.path(node, shard).exists():
        kept = study.retain.get(node.stage) != "temp"
        return ("missing", f"{store.path(node, shard)} is not there") if kept else ("not kept", "")
    try:
        same = store.content(node, shard) == sha256
    except CorruptError as error:
        return "different", str(error)
    return _same(same), "" if same else "its values are others"


def _embeddings(study: Study, profile: Profile, lock: Lock) -> Iterator[Row]:
    told = lock["results"].get(profile.name)
    if not told:
        return
    try:
        now = embeddings_digest(study.folder, profile.name)
    except (OSError, ValueError, KeyError) as error:
        yield Row("embeddings", profile.name, "different", f"cannot be read: {error}")
        return
    if not now:
        yield Row("embeddings", profile.name, "missing", "embeddings.parquet is not there")
    else:
        detail = "" if now == told else "ids or vectors are others"
        yield Row("embeddings", profile.name, _same(now == told), detail)


def _grids(study: Study, profile: Profile) -> Row:
    """The first grid whose file is not what the stitch stage made."""
    folder = study.folder / "profiles" / profile.name / "grids"
    try:
        wrong = next(_wrong_grids(study, profile, folder), None)
    except CorruptError as error:
        return Row("grids", profile.name, "missing", str(error))
    if wrong is None:
        return Row("grids", profile.name, "identical")
    return Row("grids", profile.name, *wrong)


def _wrong_grids(study: Study, profile: Profile, folder: Path) -> Iterator[tuple[Status, str]]:
    import rasterio

    for path, row in grid_files(study, profile, folder):
        if not path.exists():
            yield "missing", f"{path.name} is not there"
            continue
        try:
            with rasterio.open(path) as raster:
                values = raster.read(list(range(1, len(row) + 1)))
        except (rasterio.errors.RasterioError, IndexError) as error:
            yield "different", f"{path.name} cannot be read: {error}"
            continue
        if not np.array_equal(values, row.astype(np.float32), equal_nan=True):
            yield "different", f"{path.name} has other values than the stitch stage made"


def grid_files(study: Study, profile: Profile, folder: Path) -> Iterator[tuple[Path, Any]]:
    """Each grid's file and the values that it is to hold."""
    names = file_names([roi.id for roi in study.rois])
    for row in read_rows(study, profile, grids=True):
        if row.grid is not None:
            yield folder / f"{names[row.roi.id]}.tif", row.grid


def _packages(lock: Lock) -> Iterator[Row]:
    now = versions()
    for name, version in lock["versions"].items():
        have = now.get(name, "none")
        detail = "" if have == version else f"{version} in the lock, {have} now"
        yield Row("package", name, _same(have == version), detail)
