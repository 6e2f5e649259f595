"""What the benchmarks share: the machine in every row, and CSV files under benchmarks/results/."""

from __future__ import annotations

import csv
import datetime
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """Processor, cores, load of others, and versions."""
    return {
        "cpu": _processor(), "cores": os.cpu_count(),
        "load_at_start": round(os.getloadavg()[0], 1), "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
    }  # fmt: skip


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(": ")[1] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows to benchmarks/results/<name>.csv and show them."""
    RESULTS.mkdir(exist_ok=True)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with (RESULTS / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print(", ".join(f"{key} {value}" for key, value in row.items()))
