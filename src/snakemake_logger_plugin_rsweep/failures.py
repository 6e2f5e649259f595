"""Failed jobs: the reason in one line, the list that it has, and the log that tells more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rsweep.core.log import error_lines

MOST_LINES = 5
"""Of the list that an error has, such as the scenes that have changed."""


class Failures:
    """Failures of a run; a reason that several jobs share is printed once and counted.

    Args:
        print: prints a text in a style.
    """

    def __init__(self, print: Callable[[str, str], None]) -> None:
        self._print = print
        self._names: dict[int, str] = {}
        self._again: Counter[str] = Counter()
        self._said: set[str] = set()

    def started(self, job: int, wildcards: Mapping[str, str]) -> None:
        """Keep what a job is of: its failure does not tell."""
        self._names[job] = " ".join(f"{name} {value}" for name, value in wildcards.items())

    def job(self, told: Mapping[str, Any], as_text: str) -> None:
        """A job failed.

        Args:
            told: Snakemake's event.
            as_text: how Snakemake would print it: for a job whose log tells no reason.
        """
        lines, log = _reason(told["log"])
        if lines:
            name = f"{told['rule_name']} {self._names.get(told['jobid'], '')}".strip()
            self._say(name, lines, log)
        elif not told["indent"]:  # of a job in a group, the group's failure tells
            self._print(as_text, "red")

    def group(self, told: Mapping[str, Any]) -> None:
        """A job of the cluster failed that was for several jobs of the run."""
        logs = [log for info in told["job_error_info"] for log in info["log"]]
        if not _reason(logs)[0]:
            rules = Counter(info["rule_name"] for info in told["job_error_info"])
            what = ", ".join(f"{count} {rule}" for rule, count in rules.items())
            own = ", ".join(told["aux_logs"])
            self._say(f"a job of the cluster for {what}", ["it ended without a reason"], own)

    def close(self) -> None:
        """Count the reasons that were printed once."""
        for reason, count in self._again.items():
            self._print(f"failed: {count} more for the reason: {reason}", "red")
        self._again.clear()

    def _say(self, name: str, lines: Sequence[str], log: str) -> None:
        reason, *listed = lines
        if reason in self._said:
            self._again[reason] += 1
            return
        self._said.add(reason)
        self._print(f"failed: {name}: {reason}", "red")
        for line in listed[:MOST_LINES]:
            self._print(f"        {line}", "red")
        if len(listed) > MOST_LINES:
            self._print(f"        and {len(listed) - MOST_LINES} lines more in its log", "red")
        if log:
            self._print(f"        its log: {log}", "red")


def _reason(logs: Sequence[str]) -> tuple[list[str], str]:
    """The first error that logs tell, with its list, and the log that tells it."""
    for log in logs:
        if lines := error_lines(Path(log)):
            return lines, log
    return [], ""
