"""How far a study is: done, running and failed jobs of each stage."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING

from rsweep.commands.output import answer, make_console

if TYPE_CHECKING:
    from rsweep.disk.progress import StageProgress
    from rsweep.plan.study import Study

ABOUT = "how far a study is: done, running and failed jobs of each stage, with the time left"
WATCH_S = 5.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("study", help="a study file, such as config/config.yaml")
    parser.add_argument("--watch", action="store_true", help="again every five seconds, until done")


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.disk.progress import study_progress
    from rsweep.plan.study import load_study

    study = load_study(given.study)
    if given.watch:
        return _watch(study, given.json)
    stages = study_progress(study)
    answer(given.json, [asdict(stage) for stage in stages], _lines(stages))
    return 0


def _watch(study: Study, as_json: bool) -> int:
    """Look again until all is done: in place in a terminal, a JSON text per line for programs."""
    from rich.live import Live

    from rsweep.disk.progress import study_progress

    screen = Live(console=make_console(), auto_refresh=False)
    in_place = screen.console.is_terminal and not as_json
    with screen if in_place else nullcontext():
        while True:
            stages = study_progress(study)
            if in_place:
                screen.update("\n".join(_lines(stages)), refresh=True)
            elif as_json:
                print(json.dumps([asdict(stage) for stage in stages]), flush=True)
            else:
                print("\n".join(_lines(stages)), flush=True)
            if all(stage.done == stage.files for stage in stages):
                return 0
            time.sleep(WATCH_S)


def _lines(stages: Sequence[StageProgress]) -> Iterator[str]:
    from rsweep.core.progress import Progress

    if not stages:
        yield "no stage to run: the study has no profiles of its own"
    for stage in stages:
        rate = stage.per_minute if stage.done < stage.files else 0.0
        left = 60 * stage.minutes_left if stage.minutes_left is not None else None
        yield str(
            Progress(
                stage.stage, stage.files, stage.done, stage.running, len(stage.failed), rate, left
            )
        )
    for stage in stages:
        for failure in stage.failed:
            yield f"failed: {stage.stage} {failure.key}/{failure.shard}: {failure.reason}"
            yield f"        its log: {failure.log}"
