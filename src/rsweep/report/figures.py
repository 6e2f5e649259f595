"""The figures of a study: its grids in colour, what the sweep cost, and what it bought."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib.figure import Figure

from rsweep.plan.rounds import finished
from rsweep.plan.study import Study
from rsweep.report.charts import cost_measure, draw_sweep, quality_measure
from rsweep.report.layout import by_name, lay_out
from rsweep.report.panels import PANELS, save_panels
from rsweep.report.pictures import make_pictures, save_pictures
from rsweep.report.ranking import metric_of, probes_of
from rsweep.report.scatter import draw_scatter
from rsweep.results.ran import read_ran
from rsweep.results.table import read_distances, sweep_rows

DPI = 150


def write_figures(study: Study, folder: Path) -> None:
    """Write every figure of a study that has something to show, as PNG, and the page's panels."""
    study = finished(study)
    folder.mkdir(parents=True, exist_ok=True)
    found = sweep_rows(study, read_ran(study), read_distances(study.folder / "sweep.csv"))
    rows, facets = by_name(found), lay_out(study)
    if rows:
        _save(draw_sweep(facets, rows, [cost_measure()]), folder / "cost.png")
    metric = metric_of(list(rows.values()))
    if metric:
        probes = probes_of(list(rows.values()), metric)
        measures = [quality_measure(probe, metric) for probe in probes]
        _save(draw_sweep(facets, rows, measures), folder / "quality.png")
        _save(draw_scatter(list(rows.values()), metric), folder / "quality_cost.png")
    made = make_pictures(study)
    save_pictures(study, made, folder)
    save_panels(made, folder / PANELS)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=DPI)
