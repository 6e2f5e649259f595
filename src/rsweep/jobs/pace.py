"""When Snakemake's scheduler looks for jobs to start."""

from __future__ import annotations

from typing import Any

DEFAULT = (100, 1.0)
"""Snakemake's own limit (9.27): jobs started, in so many seconds."""


def wait_for_jobs_alone(scheduler: Any) -> None:
    """Have a scheduler look for jobs when one has ended, and not every second besides.

    With a limit on starts, Snakemake sets a clock each time that it looks, and so one more for each
    job that has ended: after 1,000 jobs it looks 1,000 times a second. Its default limit is never
    reached here; another, which a user has asked for, stays.
    """
    limit = scheduler.job_rate_limiter
    if limit and (limit.max_jobs, limit.timespan) == DEFAULT:
        scheduler.job_rate_limiter = None
