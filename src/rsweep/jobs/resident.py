"""What a worker keeps loaded from job to job: networks. A process for one job keeps none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rsweep.stages.infer.networks import Networks

_networks: Networks | None = None
_is_worker = False


def keep() -> None:
    """Keep networks from here on: this process is a worker."""
    global _is_worker
    _is_worker = True


def networks(memory_mb: float) -> Networks | None:
    """The networks of a worker, of which no more stays than fits beside such a job; else None."""
    global _networks
    if not _is_worker:
        return None
    if _networks is None:
        from rsweep.stages.infer.networks import Networks  # torch, which other jobs do not need

        _networks = Networks()
    _networks.limit_mb(memory_mb)
    return _networks


def forget() -> None:
    """Let every network go: one that failed is not to be trusted, and memory may have run out."""
    if _networks is not None:
        _networks.clear()
