"""A rule's script in a process of its own: `alone.py LOG SCRIPT [ARGUMENT…]`."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence

from rsweep.core.log import start_log


def run_script(path: str, arguments: Sequence[str]) -> None:
    """Run a script as Python does, in this process."""
    sys.argv = [path, *arguments]
    runpy.run_path(path, run_name="__main__")


if __name__ == "__main__":
    start_log(sys.argv[1])
    run_script(sys.argv[2], sys.argv[3:])
