"""The log of a job, and what is said to who runs Snakemake."""

from __future__ import annotations

import itertools
import logging
import sys
from pathlib import Path
from typing import Any

from rsweep.core.errors import RsweepError

SAID = "snakemake.logging.rsweep"
"""Logger of what rsweep says during a run: below Snakemake's own, so in order with its messages."""


def say(text: str) -> None:
    """Tell who runs Snakemake, where and in the order in which Snakemake tells things."""
    logging.getLogger(SAID).info("\n".join(f"rsweep: {line}" for line in text.splitlines()))


def start_log(path: str) -> None:
    """Write rsweep's log to a rule's log file; an exception that ends the job goes there too.

    An error of rsweep's own is in the log alone, which Snakemake or its logger shows.
    """
    logging.basicConfig(
        filename=path,
        level=logging.INFO,
        force=True,
        format="%(asctime)s %(levelname)s %(message)s",
    )

    def end(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        expected = isinstance(error, RsweepError)
        logging.getLogger("rsweep").error(str(error), exc_info=None if expected else error)
        if expected:
            sys.exit(1)
        sys.__excepthook__(kind, error, trace)

    sys.excepthook = end


def last_error(log: Path) -> str:
    """The last error that a job's log tells, in one line; "" if there is none."""
    return next(iter(error_lines(log)), "")


def error_lines(log: Path) -> list[str]:
    """The last error that a job's log tells: its line, and those of its list, if it has one."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return []
    found = [number for number, line in enumerate(lines) if " ERROR " in line]
    if not found:
        return []
    listed = itertools.takewhile(lambda line: line.startswith("  "), lines[found[-1] + 1 :])
    return [lines[found[-1]].partition(" ERROR ")[2].strip(), *(line.strip() for line in listed)]
