"""What a stage is given to run: a node, a shard, and the means to read and write."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import h5py

from rsweep.core.errors import RsweepError
from rsweep.core.nodes import Node
from rsweep.core.records import Failed
from rsweep.core.shards import Shard
from rsweep.core.store import Store

if TYPE_CHECKING:
    from rsweep.stages.infer.networks import Networks

log = logging.getLogger("rsweep")


@dataclass
class Job:
    """One stage, one shard.

    Attributes:
        node, shard, store: what to make and where.
        options: node key -> what is needed to run it but changes no result: a provider's options
            (its folder, its account), where the weights lie.
        on_roi_error: "record" a ROI that cannot be embedded, or "fail".
        threads: cores to use.
        planned: when the output was found to be wanted, as time.time() has it; a file that is
            younger was made by another process, and is not made again.
        networks: of a worker, those that stay loaded from job to job.
        ran: what the stage has to say of its run; it is in the record of the run, which is written
            before the output appears, so that there is no output without one.
        note: writes that record.
        failed: ROIs that cannot be embedded.
    """

    node: Node
    shard: Shard
    store: Store
    options: Mapping[str, Any] = field(default_factory=dict)
    on_roi_error: str = "record"
    threads: int = 1
    planned: float = field(default_factory=time.time)
    networks: Networks | None = None
    ran: dict[str, Any] = field(default_factory=dict)
    note: Callable[[], None] = lambda: None
    failed: set[str] = field(default_factory=set)

    def write(self) -> AbstractContextManager[h5py.File]:
        """The job's output file."""
        return self.store.write(self.node, self.shard.name, self.note)

    def read(self, name: str) -> AbstractContextManager[h5py.File]:
        """An input file, by its name in the node's inputs."""
        return self.store.read(self.node.inputs[name], self.shard.name)

    def fail_or_record(self, roi_id: str, reason: str) -> None:
        """Say that a ROI cannot be embedded; raise RoiError if the study wants to stop there."""
        if self.on_roi_error == "fail":
            raise RsweepError(f"ROI {roi_id}: {reason} (on_roi_error: record goes on without it)")
        self.failed.add(roi_id)
        log.warning("ROI %s: %s", roi_id, reason)

    def propagate_failure(self, failed: Failed) -> Failed:
        """The row of a ROI that failed in an earlier stage, perhaps of another study."""
        self.failed.add(failed["id"])
        if self.on_roi_error == "fail":
            self.fail_or_record(failed["id"], failed["error"])
        return {"id": failed["id"], "error": failed["error"]}

    def progress(self, items: Iterable[Any], total: int, what: str) -> Iterator[Any]:
        """Pass items through, saying how many are done and how fast, at most every 5 seconds."""
        began = said = time.monotonic()
        for count, item in enumerate(items, start=1):
            yield item
            now = time.monotonic()
            if now - said >= 5 or count == total:
                said, rate = now, count / max(now - began, 1e-9)
                log.info("%d of %d %s, %.1f/s", count, total, what, rate)
