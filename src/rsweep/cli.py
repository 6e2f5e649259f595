"""The `rsweep` command."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence

from rsweep.core.errors import RsweepError, StudyError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0 if all is well, 1 if the study is not, 2 if it was not understood."""
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except RsweepError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rsweep", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, about in (
        ("keys", _keys, "each profile of a study with its settings and its five stage keys"),
        ("validate", _validate, "everything wrong with a study"),
        ("check", _check, "damaged files of a study's store; --repair removes them"),
        ("describe", _describe, "the models, or what one expects, its knobs and where it is from"),
        ("schema", _schema, "the JSON schema of a study file, for editors"),
    ):
        command = commands.add_parser(name, help=about, description=about)
        command.set_defaults(run=run)
        if name == "describe":
            command.add_argument("model", nargs="?")
        elif name != "schema":
            command.add_argument("study", help="a study file, such as config/config.yaml")
        if name in ("keys", "describe"):
            command.add_argument("--json", action="store_true", help="for programs")
        if name == "validate":
            command.add_argument(
                "--online",
                action="store_true",
                help="ask services on a network too: a few requests each",
            )
        if name == "check":
            command.add_argument("--repair", action="store_true", help="remove damaged files")
    return parser


def _keys(arguments: argparse.Namespace) -> int:
    from rsweep.plan.study import load_study

    study = load_study(arguments.study)
    if arguments.json:
        rows = [{"profile": p.name, "keys": p.keys(), "settings": dict(p.settings)}
                for p in study.profiles]  # fmt: skip
        print(json.dumps(rows, indent=1))
        return 0
    for profile in study.profiles:
        settings = {k: v for k, v in profile.settings.items() if v not in (None, {})}
        print(profile.name)
        print("  keys      " + "  ".join(f"{s} {k}" for s, k in profile.keys().items()))
        print("  settings  " + "  ".join(f"{k}={v}" for k, v in settings.items()))
    for skipped in study.skipped:
        print(f"{skipped.name}\n  skipped   {skipped.reason}")
    return 0


def _validate(arguments: argparse.Namespace) -> int:
    from rsweep.plan.departures import departure_lines
    from rsweep.plan.served import unserved
    from rsweep.plan.study import load_study

    study = load_study(arguments.study)
    problems, unasked = unserved(study, arguments.study, arguments.online)
    if problems:
        raise StudyError(problems)
    stages: dict[str, int] = {}
    for node in study.nodes().values():
        stages[node.stage] = stages.get(node.stage, 0) + 1
    parts = ", ".join(f"{count} {stage}" for stage, count in stages.items())
    places = f"{len(study.rois)} ROIs in {len(study.shards)} shards"
    size = f"{len(study.profiles)} profiles over {places}"
    print(f"{arguments.study} is valid: {size}; distinct stages: {parts}")
    for skipped in study.skipped:
        print(f"skipped {skipped.name}: {skipped.reason}")
    for line in departure_lines(study.profiles):
        print(f"outside training: {line}")
    for service in unasked:
        print(f"not asked: {service} (--online asks it for bands and scenes)")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from rsweep.core.errors import CorruptError
    from rsweep.core.files import check_seal
    from rsweep.core.store import Store
    from rsweep.plan.study import load_study

    study = load_study(arguments.study)
    store, damaged, seen = Store(study.store), 0, 0
    for node in study.nodes().values():
        for shard in study.shards:
            path = store.path(node, shard.name)
            if not path.exists():
                continue
            seen += 1
            try:
                check_seal(path)
            except CorruptError as error:
                damaged += 1
                print(f"{error}{'; removed' if arguments.repair else ''}")
                if arguments.repair:
                    path.unlink()
    print(f"{seen} files read, {damaged} damaged")
    return 1 if damaged and not arguments.repair else 0


def _describe(arguments: argparse.Namespace) -> int:
    from rsweep.report.describe import describe_model, list_models

    print(describe_model(arguments.model, arguments.json) if arguments.model else list_models())
    return 0


def _schema(arguments: argparse.Namespace) -> int:
    from rsweep.plan.schema import study_schema

    print(json.dumps(study_schema(), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
