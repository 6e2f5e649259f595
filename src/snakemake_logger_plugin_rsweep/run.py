"""From Snakemake's messages to what is printed of a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from logging import ERROR, WARNING, LogRecord
from typing import TextIO

from rich.console import Console
from rich.text import Text
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_rsweep.counts import RunCounts
from snakemake_logger_plugin_rsweep.failures import Failures
from snakemake_logger_plugin_rsweep.jobs_table import jobs_table
from snakemake_logger_plugin_rsweep.stage_lines import StageLines, StageTable

DONE = "Nothing to be done"
NOISE = (
    "At least one job did not complete successfully.",  # the end of the run says so
    "Exiting because a job execution failed.",
    "returned non-zero exit status",  # the job's own log says why
    "--keep-incomplete mode is set",  # profiles/default sets it, and says why
    "Cannot restore ",  # outputs are marked `update`; no file was there before
)
"""Warnings and errors of Snakemake that say nothing beyond what is printed of a failed job."""


class RunDisplay:
    """What is printed of a run: its stages, its failures, and what rsweep itself says.

    Args:
        stream: where to.
        nocolor: True for a terminal without colours.
        dryrun: True if no job will run.
    """

    def __init__(self, stream: TextIO, nocolor: bool, dryrun: bool) -> None:
        self.console = Console(file=stream, no_color=nocolor or None, highlight=False)
        self.dryrun = dryrun
        self.counts = RunCounts(_stages())
        in_place = self.console.is_terminal and not self.console.is_dumb_terminal
        self.lines = (StageTable if in_place else StageLines)(self.console, self.counts)
        self.failures = Failures(self.print)

    def receive(self, record: LogRecord, as_text: Callable[[LogRecord], str]) -> None:
        """Take a message of Snakemake's, or of rsweep's.

        Args:
            record: the message, with Snakemake's `event` and what belongs to it.
            as_text: how Snakemake itself would print it.
        """
        event = getattr(record, "event", None)
        if event in HANDLERS:
            HANDLERS[event](self, record, as_text)
        elif event is None or event == LogEvent.ERROR:
            self._message(record, as_text(record))

    def print(self, text: str, style: str = "") -> None:
        """Print above the stages that are under way."""
        self.console.print(Text(text, style), soft_wrap=True)

    def close(self) -> None:
        """Print what was held back, and leave the terminal as it was."""
        self.lines.stop()
        self.failures.close()

    def _message(self, record: LogRecord, text: str) -> None:
        if record.name.endswith(".rsweep"):
            if self.counts.idle:
                self.lines.stop()
                self.failures.close()
            self.print(text)
        elif record.levelno >= WARNING and not any(part in text for part in NOISE):
            self.print(text, "red" if record.levelno >= ERROR else "yellow")
        elif text.startswith(DONE):
            self.print(text)

    def _plan(self, record: LogRecord, as_text: Callable[[LogRecord], str]) -> None:
        stats = record.__dict__["stats"]
        if self.dryrun:
            self.print(jobs_table(stats))
        else:
            self.counts.plan(stats)

    def _start(self, record: LogRecord, as_text: Callable[[LogRecord], str]) -> None:
        told = record.__dict__
        self.counts.start(told["jobid"], told["rule_name"], time.monotonic())
        self.failures.started(told["jobid"], told["wildcards"])
        self.lines.changed()

    def _finish(self, record: LogRecord, as_text: Callable[[LogRecord], str]) -> None:
        stage = self.counts.finish(record.__dict__["job_id"], time.monotonic())
        if stage is not None:
            self.lines.finished(stage)

    def _fail(self, record: LogRecord, as_text: Callable[[LogRecord], str]) -> None:
        self.counts.fail(record.__dict__["jobid"])
        self.failures.job(record.__dict__, as_text(record))
        self.lines.changed()

    def _fail_group(self, record: LogRecord, as_text: Callable[[LogRecord], str]) -> None:
        self.failures.group(record.__dict__)


HANDLERS = {
    LogEvent.RUN_INFO: RunDisplay._plan,
    LogEvent.JOB_INFO: RunDisplay._start,
    LogEvent.JOB_FINISHED: RunDisplay._finish,
    LogEvent.JOB_ERROR: RunDisplay._fail,
    LogEvent.GROUP_ERROR: RunDisplay._fail_group,
}


def _stages() -> tuple[str, ...]:
    from rsweep.stages.registry import STAGES

    return (*STAGES, "weights")
