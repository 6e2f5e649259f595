"""What is held now against what a lock says: places, keys, artefacts, results, packages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rsweep.core.errors import CorruptError
from rsweep.core.nodes import Node
from rsweep.core.places import Places, places_of
from rsweep.core.store import Store
from rsweep.explain.causes import chain_causes
from rsweep.explain.scenes import compare_scenes, merged
from rsweep.plan.profiles import Profile
from rsweep.plan.scenes import renamed
from rsweep.plan.study import Study
from rsweep.results.lock import embeddings_digest, grid_digest, locked_digests, locked_nodes
from rsweep.results.profile import VALID_SHARE, grid_files
from rsweep.results.versions import versions
from rsweep.stages.fetch.manifest import unpack_scenes
from rsweep.stages.fetch.used import used_scenes
from rsweep.verify.rows import Row, Status

Lock = Mapping[str, Any]
"""A lock as `read_whole` gives it."""


def held_rows(study: Study, lock: Lock) -> Iterator[Row]:
    """Everything that can be compared without running a stage again."""
    yield from _places(study, lock)
    yield from _labels(study, lock)
    yield from _keys(study, lock)
    yield from _scenes(study, lock)
    yield from _artefacts(study, lock)
    for profile in study.profiles:
        told = lock["results"].get(profile.name, {})
        if told.get("embeddings"):
            yield _embeddings(study, profile.name, told["embeddings"])
        if told.get("grids"):
            yield _grids(study, profile, told["grids"])
    for name, told in lock["given"].items():
        yield _given(study, name, told)
        yield _embeddings(study, name, told["embeddings"])
    yield from _packages(lock)


def _given(study: Study, name: str, told: Mapping[str, str]) -> Row:
    """Whether embeddings that others computed are read from the same file in the same way."""
    now = next((given.identity() for given in study.given if given.name == name), None)
    if now is None:
        return Row("given", name, "not kept", f"{told['path']} is not at hand")
    other = [part for part in now if part != "path" and now[part] != told[part]]
    detail = f"{other[0]}: {told[other[0]]} in the lock, {now[other[0]]} now" if other else ""
    return Row("given", name, _same(not other), detail)


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
        edited = [i for i, name in enumerate(now, start=1) if name not in told["shards"]]
        detail = "ROIs are in another order"
        if edited:
            detail = f"a ROI of shard {edited[0]} of {len(now)} was edited"
    yield Row("places", str(study.options["rois"]), _same(now == told["shards"]), detail)


def _labels(study: Study, lock: Lock) -> Iterator[Row]:
    """The raster of labels, read anew."""
    if not lock["labels"]:
        return
    name, raster = lock["labels"]["raster"], study.evaluate.get("label_raster")
    if not raster or not Path(raster).is_file():
        yield Row("labels", name, "missing", "the study names no raster of labels that is here")
        return
    with Path(raster).open("rb") as file:
        same = hashlib.file_digest(file, "sha256").hexdigest() == lock["labels"]["sha256"]
    yield Row("labels", name, _same(same), "" if same else f"{raster} has another content")


def _keys(study: Study, lock: Lock) -> Iterator[Row]:
    nodes, places = locked_nodes(lock), places_of(study.rois, study.shards)
    now = {profile.name: profile for profile in study.profiles}
    for name, keys in lock["profiles"].items():
        if name not in now:
            yield Row("keys", name, "missing", "the study has no such profile")
            continue
        same = now[name].keys() == keys
        yield Row("keys", name, _same(same), "" if same else _cause(now[name], keys, nodes, places))
    for name in now:
        if name not in lock["profiles"]:
            yield Row("keys", name, "different", "the lock has no such profile")


def _cause(
    profile: Profile, keys: Mapping[str, str], nodes: Mapping[str, Node], places: Places
) -> str:
    last = nodes.get(keys.get(profile.node.stage, ""))
    causes = chain_causes(last, profile.node, profile.settings, places) if last else []
    if causes:
        more = f" and {len(causes) - 1} more" if len(causes) > 1 else ""
        return f"{causes[0]}{more}"
    stages = [stage for stage, key in profile.keys().items() if keys.get(stage) != key]
    return f"{', '.join(stages)} have other keys"


def _scenes(study: Study, lock: Lock) -> Iterator[Row]:
    """Scenes on a disk that the lock names, as they are there now."""
    options = study.node_options()
    for key, told in lock["fetch"].items():
        before, node = unpack_scenes(told), study.nodes().get(key)
        if not before or not node:
            continue
        known = {name for scenes in before.values() for name in scenes}
        now = used_scenes(node, options[key], study.shards, known)
        changes = merged(
            compare_scenes(scenes, now.get(shard, {})) for shard, scenes in before.items()
        )
        yield Row("scenes", f"fetch/{key}", _same(not changes), str(changes))


def _artefacts(study: Study, lock: Lock) -> Iterator[Row]:
    store, made = Store(study.store), dict[str, Node]()
    digests = locked_digests(lock)
    nodes = {key: renamed(node, digests, made) for key, node in study.nodes().items()}
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
        kept = study.retain.get(node.stage) != "temp" and store.root.is_dir()
        return ("missing", f"{store.path(node, shard)} is not there") if kept else ("not kept", "")
    try:
        same = store.content(node, shard) == sha256
    except CorruptError as error:
        return "different", str(error)
    return _same(same), "" if same else "its values are others"


def _embeddings(study: Study, name: str, told: str) -> Row:
    kind = "given" if (study.folder / "given" / name).is_dir() else "profiles"
    try:
        now = embeddings_digest(study.folder / kind / name)
    except (OSError, ValueError, KeyError) as error:
        return Row("embeddings", name, "different", f"cannot be read: {error}")
    if not now:
        return Row("embeddings", name, "missing", "embeddings.parquet is not there")
    detail = "" if now == told else "ids or vectors are others"
    return Row("embeddings", name, _same(now == told), detail)


def _grids(study: Study, profile: Profile, told: Mapping[str, str]) -> Row:
    """The first grid whose file is not what the lock says."""
    folder = study.folder / "profiles" / profile.name / "grids"
    files = grid_files(folder)
    for roi, sha256 in told.items():
        if roi not in files:
            return Row("grids", profile.name, "missing", f"{folder} has no grid of ROI {roi}")
        if read_values(files[roi]) != sha256:
            return Row("grids", profile.name, "different", f"{files[roi].name} has other values")
    return Row("grids", profile.name, "identical")


def read_values(path: Path) -> str:
    """Digest of a grid's embedding as its file has it; "" where that cannot be read."""
    import rasterio

    try:
        with rasterio.open(path) as raster:
            names = enumerate(raster.descriptions, start=1)
            return grid_digest(raster.read([i for i, name in names if name != VALID_SHARE]))
    except rasterio.errors.RasterioError:
        return ""


def _packages(lock: Lock) -> Iterator[Row]:
    now = versions()
    for name, version in lock["versions"].items():
        have = now.get(name, "none")
        detail = "" if have == version else f"{version} in the lock, {have} now"
        yield Row("package", name, _same(have == version), detail)
