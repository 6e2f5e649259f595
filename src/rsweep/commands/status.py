"""How far a study is: done, running and failed jobs of each stage."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rsweep.disk.progress import StageProgress

ABOUT = "how far a study is: done, running and failed jobs of each stage, with the time left"
WATCH_S = 5.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("study", help="a study file, such as config/config.yaml")
    parser.add_argument("--watch", action="store_true", help="again every five seconds, until done")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.disk.progress import study_progress
    from rsweep.plan.study import load_study

    study = load_study(given.study)
    while True:
        stages = study_progress(study)
        if given.json:
            print(json.dumps([asdict(stage) for stage in stages], indent=1))
        else:
            print("\n".join(_lines(stages)), flush=True)
        if not given.watch or all(stage.done == stage.files for stage in stages):
            return 0
        time.sleep(WATCH_S)


def _lines(stages: Sequence[StageProgress]) -> Iterator[str]:
    from rsweep.core.progress import Progress

    for stage in stages:
        left = 60 * stage.minutes_left if stage.minutes_left is not None else None
        yield str(Progress(stage.stage, stage.files, stage.done, stage.running, len(stage.failed),
                           stage.per_minute, left))  # fmt: skip
    for stage in stages:
        for failure in stage.failed:
            yield f"failed: {stage.stage} {failure.key}/{failure.shard}: {failure.reason}"
            yield f"        its log: {failure.log}"
