"""Planning a study once: the first process writes the plan, and all others find and read it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rsweep.core.canonical import digest
from rsweep.core.digests import File, known_sha256, walk
from rsweep.core.errors import CorruptError
from rsweep.core.nodes import KEY_LENGTH
from rsweep.core.roi_formats import files_of
from rsweep.core.sealed_json import read_sealed, write_sealed
from rsweep.core.shards import Shard
from rsweep.models.pins import pins_file
from rsweep.plan.config import check_size
from rsweep.plan.evaluation import raster_path
from rsweep.plan.given import GivenSet, read_places
from rsweep.plan.pinning import pinned_study
from rsweep.plan.profiles import Profile
from rsweep.plan.race import Race
from rsweep.plan.stored import StoredRois, config_digest, make_nodes, named, node_row, roi_row
from rsweep.plan.study import Study
from rsweep.plan.sweep import Skipped
from rsweep.sources.registry import find_provider

SOURCE = Path(__file__).parents[1]
KEPT = 3
"""Plans of a study that stay when a new one is written: another run may be reading them."""


def find_plan(config: Mapping[str, Any], where: str = "study") -> Path:
    """The folder of a study's plan; it is made if there is none or if it is out of date.

    Raises:
        StudyError: every problem of the study at once; `where` names its file in them.
    """
    check_size(config, where)
    folder = _folder(config)
    if folder is None or not _is_current(folder):
        study = pinned_study(config, where)
        folder = _folder(config)
        assert folder is not None, "a valid study names its results and its ROI table"
        _write(study, folder)
    return folder


def _folder(config: Mapping[str, Any]) -> Path | None:
    """Where the plan of a study lies if there is one; None of a study that is not valid."""
    try:
        table = Path(str(config["rois"]))
        rois = [known_sha256(file) for file in files_of(table)]
        results = Path(str(config.get("results") or "results"))
        name = digest([config_digest(config), rois, _source_digest()])[:KEY_LENGTH]
        return results / str(config["study"]) / "plan" / name
    except (KeyError, TypeError, OSError):
        return None


def _source_digest() -> str:
    """Identity of this package's code, as far as sizes and times tell."""
    files = sorted((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in SOURCE.rglob("*.py"))
    return digest(files)


def _is_current(folder: Path) -> bool:
    """True if a plan is there as it was written, and what it was made of is as it was."""
    try:
        found = read_sealed(folder / "plan.json")
    except CorruptError:
        return False
    shards = {shard["name"] for shard in found["shards"]}
    there = [{path.stem for path in (folder / kind).glob("*.json")} for kind in ("nodes", "shards")]
    watched = found["watched"].items()
    return there == [set(found["nodes"]), shards] and all(
        _fingerprint(Path(path)) == was for path, was in watched
    )


def _fingerprint(path: Path) -> Any:
    """What tells that a file or folder has changed; None where there is none."""
    try:
        if path.is_dir():
            return digest([[file.path, *file.state] for file in walk(path)])
        return File.of(path.name, path.stat()).state
    except OSError:
        return None


def _watched(study: Study) -> Iterator[Path]:
    """Files and folders beside the ROI table whose content or absence the plan depends on."""
    if study.options["frozen"]:
        yield study.lock
    if study.options["published"]:
        yield Path(study.options["published"])
    if raster := raster_path(study.evaluate):
        yield raster
    for given in study.given:
        yield from read_places(given.path, given.decode)
    yield pins_file(study.store)
    asked = [p.settings for p in study.profiles] + [s.settings for s in study.skipped]
    for settings in asked:
        if "://" not in str(settings.get("weights") or ""):
            yield Path(str(settings.get("weights")))
        provider = settings.get("provider")
        options = settings.get(str(provider))
        if isinstance(options, Mapping):
            yield from find_provider(str(provider)).planning_reads(options)


def _write(study: Study, folder: Path) -> None:
    """Write a plan so that it is there as a whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}."
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=prefix, suffix=".tmp"))
    try:
        _write_files(study, temporary)
        temporary.chmod(0o755)
        if not _is_current(folder):  # else another process was faster
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _drop_old(folder)


def _drop_old(folder: Path) -> None:
    others = [p for p in folder.parent.iterdir() if p != folder and not p.name.startswith(".")]
    for path in sorted(others, key=lambda p: p.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)


def _write_files(study: Study, folder: Path) -> None:
    nodes, options = study.nodes(), study.node_options()
    for kind in ("nodes", "shards"):
        (folder / kind).mkdir()
    for key, node in nodes.items():
        chain = [n.key for n in node.upstream()]
        write_sealed(
            folder / "nodes" / f"{key}.json",
            {
                "nodes": {k: node_row(nodes[k]) for k in chain},
                "options": {k: options[k] for k in chain if k in options},
                "store": str(study.store),
                "on_roi_error": study.options["on_roi_error"],
            },
        )
    table = hashlib.sha256()  # a shard's name tells all of its ROIs but their labels
    for shard in study.shards:
        rois = [roi_row(roi) for roi in shard.rois]
        write_sealed(folder / "shards" / f"{shard.name}.json", rois)
        table.update(digest([shard.name, [labels for *_, labels in rois]]).encode())
    write_sealed(
        folder / "plan.json",
        {
            "name": study.name,
            "options": named(study.options),
            "evaluate": named(study.evaluate),
            "retain": study.retain,
            "profiles": [[p.name, p.settings, p.node.key] for p in study.profiles],
            "skipped": [[s.name, named(s.settings), s.reason] for s in study.skipped],
            "nodes": {key: node_row(node) for key, node in nodes.items()},
            "shards": [
                {"name": s.name, "rois": len(s.rois), "extents": s.extents} for s in study.shards
            ],
            "roi_digest": table.hexdigest(),
            "config": named(study.config),
            "given": [given.record() for given in study.given],
            "race": asdict(study.race) if study.race else None,
            "watched": {str(path): _fingerprint(path) for path in _watched(study)},
        },
    )


def read_plan(folder: Path) -> tuple[Study, str]:
    """A study as it was planned, and the digest of what results take from its ROI table.

    Raises:
        CorruptError: the plan is not there, or was changed.
    """
    path = folder / "plan.json"
    found = read_sealed(path)
    nodes = make_nodes(found["nodes"], path)
    shards = [
        Shard(
            shard["name"],
            StoredRois(folder, {shard["name"]: shard["rois"]}),
            {int(side): count for side, count in shard["extents"].items()},
        )
        for shard in found["shards"]
    ]
    study = Study(
        found["name"],
        StoredRois(folder, {shard["name"]: shard["rois"] for shard in found["shards"]}),
        [Profile(name, settings, nodes[key]) for name, settings, key in found["profiles"]],
        [Skipped(*row) for row in found["skipped"]],
        found["options"],
        found["evaluate"],
        found["retain"],
        shards,
        found["config"],
        [GivenSet(**given) for given in found["given"]],
        _race(found["race"]),
    )
    return study, found["roi_digest"]


def _race(row: Mapping[str, Any] | None) -> Race | None:
    return Race(tuple(row["parts"]), row["confidence"]) if row else None
