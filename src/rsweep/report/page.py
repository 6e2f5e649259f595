"""report.html: what a study asked, what it cost, what it bought and what ran, in one file."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup

from rsweep.core.durations import format_duration
from rsweep.core.files import replacing
from rsweep.core.redact import without_secrets
from rsweep.evaluate.design import Design
from rsweep.evaluate.verdict import Verdict, build, read_verdict
from rsweep.plan.rounds import finished
from rsweep.plan.study import Study
from rsweep.report import tables
from rsweep.report.labels import short_names
from rsweep.report.layout import by_name
from rsweep.report.layout import text as value_text
from rsweep.report.panels import read_panels
from rsweep.report.published import published_view
from rsweep.report.quality import Names, quality_view
from rsweep.report.race import race_view
from rsweep.report.ranking import by_quality
from rsweep.report.tree import sharing_tree
from rsweep.report.views import Cell, Column, InputView, Page, RerunView, Table
from rsweep.results.given import read_given_ran
from rsweep.results.ran import Ran, read_ran, unique_seconds
from rsweep.results.table import read_distances, sweep_rows
from rsweep.results.versions import versions

Row = Mapping[str, Any]

FILES = {
    "sweep.csv": "a row per profile: every setting, cost and score",
    "verdict.json": "the verdict, as this page draws it",
    "comparisons.parquet": "each pair of profiles with its interval",
    "evaluation/design.json": "labels, blocks and folds",
    "published.csv": "published numbers beside those of this study",
    "study.lock.json": "scenes, weights and digests, to run the study again",
    "figures/": "the figures as images",
}


def write_page(study: Study, figures: Path, lock: Path, path: Path) -> None:
    """Write the page of a study from its results."""
    html = render(page_view(study, figures, lock))
    with replacing(path) as temporary:
        temporary.write_text(html)


def render(page: Page) -> str:
    """The page as HTML."""
    loader = jinja2.PackageLoader("rsweep.report")
    environment = jinja2.Environment(
        loader=loader,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("page.html").render(page=page)


def page_view(study: Study, figures: Path, lock: Path) -> Page:
    """Everything that the page says."""
    names, whole = short_names({p.name: p.settings for p in study.profiles}), study
    study = finished(study)
    ran, verdict = read_ran(study), _verdict(study)
    names |= {given.name: f"{given.name} (given)" for given in study.given}
    found = sweep_rows(study, ran, read_distances(study.folder / "sweep.csv"))
    own = by_quality(list(by_name(found).values()))
    rows = _as_judged([*own, *(row for row in found if row["status"] == "given")], verdict)
    return Page(
        name=study.name,
        subtitle=_subtitle(study),
        cards=_cards(study, own, ran, verdict, names),
        alerts=_alerts(study, ran, names),
        published=published_view(study.folder) if study.options["published"] else None,
        quality=quality_view(verdict, _design(study), names) if verdict else None,
        race=race_view(whole, ran, names),
        profiles=tables.profile_table(rows, names, verdict),
        pictures=read_panels(figures, names),
        input=_input(study, ran, names),
        failures=tables.failure_table({**ran, **read_given_ran(study)}, names),
        skipped=tables.skipped_table(study),
        settings=tables.settings_table(study, names),
        shared=tables.shared_table(study),
        tree=sharing_tree(study, ran, names),
        rerun=_rerun(study, ran, names, lock),
        footer=f"Made by rsweep {versions()['rsweep']} on {versions()['written']}.",
        style=_part("style.css"),
        script=_part("sort.js"),
    )


def _input(study: Study, ran: Mapping[str, Ran], names: Names) -> InputView:
    outside = tables.outside_table(study, names)
    return InputView(tables.frame_table(ran, names), tables.frame_notes(ran), outside)


def _rerun(study: Study, ran: Mapping[str, Ran], names: Names, lock: Path) -> RerunView:
    return RerunView(
        models=tables.model_table(study),
        weights=tables.weight_table(study, ran, names),
        versions=_versions(),
        keys=tables.key_table(study, names),
        lock=f"{lock.name}, sha256 {hashlib.sha256(lock.read_bytes()).hexdigest()}",
        config=yaml.safe_dump(without_secrets(study.config), sort_keys=False, allow_unicode=True),
        files=[(name, words) for name, words in FILES.items() if (study.folder / name).exists()],
    )


def _part(name: str) -> Markup:
    return Markup((files("rsweep.report") / "templates" / name).read_text())


def _verdict(study: Study) -> Verdict | None:
    path = study.folder / "verdict.json"
    return read_verdict(path) if study.evaluate and path.exists() else None


def _design(study: Study) -> Design | None:
    path = study.folder / "evaluation" / "design.json"
    return build(Design, json.loads(path.read_text())) if path.exists() else None


def _as_judged(rows: Sequence[Row], verdict: Verdict | None) -> list[Row]:
    """Rows in the order of the verdict, so that numbers on the page are the same everywhere."""
    if verdict is None:
        return list(rows)
    order = {s.profile: place for place, s in enumerate(verdict.standings)}
    return sorted(rows, key=lambda row: order.get(row["profile"], math.inf))


def _subtitle(study: Study) -> str:
    count, given = len(study.profiles), len(study.given)
    others = f" and {given:,} given set{'s' * (given != 1)} of embeddings" if given else ""
    return (
        f"{count:,} profile{'s' * (count != 1)}{others} over {len(study.rois):,} ROIs of "
        f"{study.options['rois']}, {_window(study)}."
    )


def _window(study: Study) -> str:
    windows = {value_text(p.settings["temporal"]): p.settings["temporal"] for p in study.profiles}
    if not windows:
        return "whose windows are those of whoever computed the embeddings"
    if len(windows) != 1:
        return f"{len(windows)} windows"
    (window,) = windows.values()
    return f"{window['start']} to {window['end']}" if window else "each in its own window"


def _cards(
    study: Study, rows: Sequence[Row], ran: Mapping[str, Ran], verdict: Verdict | None, names: Names
) -> list[tuple[str, str, str]]:
    """Facts in large: what it is, the fact, a word more."""
    failed = {roi for each in ran.values() for roi in each.failed}
    alone = format_duration(sum(row["seconds"] for row in rows))
    found = [
        (
            "Computed in all",
            format_duration(unique_seconds(ran.values())),
            f"each stage counted once; alone, the profiles take {alone}",
        ),
        (
            "ROIs without an embedding",
            f"{len(failed):,} of {len(study.rois):,}",
            "in at least one profile",
        ),
    ]
    if verdict and verdict.best:
        chosen = names[verdict.recommended] if verdict.recommended else "undecided"
        found.insert(0, ("Recommended", chosen, f"highest score: {names[verdict.best]}"))
    return found


def _alerts(study: Study, ran: Mapping[str, Ran], names: Names) -> list[str]:
    """What a reader must not miss."""
    drawn = [names[p.name] for p in study.profiles if p.settings["weights"] == "random"]
    filled = [names[name] for name, each in ran.items() if each.mostly_filled]
    found = []
    if drawn:
        found.append(
            f"Random weights: {tables.listed(drawn)}. These networks were not trained: "
            "their quality says nothing of the published model."
        )
    if filled:
        found.append(
            f"Less than half of what the network saw was measured, in some or all ROIs of "
            f"{tables.listed(filled)}; the rest was missing or a reflection (see Real "
            "share of input)."
        )
    lost = sum(bool(each.cost.get("records_lost")) for each in ran.values())
    if lost:
        found.append(f"Records of runs are lost in {lost} profiles: their cost is an estimate.")
    return found


def _versions() -> Table:
    rows = [[Cell(n), Cell(v, code=n == "commit")] for n, v in versions().items() if n != "written"]
    return Table("Versions", [Column("Package"), Column("Version")], rows)
