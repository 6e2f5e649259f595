"""The `rsweep` command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from rsweep.commands import (
    check,
    chips,
    compare,
    describe,
    diff,
    du,
    export,
    gc,
    keys,
    plan,
    push,
    regenerate,
    schema,
    show,
    status,
    validate,
    verify,
    weights,
    why,
)
from rsweep.commands.output import answer_error
from rsweep.core.errors import RsweepError

COMMANDS = (
    validate,
    plan,
    keys,
    status,
    why,
    diff,
    compare,
    show,
    describe,
    chips,
    check,
    weights,
    verify,
    export,
    regenerate,
    push,
    du,
    gc,
    schema,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0 if all is well, 1 if the study is not, 2 if it was not understood."""
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except RsweepError as error:
        answer_error(arguments.json, error)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a path that the system refuses: too long, not ours to read
        print(f"{str(error.filename or '')[:200]}: {error.strerror or error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rsweep", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        name = module.__name__.rpartition(".")[2]
        command = commands.add_parser(name, help=module.ABOUT, description=module.ABOUT)
        command.set_defaults(run=module.run)
        module.arguments(command)
        command.add_argument("--json", action="store_true", help="for programs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
