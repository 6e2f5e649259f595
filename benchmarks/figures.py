"""The figures of docs/benchmarks.md, from the CSV files in benchmarks/results.

    python benchmarks/figures.py

Writes docs/images/engine.svg, startup.svg, sweep.svg, planning.svg and memory.svg.
"""

from __future__ import annotations

import csv
from collections.abc import Callable

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from measure import IMAGES, RESULTS, STAGES

Row = dict[str, str]


def read(name: str) -> list[Row]:
    """The rows of a benchmark."""
    with (RESULTS / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def numbers(rows: list[Row], column: str) -> list[float]:
    """A column as numbers."""
    return [float(row[column]) for row in rows]


def new(columns: int = 1, height: float = 3.0, **shared: bool) -> tuple[Figure, list[Axes]]:
    """A figure of some panels side by side."""
    figure, axes = plt.subplots(
        1, columns, figsize=(8, height), squeeze=False, layout="constrained", **shared
    )
    for axis in axes[0]:
        axis.grid(alpha=0.3)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, list(axes[0])


def bars(axis: Axes, names: list[str], series: dict[str, list[float]]) -> None:
    """Horizontal bars, first on top, one per name and series."""
    width = 0.8 / len(series)
    for i, (label, values) in enumerate(series.items()):
        axis.barh([n + i * width for n in range(len(names))], values, width, label=label)
    axis.set_yticks([n + width * (len(series) - 1) / 2 for n in range(len(names))], names)
    axis.invert_yaxis()


def engine() -> Figure:
    """Rates of the engine and of one ROI at a time, as shares of the bare network's."""
    rows = read("engine")
    figure, (axis,) = new(height=4.0)
    bare = numbers(rows, "bare tiles/s")
    shares = {
        label: [rate / whole for rate, whole in zip(numbers(rows, column), bare, strict=True)]
        for label, column in (
            ("infer stage, HDF5 to HDF5", "engine tiles/s"),
            ("one ROI at a time", "one by one tiles/s"),
        )
    }
    bars(axis, [row["case"] for row in rows], shares)
    axis.axvline(1, color="black", linewidth=0.8)
    axis.axvline(0.9, color="black", linewidth=0.8, linestyle=":")
    axis.set(xlabel="share of the bare network's tiles per second (dotted: 0.9)")
    figure.legend(frameon=False, loc="outside upper center", ncols=2)
    return figure


def startup() -> Figure:
    """Seconds of a cell after the first, with a worker and without."""
    rows = read("startup")
    figure, (axis,) = new(height=2.0)
    models = list(dict.fromkeys(row["model"] for row in rows))
    series = {
        label: [float(row["median_of_rest_s"]) for row in rows if row["worker"] == way]
        for label, way in (("with the worker", "worker"), ("a process each", "none"))
    }
    bars(axis, models, series)
    axis.set(xlabel="seconds of a cell of one ROI, after the first")
    axis.legend(frameon=False)
    return figure


def sweep() -> Figure:
    """Wall and CPU seconds of a sweep, shared or not."""
    rows = read("sweep")
    figure, (axis,) = new(height=2.4)
    series = {"wall": numbers(rows, "wall_s"), "CPU": numbers(rows, "cpu_s")}
    bars(axis, [row["case"] for row in rows], series)
    axis.set(xlabel=f"seconds, {rows[0]['profiles']} profiles over {rows[0]['rois']} ROIs")
    axis.legend(frameon=False)
    return figure


def planning() -> Figure:
    """CPU seconds and memory against the number of jobs."""
    rows = [row for row in read("dag") + read("dag_large") if row["what"] == "plan"]
    rows = sorted((row for row in rows if row["scheduler"] == "greedy"), key=jobs)
    figure, axes = new(2, sharex=True)
    columns = {"cpu_seconds": "CPU seconds of a plan", "memory_mb": "memory, MB"}
    for axis, (column, label) in zip(axes, columns.items(), strict=True):
        axis.plot([jobs(row) for row in rows], numbers(rows, column), "o-")
        axis.set(xlabel="jobs", ylabel=label, xlim=(0, None), ylim=(0, None))
    return figure


def jobs(row: Row) -> int:
    """How many jobs a plan has."""
    return int(row["jobs"])


def memory() -> Figure:
    """Peak memory of each stage against ROIs and scenes."""
    rows = read("memory")
    figure, axes = new(2, sharey=True)
    for axis, along, other in zip(axes, ("rois", "scenes"), ("scenes", "rois"), strict=True):
        least = min(numbers(rows, other))
        for stage in STAGES:
            line = [row for row in rows if row["stage"] == stage and float(row[other]) == least]
            line.sort(key=lambda row, along=along: float(row[along]))
            axis.plot(numbers(line, along), numbers(line, "peak_mb"), "o-", label=stage)
        ticks = sorted({int(row[along]) for row in rows})
        axis.set(xscale="log", xlabel={"rois": "ROIs in a shard", "scenes": "scenes"}[along])
        axis.set_xticks(ticks, list(map(str, ticks)))
        axis.minorticks_off()
    axes[0].set(ylabel="peak memory above imports, MB", ylim=(0, None))
    axes[1].legend(frameon=False)
    return figure


FIGURES: tuple[Callable[[], Figure], ...] = (engine, startup, sweep, planning, memory)


def main() -> None:
    plt.switch_backend("svg")
    plt.rcParams.update({"svg.hashsalt": "rsweep", "svg.fonttype": "none", "font.size": 9})
    IMAGES.mkdir(parents=True, exist_ok=True)
    for draw in FIGURES:
        draw().savefig(IMAGES / f"{draw.__name__}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
