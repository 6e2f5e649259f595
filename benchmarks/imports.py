"""CPU seconds that a job takes before it works: as a client of a worker, and in a process alone.

    python benchmarks/imports.py [--turns 3]

Of each rule's script: what `scripts/run.py` imports, which a client of a worker is; and a process
that imports what the script imports (of a stage also its `run.py`), which a job without workers is.
The least of the turns, which disturbs by others raise. Writes benchmarks/results/imports.csv.
"""

from __future__ import annotations

import argparse
import ast
import resource
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from measure import ROOT, STAGES, facts, write_csv

RESULTS = ("embeddings", "grids", "evaluate", "sweep", "figures", "report")


def imports_of(script: str) -> str:
    """The import statements of a rule's script."""
    tree = ast.parse((ROOT / f"scripts/{script}.py").read_text())
    found = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return "; ".join(map(ast.unparse, found))


def cpu_seconds(*words: str) -> float:
    """Of a Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def each(turns: int) -> Iterator[dict[str, Any]]:
    """A row per rule."""
    source = f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); "
    client = f"{source}import rsweep.jobs.client"
    alone = {stage: f"{imports_of('stage')}; import rsweep.stages.{stage}.run" for stage in STAGES}
    alone |= {name: imports_of(name) for name in RESULTS}
    for job, imports in alone.items():
        taken = [
            (cpu_seconds("-S", "-c", client), cpu_seconds("-c", source + imports))
            for _ in range(turns)
        ]
        least = [round(min(times), 3) for times in zip(*taken, strict=True)]
        yield {"job": job, "client_cpu_s": least[0], "alone_cpu_s": least[1]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--turns", type=int, default=3)
    about = facts()
    write_csv("imports", list(each(parser.parse_args().turns)), about)


if __name__ == "__main__":
    main()
