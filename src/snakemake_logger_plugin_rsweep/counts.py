"""How many jobs of each stage are done, under way and to come, and how long the rest will take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

RESULTS = "results"
"""Name for the rules that are no stage: tables, evaluation, figures and page."""


@dataclass
class StageCount:
    """Jobs of a stage.

    Attributes:
        total, done: jobs that the run needs, and those that are finished.
        running: job -> when it was started, in seconds of the caller's clock.
        failed: jobs that ended in an error and were not started again.
        first, last: when the first job was started and the last one finished.
        worked: seconds that finished jobs took, all together.
    """

    name: str
    total: int = 0
    done: int = 0
    running: dict[int, float] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    first: float | None = None
    last: float = 0.0
    worked: float = 0.0

    @property
    def waiting(self) -> int:
        """Jobs that are not finished, and may still be: those that failed are not counted."""
        return self.total - self.done - len(self.failed)

    @property
    def took(self) -> float:
        """Seconds from the first start to the last end."""
        return self.last - self.first if self.first is not None else 0.0

    def per_minute(self, now: float) -> float:
        """Jobs finished in a minute, since the first was started."""
        if self.first is None or now <= self.first:
            return 0.0
        return 60 * self.done / (now - self.first)


class RunCounts:
    """The stages of a run, as Snakemake's events tell."""

    def __init__(self, stages: tuple[str, ...]) -> None:
        self._own = stages
        self._rules: dict[int, str] = {}
        self.stages: dict[str, StageCount] = {}

    def plan(self, jobs: Mapping[str, int]) -> None:
        """Take the jobs that a run needs, by rule, in the order in which they run."""
        for rule, count in jobs.items():
            if rule not in ("all", "total"):
                self._stage(rule).total += count

    def start(self, job: int, rule: str, now: float) -> None:
        """A job was started or handed to a cluster; perhaps again."""
        if rule == "all":
            return
        stage = self._stage(rule)
        self._rules[job] = rule
        stage.failed.discard(job)
        stage.running[job] = now
        stage.first = now if stage.first is None else stage.first
        stage.total = max(stage.total, stage.done + len(stage.running))

    def finish(self, job: int, now: float) -> StageCount | None:
        """A job is finished; its stage, if the job was one of a stage."""
        rule = self._rules.get(job)
        if rule is None:
            return None
        stage = self._stage(rule)
        stage.done += 1
        stage.worked += now - stage.running.pop(job, now)
        stage.last = now
        return stage

    def fail(self, job: int) -> None:
        """A job ended in an error; it may be started again."""
        rule = self._rules.get(job)
        if rule is not None:
            stage = self._stage(rule)
            stage.running.pop(job, None)
            stage.failed.add(job)

    @property
    def idle(self) -> bool:
        """True if no job is under way."""
        return not any(stage.running for stage in self.stages.values())

    def rules_running(self, stage: StageCount) -> list[str]:
        """Rules of the jobs that are under way."""
        return sorted({self._rules[job] for job in stage.running})

    def seconds_left(self, now: float) -> float | None:
        """What is left of the run: mean seconds of a job by as many at once as there were.

        None as long as a stage with jobs to come has none that is finished.
        """
        stages = list(self.stages.values())
        begun = [stage.first for stage in stages if stage.first is not None]
        left = [stage for stage in stages if stage.waiting]
        if not begun or any(not stage.done for stage in left):
            return None
        spent = sum(
            stage.worked + sum(now - at for at in stage.running.values()) for stage in stages
        )
        at_once = max(spent / max(now - min(begun), 1e-3), 1e-3)
        work = sum(stage.waiting * stage.worked / stage.done for stage in left)
        under_way = sum(
            min(now - at, stage.worked / stage.done)
            for stage in left
            for at in stage.running.values()
        )
        return max(work - under_way, 0.0) / at_once

    def _stage(self, rule: str) -> StageCount:
        name = rule if rule in self._own else RESULTS
        return self.stages.setdefault(name, StageCount(name))
