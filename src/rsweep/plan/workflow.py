"""What the Snakefile asks of the library: files, inputs, targets and resources of jobs."""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rsweep.core.canonical import digest
from rsweep.core.nodes import Node
from rsweep.plan.profiles import Profile
from rsweep.plan.study import Study, make_study
from rsweep.stages.registry import STAGES

KEY_PATTERN = "[0-9a-f]{16}"


class Plan:
    """A study as Snakemake sees it: files that other files are made of."""

    def __init__(self, config: Mapping[str, Any], where: str = "study") -> None:
        self.study: Study = make_study(config, where)
        self.nodes = self.study.nodes()
        self.shards = {shard.name: shard for shard in self.study.shards}
        self.profiles = {profile.name: profile for profile in self.study.profiles}
        self.store = self.study.store
        self.folder = self.study.folder
        self.rois = self.study.rois

    def file(self, node: Node, shard: str) -> str:
        """A node's file for a shard."""
        return f"{self.store}/{node.stage}/{node.key}/{shard}.h5"

    def inputs(self, key: str, shard: str) -> dict[str, str]:
        """Input name -> file of the job that makes a node's file."""
        node = self.nodes[key]
        return {name: self.file(found, shard) for name, found in node.inputs.items()}

    def stitched(self, profile: str) -> list[str]:
        """The files that a profile's results are made of."""
        node = self.profiles[profile].node
        return [self.file(node, shard) for shard in self.shards]

    def stitched_grids(self) -> list[str]:
        """The files that figures of grids are made of."""
        grids = [n for n, p in self.profiles.items() if p.settings["output"] == "grid"]
        return [file for name in grids for file in self.stitched(name)]

    def results(self) -> list[str]:
        """Every file that a study asks for."""
        made = (*self.sweep_files().values(), *(f"{self.folder}/{name}" for name in RESULT_FILES))
        return [*self._profile_files(), *made]

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
            files = ["embeddings.parquet", "meta.json"]
            if profile.settings["output"] == "grid":
                files.append("grids")
            names += [f"{self.folder}/profiles/{name}/{file}" for file in files]
        return names

    @property
    def roi_digest(self) -> str:
        """What result tables take from the ROI table beside the pixels: labels, order, windows."""
        return digest([{**r.definition(), "properties": dict(r.properties)} for r in self.rois])

    @property
    def keys_digest(self) -> str:
        """Identity of the sweep table: profiles by name and key, and those skipped."""
        rows = [[name, profile.node.key] for name, profile in self.profiles.items()]
        return digest([rows, [[s.name, s.reason] for s in self.study.skipped]])

    @property
    def lock_digest(self) -> str:
        """Identity of the lock that a frozen study is held to, else nothing."""
        if not self.study.options["frozen"]:
            return ""
        return hashlib.sha256(self.study.lock.read_bytes()).hexdigest()

    def requests(self, key: str) -> int:
        """Earth Engine requests that a fetch job has in flight at once; 0 of other providers."""
        provider = self.nodes[key].settings["provider"]
        return int(self.study.node_options()[key]["parallel"]) if provider == "earthengine" else 0

    def quality_files(self) -> list[str]:
        """What the probes say of each profile, where the study asks for an evaluation."""
        if not self.study.evaluate:
            return []
        return [f"{self.folder}/profiles/{name}/quality.json" for name in self.profiles]

    def memory_mb(self, key: str, attempt: int) -> int:
        """Memory that a job asks for, in MB: with each attempt that much more."""
        node = self.nodes[key]
        return round(STAGES[node.stage].memory_mb(node.settings)) * attempt


RESULT_FILES = ("figures", "report.html")


def open_study(snakemake: Any) -> tuple[Study, Profile]:
    """The study of a result rule's job, and its wildcard's profile (the first if it has none)."""
    start_log(snakemake.log[0])
    plan = Plan(snakemake.config)
    names = list(plan.profiles)
    return plan.study, plan.profiles[dict(snakemake.wildcards).get("profile", names[0])]


def run_script(snakemake: Any) -> None:
    """Run the job of a stage rule: its wildcards say which node and shard."""
    from rsweep.core.store import Store
    from rsweep.jobs.runner import run_job
    from rsweep.stages.job import Job

    start_log(snakemake.log[0])
    plan = Plan(snakemake.config)
    study = plan.study
    node = plan.nodes[snakemake.wildcards.key]
    shard = plan.shards[snakemake.wildcards.shard]
    policy = study.options["on_roi_error"]
    run_job(Job(node, shard, Store(plan.store), study.node_options(), policy, snakemake.threads))


def start_log(path: str) -> None:
    """Write rsweep's log to a rule's log file; an exception that ends the job goes there too."""
    logging.basicConfig(filename=path, level=logging.INFO, force=True,
                        format="%(asctime)s %(levelname)s %(message)s")  # fmt: skip

    def end(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        from rsweep.core.errors import RsweepError

        expected = isinstance(error, RsweepError)
        logging.getLogger("rsweep").error(str(error), exc_info=None if expected else error)
        if expected:
            sys.exit(f"{kind.__name__}: {error}")
        sys.__excepthook__(kind, error, trace)

    sys.excepthook = end


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
