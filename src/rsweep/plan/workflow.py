"""What the Snakefile asks of the library: files, inputs, targets and resources of jobs."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rsweep.core.canonical import digest
from rsweep.core.digests import known_sha256
from rsweep.core.nodes import Node, name_of
from rsweep.core.shards import Shard
from rsweep.plan.evaluation import DESIGN, PROBING, raster_path
from rsweep.plan.planning import find_plan, read_plan
from rsweep.plan.rounds import only, parts_file, race_folder, round_file
from rsweep.plan.study import Study

KEY_PATTERN = "[0-9a-f]{16}"


class Plan:
    """A study as Snakemake sees it: files that other files are made of.

    Attributes:
        path: the folder of its plan.
        roi_digest: what result tables take from the ROI table beside the pixels: labels, windows.
    """

    def __init__(self, config: Mapping[str, Any], where: str = "study") -> None:
        self.path = find_plan(config, where)
        self.study, self.roi_digest = read_plan(self.path)
        self.nodes = self.study.nodes()
        self.shards = {shard.name: shard for shard in self.study.shards}
        self.profiles = {profile.name: profile for profile in self.study.profiles}
        self.given = {given.name: given for given in self.study.given}
        self.store = self.study.store
        self.folder = self.study.folder

    def file(self, node: Node, shard: str) -> str:
        """A node's file for a shard."""
        return f"{self.store}/{name_of(node, shard)}.h5"

    def shard(self, key: str, file: str) -> Shard:
        """The shard of a node's file, which the wildcard `shard` of its rule names."""
        return self.shards[self.nodes[key].shard(file)]

    def inputs(self, key: str, file: str) -> dict[str, str]:
        """Input name -> file of the job that makes a node's file."""
        node, shard = self.nodes[key], self.shard(key, file).name
        return {name: self.file(found, shard) for name, found in node.inputs.items()}

    def stitched(self, profile: str) -> list[str]:
        """The files that a profile's results are made of."""
        node = self.profiles[profile].node
        return [self.file(node, shard) for shard in self.shards]

    def stitched_grids(self) -> list[str]:
        """The files that figures of grids are made of."""
        grids = [n for n, p in self.profiles.items() if p.settings["output"] == "grid"]
        return [file for name in grids for file in self.stitched(name)]

    def only(self, names: Sequence[str]) -> Plan:
        """The same plan for some of its profiles; nodes and shards stay."""
        left = copy.copy(self)
        left.study = only(self.study, names)
        left.profiles = {profile.name: profile for profile in left.study.profiles}
        return left

    @property
    def rounds(self) -> int:
        """Rounds of a race after which profiles may stop; 0 of a study that does not race."""
        return len(self.study.race.parts) if self.study.race else 0

    @property
    def race_options(self) -> dict[str, Any]:
        """What the study says of its race."""
        return dict(vars(self.study.race)) if self.study.race else {}

    def race_files(self) -> list[str]:
        """What a race has decided, for whoever tells of it."""
        numbers = range(1, self.rounds + 1)
        decided = [str(round_file(self.study, number)) for number in numbers]
        return [str(parts_file(self.study)), *decided] if decided else []

    def raced(self, batch: str, part: Sequence[str]) -> list[str]:
        """The files that a batch of profiles is judged by on a part of the shards."""
        names = race_batches(self.study)[batch]
        return [self.file(self.profiles[name].node, shard) for name in names for shard in part]

    def race_evaluations(self, number: int) -> list[str]:
        """The files that say that every batch of profiles is evaluated for a round."""
        folder = f"{race_folder(self.study)}/{number}"
        return [f"{folder}/batch-{batch}.json" for batch in race_batches(self.study)]

    def results(self) -> list[str]:
        """Every file that a study asks for."""
        made = (*self.sweep_files().values(), *(f"{self.folder}/{name}" for name in RESULT_FILES))
        return [*self._profile_files(), *self.metas(), *made, *self.published_files().values()]

    def published_files(self) -> dict[str, str]:
        """Output name -> file of the comparison with published numbers, if the study has any."""
        if not self.study.options["published"]:
            return {}
        return {"table": f"{self.folder}/published.csv", "figure": f"{self.folder}/published.svg"}

    @property
    def complete(self) -> str:
        """The file that says that a study has all its results and enough embeddings."""
        return f"{self.folder}/complete.json"

    def sweep_files(self) -> dict[str, str]:
        """Output name -> file of the rule that makes the sweep table.

        A frozen study reads its lock: as an output, Snakemake would remove it before the job.
        """
        table = {"table": f"{self.folder}/sweep.csv"}
        return table if self.study.options["frozen"] else {**table, "lock": str(self.study.lock)}

    def _profile_files(self) -> list[str]:
        names = []
        for name, profile in self.profiles.items():
            files = ["embeddings.parquet"]
            if profile.settings["output"] == "grid":
                files.append("grids")
            names += [f"{self.folder}/profiles/{name}/{file}" for file in files]
        return names

    def metas(self) -> list[str]:
        """The files that say what each profile and given set is."""
        names = (*self.profiles, *self.given)
        return [str(self.study.folder_of(name) / "meta.json") for name in names]

    @property
    def keys_digest(self) -> str:
        """Identity of the sweep table: profiles by name and key, and those skipped."""
        rows = [[name, profile.node.key] for name, profile in self.profiles.items()]
        skipped = [[s.name, s.reason] for s in self.study.skipped]
        given = [each.identity() for each in self.study.given]
        return digest([rows, skipped, *([given] if given else [])])

    @property
    def lock_digest(self) -> str:
        """Identity of the lock that a frozen study is held to, else nothing."""
        if not self.study.options["frozen"]:
            return ""
        return known_sha256(self.study.lock)

    def requests(self, key: str) -> int:
        """Earth Engine requests that a fetch job has in flight at once; 0 of other providers."""
        provider = self.nodes[key].settings["provider"]
        return int(self.study.node_options()[key]["parallel"]) if provider == "earthengine" else 0

    def embeddings(self, batch: str) -> list[str]:
        """The embeddings that a batch of evaluations reads; of labelled cells the grids, too."""
        names = batches(self.study)[batch]
        files = [str(self.study.folder_of(name) / "embeddings.parquet") for name in names]
        if self.study.evaluate.get("label_raster"):
            files += [
                f"{self.folder}/profiles/{name}/grids"
                for name in names
                if name in self.profiles and self.profiles[name].settings["output"] == "grid"
            ]
        return files

    def evaluations(self) -> list[str]:
        """The files that say that every batch of profiles is evaluated."""
        folder = f"{self.folder}/evaluation"
        return [f"{folder}/batch-{batch}.json" for batch in batches(self.study)]

    def verdict_files(self) -> list[str]:
        """What the sweep table and the page take the verdict from, if the study evaluates."""
        return [f"{self.folder}/verdict.json"] if self.study.evaluate else []

    def design_options(self) -> dict[str, Any]:
        """What of the `evaluate` section changes the design; of a raster of labels its content."""
        read = {k: v for k, v in self.study.evaluate.items() if k in DESIGN}
        raster = raster_path(self.study.evaluate)
        return {**read, "label_raster": known_sha256(raster)} if raster else read

    def probe_options(self) -> dict[str, Any]:
        """What of the `evaluate` section changes the evaluation of a profile."""
        return {k: v for k, v in self.study.evaluate.items() if k in PROBING}

    def memory_mb(self, key: str, attempt: int, file: str = "") -> int:
        """Memory that a job asks for, in MB; of the largest shard if no file is named."""
        from rsweep.plan.estimates import memory_mb

        shards = [self.shard(key, file)] if file else self.shards.values()
        return memory_mb(self.nodes[key], shards, attempt)


BATCH = 64
"""Profiles of a batch, about: probes take longer to import than to run on a small study."""


def batches(study: Study) -> dict[str, list[str]]:
    """Batch -> what one job evaluates: given sets, and profiles by their keys.

    A new profile moves few others to another batch.
    """
    count = 1
    while count * BATCH < len(study.profiles):
        count *= 2
    found: dict[str, list[str]] = {}
    for profile in study.profiles:
        found.setdefault(f"{int(profile.node.key, 16) % count:03d}", []).append(profile.name)
    if study.given:
        found["given"] = [given.name for given in study.given]
    return found


def race_batches(study: Study) -> dict[str, list[str]]:
    """Batch -> what one job evaluates for a round: profiles alone, since given sets run nothing."""
    return batches(replace(study, given=()))


RESULT_FILES = ("figures", "report.html")


def missing_files(plan: Plan) -> set[Path]:
    """Stage files that a study needs and the store lacks.

    A folder is listed once: on a network file system, a look at each file costs a round trip each.
    """
    missing: set[Path] = set()
    for node in plan.nodes.values():
        files = {Path(plan.file(node, shard)) for shard in plan.shards}
        with suppress(FileNotFoundError):
            files.difference_update(Path(plan.file(node, "x")).parent.iterdir())
        missing |= files
    return missing
