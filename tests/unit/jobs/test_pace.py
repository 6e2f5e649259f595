"""When Snakemake's scheduler looks for jobs."""

from types import SimpleNamespace

from snakemake.cli import get_argument_parser
from snakemake.scheduling.job_scheduler import JobRateLimiter
from snakemake.settings.types import MaxJobsPerTimespan

from rsweep.jobs.pace import wait_for_jobs_alone


def scheduler(limit: str) -> SimpleNamespace:
    found = MaxJobsPerTimespan.parse_choice(limit)
    return SimpleNamespace(job_rate_limiter=JobRateLimiter(found))


def test_snakemakes_own_limit_on_starts_goes() -> None:
    own = scheduler(get_argument_parser().get_default("max_jobs_per_timespan"))
    wait_for_jobs_alone(own)
    assert own.job_rate_limiter is None
    wait_for_jobs_alone(own)  # and stays gone


def test_a_limit_that_was_asked_for_stays() -> None:
    for limit in ("1/1s", "100/1m"):
        asked = scheduler(limit)
        before = asked.job_rate_limiter
        wait_for_jobs_alone(asked)
        assert asked.job_rate_limiter is before
