"""What a run prints: a line per stage, failures with their reasons, and what rsweep says."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pytest
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase
from snakemake_interface_logger_plugins.tests import MockOutputSettings, TestLogHandlerBase

from rsweep.core.log import SAID, say
from snakemake_logger_plugin_rsweep import LogHandler, stage_lines
from snakemake_logger_plugin_rsweep.counts import RunCounts
from snakemake_logger_plugin_rsweep.jobs_table import jobs_table
from snakemake_logger_plugin_rsweep.run import RunDisplay

STAGES = ("fetch", "prep")


class TestInterface(TestLogHandlerBase):
    """The tests that Snakemake has for every logger."""

    __test__ = True

    def get_log_handler_cls(self) -> type[LogHandler]:
        return LogHandler

    def get_log_handler_settings(self) -> LogHandlerSettingsBase:
        return LogHandlerSettingsBase()


def record(event: LogEvent | None, text: str = "", level: int = logging.INFO, **more: object):
    found = logging.LogRecord("snakemake.logging", level, "x.py", 1, text, (), None)
    found.__dict__.update({"event": event, **more} if event else more)
    return found


class Screen:
    """A display of a run that is written to a file."""

    def __init__(self, dryrun: bool = False) -> None:
        self.stream = io.StringIO()
        self.display = RunDisplay(self.stream, False, dryrun)

    def send(self, event: LogEvent | None, text: str = "", **more: object) -> None:
        level = more.pop("level", logging.INFO)
        self.display.receive(record(event, text, level, **more), lambda r: str(r.msg))

    def start(self, job: int, rule: str) -> None:
        self.send(LogEvent.JOB_INFO, jobid=job, rule_name=rule, wildcards={"key": f"k{job}"})

    def fail(self, job: int, rule: str, log: Path, indent: bool = False) -> None:
        self.send(
            LogEvent.JOB_ERROR,
            f"Error in rule {rule}",
            level=logging.ERROR,
            jobid=job,
            rule_name=rule,
            log=[str(log)],
            indent=indent,
        )

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


def test_a_line_per_stage_and_none_per_job():
    screen = Screen()
    screen.send(LogEvent.WORKFLOW_STARTED, "SNAKEMAKE")
    screen.send(LogEvent.RUN_INFO, stats={"fetch": 3, "sweep": 1, "report": 1, "all": 1})
    screen.send(None, "Select jobs to execute...")
    for job, rule in enumerate(["fetch", "fetch", "fetch", "sweep", "report", "all"]):
        screen.start(job, rule)
        screen.send(LogEvent.JOB_FINISHED, job_id=job)
        screen.send(LogEvent.PROGRESS, done=job, total=6)
    assert [line.split(",")[0] for line in screen.lines] == [
        "fetch      3 of 3",
        "results    2 of 2",
    ]


def test_now_and_then_all_stages_under_way_are_told(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    screen = Screen()
    screen.send(LogEvent.RUN_INFO, stats={"fetch": 30, "prep": 30})
    for job in range(20):  # 10 s each, one after the other
        screen.start(job, "fetch")
        now[0] += 10
        screen.send(LogEvent.JOB_FINISHED, job_id=job)
    told = [line for line in screen.lines if line.startswith("fetch")]
    assert [line.split()[1] for line in told] == ["3", "6", "9", "12", "15", "18"]
    assert told[0] == "fetch      3 of 30 (10 %), 6 a minute, 4 min left"
    assert any(line.startswith("all ") for line in screen.lines)
    assert not any(line.startswith("prep") for line in screen.lines)  # none has begun


def test_rate_and_time_left_are_those_of_a_run_of_equal_jobs():
    counts = RunCounts(STAGES)
    counts.plan({"fetch": 10, "prep": 10, "all": 1, "total": 21})
    # Two at once, ten seconds each: 12 a minute. After 40 s eight are done.
    for pair in range(4):
        for job in (2 * pair, 2 * pair + 1):
            counts.start(job, "fetch", 10.0 * pair)
        for job in (2 * pair, 2 * pair + 1):
            counts.finish(job, 10.0 * (pair + 1))
    fetch = counts.stages["fetch"]
    assert (fetch.done, fetch.waiting, fetch.took) == (8, 2, 40.0)
    assert fetch.per_minute(40.0) == pytest.approx(12.0)
    assert counts.seconds_left(40.0) is None  # no prep is done: nobody knows what it takes
    for job in (8, 9):
        counts.start(job, "fetch", 40.0)
        counts.finish(job, 50.0)
    for job in (10, 11):
        counts.start(job, "prep", 50.0)
        counts.finish(job, 55.0)
    # Eight jobs of prep of 5 s, two at once: 20 s.
    assert counts.seconds_left(55.0) == pytest.approx(20.0)
    told = stage_lines.progress_of(counts.stages["prep"], counts, 55.0)
    assert told.seconds_left == pytest.approx(20.0)  # 2 in 5 s
    assert str(told) == "prep       2 of 10 (20 %), 24 a minute, 20 s left"


def test_a_job_that_is_started_again_is_no_failure():
    counts = RunCounts(STAGES)
    counts.plan({"fetch": 1})
    counts.start(7, "fetch", 0.0)
    counts.fail(7)
    assert counts.stages["fetch"].failed == {7}
    assert counts.idle
    counts.start(7, "fetch", 5.0)
    assert not counts.idle
    counts.finish(7, 6.0)
    fetch = counts.stages["fetch"]
    assert (fetch.done, fetch.failed, fetch.worked) == (1, set(), 1.0)


def test_a_failure_is_its_reason_and_its_log(tmp_path):
    log = tmp_path / "job.log"
    log.write_text("2026-01-01 INFO begin\n2026-01-01 ERROR ROI a: no scene\n")
    screen = Screen()
    screen.send(LogEvent.RUN_INFO, stats={"fetch": 3})
    for job in range(3):
        screen.start(job, "fetch")
    screen.send(
        LogEvent.ERROR,
        "RuleException: Command returned non-zero exit status 1.",
        level=logging.ERROR,
    )
    for job in range(3):
        screen.fail(job, "fetch", log)
    screen.display.close()
    assert screen.lines == [
        "failed: fetch key k0: ROI a: no scene",
        f"        its log: {log}",
        "fetch      0 of 3 (0 %), 3 failed",
        "failed: 2 more for the reason: ROI a: no scene",
    ]


def test_a_failure_shows_the_first_of_the_list_that_its_reason_has(tmp_path):
    log = tmp_path / "job.log"
    listed = "".join(f"  ROI a: day{i}: changed\n" for i in range(8))
    told = f"2026-01-01 ERROR 8 scenes have changed\n{listed}"
    log.write_text(f"{told}Traceback (most recent call last):\n  File x\n")
    screen = Screen()
    screen.send(LogEvent.RUN_INFO, stats={"fetch": 1})
    screen.start(0, "fetch")
    screen.fail(0, "fetch", log)
    screen.display.close()
    assert screen.lines[:8] == [
        "failed: fetch key k0: 8 scenes have changed",
        *(f"        ROI a: day{i}: changed" for i in range(5)),
        "        and 3 lines more in its log",
        f"        its log: {log}",
    ]


def test_a_failure_without_a_reason_is_told_as_snakemake_does(tmp_path):
    screen = Screen()
    screen.start(1, "fetch")
    screen.fail(1, "fetch", tmp_path / "absent.log")
    assert screen.lines == ["Error in rule fetch"]


def test_a_job_of_a_cluster_that_is_killed_names_its_log_once(tmp_path):
    screen = Screen()
    jobs = [{"rule_name": "prep", "log": [str(tmp_path / f"{i}.log")]} for i in range(8)]
    for job in range(8):
        screen.start(job, "prep")
    screen.send(
        LogEvent.GROUP_ERROR,
        "Error in group x",
        level=logging.ERROR,
        groupid="x",
        aux_logs=["slurm.log"],
        job_error_info=jobs,
    )
    for job in range(8):
        screen.fail(job, "prep", tmp_path / f"{job}.log", indent=True)
    assert screen.lines == [
        "failed: a job of the cluster for 8 prep: it ended without a reason",
        "        its log: slurm.log",
    ]


def test_warnings_errors_and_what_rsweep_says_are_printed():
    screen = Screen()
    screen.send(None, "Using shell: /bin/bash")
    screen.send(None, "the disk is nearly full", level=logging.WARNING)
    screen.send(None, "--keep-incomplete mode is set, so ...", level=logging.WARNING)
    screen.send(LogEvent.ERROR, "MissingInputException: x", level=logging.ERROR)
    screen.send(None, "Nothing to be done (all requested files are present and up to date).")
    said = record(None, "rsweep: done after 3 s")
    said.name = SAID
    screen.display.receive(said, lambda r: str(r.msg))
    assert screen.lines == [
        "the disk is nearly full",
        "MissingInputException: x",
        "Nothing to be done (all requested files are present and up to date).",
        "rsweep: done after 3 s",
    ]


def test_what_is_said_has_the_name_on_each_line(caplog):
    with caplog.at_level(logging.INFO):
        say("one\ntwo")
    assert caplog.messages == ["rsweep: one\nrsweep: two"]


def test_all_messages_on_request(capsys):
    asked = MockOutputSettings()
    asked.printshellcmds = False
    for verbose, wanted in ((True, "Select jobs"), (False, "")):
        asked.verbose = verbose
        handler = LogHandler(asked, None)
        handler.setFormatter(logging.Formatter())
        handler.emit(record(None, "Select jobs"))
        handler.close()
        assert capsys.readouterr().err.strip() == wanted


def test_a_dry_run_counts_jobs_and_says_what_stages_do():
    screen = Screen(dryrun=True)
    screen.send(LogEvent.RUN_INFO, stats={"fetch": 4, "report": 1, "all": 1, "total": 6})
    assert screen.lines == jobs_table({"fetch": 4, "report": 1}).splitlines()
    header, fetch, report, total = screen.lines
    assert header == "Job stats:"
    assert fetch.split()[:3] == ["fetch", "4", "Every"]
    assert report.split() == ["report", "1"]
    assert total.split() == ["total", "5"]
