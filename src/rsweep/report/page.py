"""report.html: what a study asked, what it cost, what it bought and what ran, in one file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from rsweep.core.files import replacing
from rsweep.evaluate.verdict import Verdict, read_verdict
from rsweep.plan.departures import profile_departures
from rsweep.plan.study import Study
from rsweep.report.imagery import imagery_section
from rsweep.report.layout import by_name, varying
from rsweep.report.layout import text as value_text
from rsweep.report.markup import (
    Column,
    Html,
    anchor,
    breakable,
    cards,
    join,
    picture,
    section,
    table,
    tag,
    text,
)
from rsweep.report.ranking import (
    METRIC_NAMES,
    PROBE_NAMES,
    by_quality,
    metric_of,
    probes_of,
    score,
)
from rsweep.report.seconds import seconds
from rsweep.results.ran import Ran, read_ran, unique_seconds
from rsweep.results.table import sweep_rows
from rsweep.results.versions import versions

Row = Mapping[str, Any]

CAPTIONS = {
    "grids": "Grids of embeddings: the first three principal components of each profile's cells "
    "over all ROIs, as red, green and blue, beside the composite that they were made of. Colours "
    "compare within a row, not between rows. Grey: no valid pixel.",
    "cost": "Seconds that a profile takes by itself, as measured once. Stages that profiles share "
    "ran once in this sweep, so the sweep took less than the sum.",
    "quality": "How well a probe predicts the labels from the embeddings, on ROIs that it was not "
    "trained on. Where several profiles share a cell, the best of them is shown.",
    "quality_cost": "Each profile's quality against its cost. A dearer profile is worth it only "
    "if it stands above the line.",
}
MOST_FAILURES = 200


def write_page(study: Study, figures: Path, lock: Path, path: Path) -> None:
    """Write the page of a study from its results."""
    ran = read_ran(study)
    rows = sweep_rows(study, ran)
    sections = {
        "Ranking": _ranking(study, rows),
        "Figures": _figures(figures),
        "What was asked": _asked(study),
        "Imagery": imagery_section(ran),
        "Outside what models were trained on": _outside(study),
        "ROIs without an embedding": _failures(ran),
        "Combinations skipped": _skipped(study),
        "Provenance": _provenance(study, lock, ran),
    }
    contents = [tag("li", tag("a", title, href=f"#{anchor(title)}")) for title in sections]
    filled = Template((files("rsweep.report") / "page.html").read_text()).substitute(
        title=text(f"{study.name}: rsweep report"),
        heading=text(study.name),
        subtitle=text(_subtitle(study)),
        contents=join(contents),
        cards=_cards(study, rows, ran),
        sections=join((section(title, content) for title, content in sections.items()), "\n"),
        footer=text(f"Made by rsweep {versions()['rsweep']} on {versions()['written']}."),
    )
    with replacing(path) as temporary:
        temporary.write_text(filled)


def _subtitle(study: Study) -> str:
    count = len(study.profiles)
    return (f"{count} profile{'s' * (count != 1)} over {len(study.rois)} ROIs of "
            f"{study.options['rois']}, {_window(study)}.")  # fmt: skip


def _window(study: Study) -> str:
    windows = {value_text(p.settings["temporal"]): p.settings["temporal"] for p in study.profiles}
    if len(windows) != 1:
        return f"{len(windows)} windows"
    (window,) = windows.values()
    return f"{window['start']} to {window['end']}" if window else "each in its own window"


def _cards(study: Study, rows: Sequence[Row], ran: Mapping[str, Ran]) -> Html:
    done, verdict = list(by_name(rows).values()), _verdict(study)
    failed = {roi for each in ran.values() for roi in each.failed}
    facts: dict[str, tuple[Any, Any]] = {}
    if verdict and verdict.best:
        facts["Recommended"] = (verdict.recommended or "undecided", f"best: {verdict.best}")
    alone = seconds(sum(row["seconds"] for row in done))
    shared = f"each stage counted once; alone, the profiles take {alone}"
    facts["Computed in all"] = (seconds(unique_seconds(ran.values())), shared)
    count = f"{len(failed)} of {len(study.rois)}"
    facts["ROIs without an embedding"] = (count, "in at least one profile")
    return cards(facts)


def _verdict(study: Study) -> Verdict | None:
    path = study.folder / "verdict.json"
    return read_verdict(path) if study.evaluate and path.exists() else None


def _ranking(study: Study, rows: Sequence[Row]) -> Html:
    done, verdict = by_quality(list(by_name(rows).values())), _verdict(study)
    metric = metric_of(done)
    probes = probes_of(done, metric) if metric else []
    columns = [Column("Profile"), *(Column(n, True) for n in STANDING if metric),
               *(Column(PROBE_NAMES[p], True) for p in probes),
               *(Column(n, True) for n in COSTS)]  # fmt: skip
    chosen = verdict.recommended if verdict else None
    body = [_rank_row(row, probes, metric, chosen) for row in done]
    marked = ["best" if row["profile"] == chosen else "" for row in done]
    caption = "Profiles by quality, best first" if metric else "Profiles by cost, cheapest first"
    return join([_explained(verdict), *_filled_in(done), table(caption, columns, body, marked)])


def _filled_in(rows: Sequence[Row]) -> list[Html]:
    """A warning where networks saw more of what was filled in than of what was measured."""
    few = [row["profile"] for row in rows if row["rois"] > row["rois_failed"]
           and row["real_share"] < 0.5]  # fmt: skip
    text = (f"{', '.join(few)}: less than half of what the network saw was measured; the rest was "
            "missing or a reflection (see Real share).")  # fmt: skip
    return [tag("p", text, class_="alert")] if few else []


COSTS = ("Total", "Inference", "Tiles", "Peak memory", "Valid share", "Real share", "ROIs failed")
STANDING = ("Quality", "Behind the best", "On the front")
MARKS = {"within": "≈ good enough", "worse": "worse", "undecided": "undecided",
         "not compared": "not compared"}  # fmt: skip


def _rank_row(row: Row, probes: Sequence[str], metric: str | None, chosen: str | None) -> list[Any]:
    mark = "★ recommended" if row["profile"] == chosen else MARKS.get(row.get("verdict", ""), "")
    standing = [_between(row, "quality"), _between(row, "behind"), _share(row.get("front"))]
    failed = row["rois_failed"]
    name = join([breakable(row["profile"]), " ", tag("span", mark, class_="mark")])
    return [
        name, *(standing if metric else ()), *(_number(row, p, metric) for p in probes if metric),
        seconds(row["seconds"]),
        seconds(row["infer_seconds"]), f"{row['tiles']:,}", f"{row['peak_memory_mb']:,.0f} MB",
        f"{row['valid_share']:.0%}", _real_share(row["real_share"]),
        tag("span", failed, class_="bad") if failed else "0",
    ]  # fmt: skip


def _between(row: Row, name: str) -> Any:
    """A value with its interval."""
    if not isinstance(row.get(name), float):
        return "none"
    ends = f"{row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f}"
    return join([f"{row[name]:.3f} ", tag("span", ends, class_="soft")])


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.0%}"


def _number(row: Row, probe: str, metric: str) -> str:
    found = score(row, probe, metric)
    return "none" if found is None else f"{found:.3f}"


def _real_share(share: float) -> Any:
    """Share of what the network saw that was measured; marked where less than half was."""
    return f"{share:.0%}" if share >= 0.5 else tag("span", f"{share:.0%}", class_="bad")


def _explained(verdict: Verdict | None) -> Html:
    if verdict is None:
        return tag("p", "No quality: the study has no evaluate section, so profiles are by cost.")
    notes = [f"{s.profile}: {s.note}" for s in verdict.standings if s.note]
    classes = ", ".join(f"{name} {count}" for name, count in verdict.classes.items())
    words = (
        f"{METRIC_NAMES[verdict.metric].capitalize()} of predicting {verdict.label}, mean of the "
        f"probes, from predictions of ROIs that were not trained on: {verdict.cv}. Chance is "
        f"{verdict.chance:.3f}. {verdict.labelled} of {verdict.rois} ROIs have a label"
        f"{f' ({classes})' if classes else ''}; profiles are compared on the {verdict.compared} "
        f"that all of them have. In grey, 95 % intervals: of quality by itself; of the distance "
        f"behind the best for all pairs at once, from resampling {verdict.blocks} blocks."
    )
    alerts = [tag("p", note, class_="alert") for note in (*verdict.notes, *notes)]
    return join([tag("p", tag("strong", verdict.answer)), tag("p", words), *alerts])


def _figures(folder: Path) -> Html:
    parts = [
        picture(path, f"Figure {path.stem}. {CAPTIONS[kind]}", CAPTIONS[kind])
        for kind in ("quality_cost", "quality", "cost", "grids")
        for path in [*folder.glob(f"{kind}.png"), *sorted(folder.glob(f"{kind}_[0-9]*.png"))]
    ]
    return join(parts, "\n") if parts else tag("p", "There is nothing to draw.")


def _asked(study: Study) -> Html:
    profiles = {p.name: p.settings for p in study.profiles}
    varied = varying(profiles)
    every = list(dict.fromkeys(k for settings in profiles.values() for k in settings))
    same = [k for k in every if len({value_text(s.get(k)) for s in profiles.values()}) == 1]
    first = next(iter(profiles.values()))
    body = [[breakable(name), *(value_text(s[k]) if k in s else "" for k in varied)]
            for name, s in profiles.items()]  # fmt: skip
    parts = [table("Settings that vary", [Column("Profile"), *map(Column, varied)], body)]
    shared = [[k, value_text(first[k])] for k in same if first.get(k) not in (None, {})]
    rest = table("Shared settings", [Column("Knob"), Column("Value")], shared)
    parts.append(_folded("Settings that all profiles share", rest))
    decided = [k for k in every if k not in varied and k not in same]
    if decided:
        what = f"Settings that follow from these, such as a model's own: {', '.join(decided)}."
        parts.append(tag("p", what, class_="soft"))
    return join(parts)


def _outside(study: Study) -> Html:
    found = {p.name: profile_departures(p.settings) for p in study.profiles}
    body = [[breakable(name), line] for name, lines in found.items() for line in lines]
    if not body:
        return tag("p", "No profile leaves what is known of its model's training.")
    columns = [Column("Profile"), Column("Setting")]
    return table("Settings that a model was not trained with", columns, body)


def _folded(title: str, content: Html) -> Html:
    return tag("details", tag("summary", title), content)


def _failures(ran: Mapping[str, Ran]) -> Html:
    found: dict[tuple[str, str], list[str]] = {}
    for profile, each in ran.items():
        for failure in each.failed.items():
            found.setdefault(failure, []).append(profile)
    if not found:
        return tag("p", "None: every ROI has an embedding in every profile.")
    body = [
        [roi, reason, _listed(names, len(ran))]
        for (roi, reason), names in list(found.items())[:MOST_FAILURES]
    ]
    left = len(found) - len(body)
    more = tag("p", f"and {left} more: see sweep.csv") if left else ""
    columns = [Column("ROI"), Column("Reason"), Column("Profiles")]
    return join([table("ROIs without an embedding", columns, body), more])


def _listed(names: Sequence[str], count: int) -> str:
    return "all" if len(names) == count else ", ".join(names)


def _skipped(study: Study) -> Html:
    if not study.skipped:
        return tag("p", "None: every combination that the study asks for can run.")
    body = [[breakable(s.name), s.reason] for s in study.skipped]
    columns = [Column("Combination"), Column("Why it cannot run")]
    return table("Combinations skipped (on_invalid: skip)", columns, body)


def _provenance(study: Study, lock: Path, ran: Mapping[str, Ran]) -> Html:
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    locked = join([lock.name, ", sha256 ", tag("code", digest)])
    versions_ = [[name, version] for name, version in versions().items() if name != "written"]
    columns = [Column("Package"), Column("Version")]
    return join([
        tag("p", "The lock names the scenes of every ROI, so that the study can be run again on "
                 "exactly these (frozen: true): ", locked),
        tag("p", "A key is a digest of every setting that its stage and those before it read."),
        _keys(study),
        _weights(study, ran),
        _folded("Versions", table("Versions", columns, versions_)),
    ])  # fmt: skip


def _keys(study: Study) -> Html:
    stages = ("fetch", "composite", "prep", "infer", "stitch")
    body = [
        [breakable(p.name), *(tag("code", p.keys()[stage]) for stage in stages)]
        for p in study.profiles
    ]
    return table("Keys", [Column("Profile"), *map(Column, stages)], body)


def _weights(study: Study, ran: Mapping[str, Ran]) -> Html:
    body = []
    for profile in study.profiles:
        records = ran[profile.name].runs[profile.node.inputs["tokens"].key].values()
        told = next((r for r in records if r.get("weights")), {})
        words = "; ".join(f"{k}: {value_text(v)}" for k, v in told.get("weights", {}).items())
        body.append([breakable(profile.name), profile.settings["model"], words or "not recorded",
                     told.get("device", ""), told.get("precision", "")])  # fmt: skip
    columns = [Column(n) for n in ("Profile", "Model", "Weights", "Device", "Precision")]
    return table("Weights and where they ran", columns, body)
