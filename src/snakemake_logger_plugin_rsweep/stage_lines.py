"""A line per stage: in place in a terminal, and every so often where output is piped."""

from __future__ import annotations

import time

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rsweep.core.durations import format_duration
from rsweep.core.progress import Progress
from snakemake_logger_plugin_rsweep.counts import RESULTS, RunCounts, StageCount

EVERY_S = 30.0
"""Time between two looks at the stages that are under way, where output is piped."""


def progress_of(stage: StageCount, counts: RunCounts, now: float) -> Progress:
    """How far a stage is, at its own rate so far."""
    rate = stage.per_minute(now) if stage.waiting else 0.0
    left = 60 * stage.waiting / rate if rate else None
    rules = counts.rules_running(stage) if stage.name == RESULTS else []
    note = f"took {format_duration(stage.took)}" if stage.done == stage.total else ", ".join(rules)
    return Progress(
        stage.name, stage.total, stage.done, len(stage.running), len(stage.failed), rate, left, note
    )


def progress_of_all(counts: RunCounts, now: float) -> Progress:
    """How far the run is."""
    stages = counts.stages.values()
    return Progress(
        "all",
        sum(s.total for s in stages),
        sum(s.done for s in stages),
        failed=sum(len(s.failed) for s in stages),
        seconds_left=counts.seconds_left(now),
    )


class StageLines:
    """Lines for a file or a pipe: of a stage once it is done, and of all under way now and then."""

    def __init__(self, console: Console, counts: RunCounts) -> None:
        self.console, self.counts = console, counts
        self._said = time.monotonic()
        self._ended: set[str] = set()

    def changed(self) -> None:
        """A job was started, or failed."""

    def finished(self, stage: StageCount) -> None:
        """A job of a stage is finished."""
        now = time.monotonic()
        if stage.done == stage.total:
            self._print(progress_of(stage, self.counts, now))
        elif now - self._said >= EVERY_S:
            self._said = now
            for each in self.counts.stages.values():
                if each.running or (each.done and each.waiting):
                    self._print(progress_of(each, self.counts, now))
            self._print(progress_of_all(self.counts, now))

    def stop(self) -> None:
        """Say how far stages came that are not finished."""
        for stage in self.counts.stages.values():
            if stage.failed and stage.name not in self._ended:
                self._ended.add(stage.name)
                self._print(progress_of(stage, self.counts, time.monotonic()))

    def _print(self, progress: Progress) -> None:
        self.console.print(Text(str(progress)), soft_wrap=True)


class StageTable:
    """A table that is drawn again in place while jobs run, and stays as it was at the end."""

    def __init__(self, console: Console, counts: RunCounts) -> None:
        self.console, self.counts = console, counts
        self._live: Live | None = None

    def changed(self) -> None:
        """A job was started, or failed: from the first one on there is a table."""
        if self._live is None:
            self._live = Live(
                console=self.console, get_renderable=self._table, refresh_per_second=2
            )
            self._live.start()

    def finished(self, stage: StageCount) -> None:
        """A job of a stage is finished; the next look shows it."""

    def stop(self) -> None:
        """Draw the table once more and leave it."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _table(self) -> RenderableType:
        now = time.monotonic()
        table = Table.grid(padding=(0, 2))
        for stage in list(self.counts.stages.values()):
            table.add_row(*_cells(progress_of(stage, self.counts, now)))
        table.add_row(*_cells(progress_of_all(self.counts, now)))
        return table


def _cells(progress: Progress) -> list[RenderableType]:
    bar = ProgressBar(progress.total, progress.done, width=24)
    count = Text(f"{progress.done} of {progress.total}", justify="right")
    style = "red" if progress.failed else "green" if progress.done == progress.total else ""
    return [Text(progress.name, style), bar, count, Text(", ".join(progress.details()))]
