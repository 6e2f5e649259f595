"""Tables of the page: profiles with quality and cost, their settings, what failed, what ran."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rsweep.core.durations import format_duration
from rsweep.core.settings import by_name
from rsweep.evaluate.verdict import Interval, Standing, Verdict
from rsweep.models.registry import find_card
from rsweep.plan.departures import profile_departures
from rsweep.plan.study import Study
from rsweep.report.layout import text, varying
from rsweep.report.quality import Names, possible, status_words
from rsweep.report.ranking import METRIC_NAMES, PROBE_NAMES
from rsweep.report.views import Cell, Column, Table
from rsweep.results.given import GivenRan
from rsweep.results.imagery import Imagery
from rsweep.results.ran import HALF, Ran

Row = Mapping[str, Any]
Maker = Callable[[Row], Cell]

STAGES = ("fetch", "composite", "prep", "infer", "stitch")
NONE = Cell("", None)
MOST_NAMED = 3


def profile_table(rows: Sequence[Row], names: Names, verdict: Verdict | None) -> Table:
    """A row per profile, best first, with a column for everything that some profile has."""
    standings = {s.profile: s for s in verdict.standings} if verdict else {}
    makers: dict[Column, Maker] = {
        Column("No.", True): lambda row: _number(row["place"], "{:.0f}"),
        Column("Profile"): lambda row: Cell(names[row["profile"]], href=_folder(row)),
        **(_quality(verdict, standings) if verdict else {}),
        **COSTS,
    }
    placed = [{**row, "place": place} for place, row in enumerate(rows, 1)]
    cells = [[make(row) for make in makers.values()] for row in placed]
    used = [i for i in range(len(makers)) if any(line[i].text for line in cells)]
    columns = list(makers)
    chosen = (
        [row["profile"] for row in rows].index(verdict.recommended)
        if (verdict and verdict.recommended)
        else None
    )
    how = "by quality, best first" if verdict else "by cost, cheapest first"
    return Table(
        f"Profiles {how}; a heading sorts",
        [columns[i] for i in used],
        [[line[i] for i in used] for line in cells],
        chosen,
    )


def folder(profile: str) -> str:
    """A profile's folder, from the page."""
    return f"profiles/{quote(profile)}/"


def _folder(row: Row) -> str:
    kind = "given" if row.get("status") == "given" else "profiles"
    return f"{kind}/{quote(row['profile'])}/"


def _number(value: Any, form: str, bad: bool = False) -> Cell:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return Cell(form.format(value), float(value), "bad" if bad else "") if known else NONE


def _time(value: Any) -> Cell:
    return Cell(format_duration(value), float(value)) if isinstance(value, int | float) else NONE


COSTS: dict[Column, Maker] = {
    Column("Time for 1,000 ROIs", True): lambda row: _time(row.get("cost_seconds_per_1k_rois")),
    Column("Time per km²", True): lambda row: _time(row.get("cost_seconds_per_km2")),
    Column("Time in all", True): lambda row: _time(row.get("seconds")),
    Column("of it inference", True): lambda row: _time(row.get("infer_seconds")),
    Column("Money for 1,000 ROIs", True): lambda row: _money(row),
    Column("Requests for 1,000 ROIs", True): lambda row: _number(
        row.get("cost_requests_per_1k_rois"), "{:,.0f}"
    ),
    Column("Fetched for 1,000 ROIs (MB)", True): lambda row: _megabytes(
        row.get("cost_fetched_bytes_per_1k_rois")
    ),
    Column("Earth Engine for 1,000 ROIs (EECU-s)", True): lambda row: _number(
        row.get("cost_eecu_seconds_per_1k_rois"), "{:.3g}"
    ),
    Column("Energy for 1,000 ROIs (Wh)", True): lambda row: _number(
        row.get("cost_energy_wh_per_1k_rois"), "{:.3g}"
    ),
    Column("GPU time for 1,000 ROIs", True): lambda row: _time(
        row.get("cost_device_seconds_per_1k_rois")
    ),
    Column("Stages for 1,000 ROIs (MB)", True): lambda row: _megabytes(
        row.get("cost_stage_bytes_per_1k_rois")
    ),
    Column("Tiles", True): lambda row: _number(row.get("tiles"), "{:,}"),
    Column("Peak memory (MB)", True): lambda row: _number(row.get("peak_memory_mb"), "{:,.0f}"),
    Column("Result (MB)", True): lambda row: _megabytes(row.get("bytes")),
    Column("Energy (Wh per 1,000 tiles)", True): lambda row: _number(
        row.get("energy_wh_per_1k_tiles"), "{:.3g}"
    ),
    Column("Valid share", True): lambda row: _number(row["valid_share"], "{:.0%}"),
    Column("Real share of input", True): lambda row: _number(
        row.get("real_share"), "{:.0%}", row.get("real_share", 1) < HALF
    ),
    Column("Distance from native grid", True): lambda row: _number(
        row.get("native_distance"), "{:.2f}"
    ),
    Column("Distance from the most overlapped", True): lambda row: _number(
        row.get("overlap_distance"), "{:.2f}"
    ),
    Column("Seam (1: none)", True): lambda row: _number(row.get("seam"), "{:.2f}"),
    Column("ROIs without embedding", True): lambda row: _number(
        row["rois_failed"], "{:,}", bool(row["rois_failed"])
    ),
}


def _megabytes(value: Any) -> Cell:
    return _number(value / 1e6, "{:,.1f}") if isinstance(value, int | float) else NONE


def _money(row: Row) -> Cell:
    cell = _number(row.get("cost_money_per_1k_rois"), "{:.3g}")
    return Cell(f"{cell.text} {row['cost_currency']}", cell.sort) if cell.text else cell


def _quality(verdict: Verdict, standings: Mapping[str, Standing]) -> dict[Column, Maker]:
    def status(row: Row) -> Cell:
        words = status_words(standings[row["profile"]], verdict.recommended)
        return Cell(words, kind="mark" if words == "recommended" else "")

    def of(name: str, form: str) -> Maker:
        return lambda row: _number(getattr(standings[row["profile"]], name), form)

    metric = METRIC_NAMES[verdict.metric]
    return {
        Column("Standing"): status,
        Column(f"Quality ({metric})", True): lambda row: _interval(
            standings[row["profile"]].quality, verdict.metric
        ),
        Column("Behind the best", True): lambda row: _interval(standings[row["profile"]].behind),
        Column("P(good enough)", True): lambda row: _chance(standings[row["profile"]]),
        Column("On the front", True): of("front", "{:.0%}"),
        **_probes(verdict, standings),
        Column("Effective rank", True): of("rank", "{:.1f}"),
    }


def _probes(verdict: Verdict, standings: Mapping[str, Standing]) -> dict[Column, Maker]:
    """A column of scores for each probe."""

    def maker(probe: str) -> Maker:
        def score(row: Row) -> Cell:
            held = standings[row["profile"]].probes.get(probe, {})
            return _number(held.get(verdict.metric), "{:.3f}")

        return score

    probes = dict.fromkeys(p for s in verdict.standings for p in s.probes)
    return {Column(PROBE_NAMES[p].capitalize(), True): maker(p) for p in probes}


def _interval(found: Interval | None, metric: str = "") -> Cell:
    if found is None:
        return NONE
    shown = possible(found, metric) if metric else found
    return Cell(f"{shown.value:.3f}", shown.value, note=f"{shown.low:.3f} to {shown.high:.3f}")


def _chance(standing: Standing) -> Cell:
    if standing.p_worse is None:
        return NONE
    return _number(1 - standing.p_worse, "{:.0%}")


def settings_table(study: Study, names: Names) -> Table:
    """The settings that vary, a row per profile."""
    profiles = {p.name: by_name(p.settings) for p in study.profiles}
    varied = varying(profiles)
    body = [
        [
            Cell(names[name], href=folder(name)),
            *(Cell(text(s[k]), _sort(s[k])) if k in s else NONE for k in varied),
            Cell(name, kind="soft"),
        ]
        for name, s in profiles.items()
    ]
    columns = [Column("Profile"), *map(Column, varied), Column("Name of its folder")]
    return Table("Settings that vary", columns, body)


def _sort(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def shared_table(study: Study) -> Table:
    """The settings that all profiles have alike."""
    settings = [by_name(p.settings) for p in study.profiles]
    every = list(dict.fromkeys(k for s in settings for k in s))
    same = [k for k in every if len({text(s.get(k)) for s in settings}) == 1]
    rows = [
        [Cell(k), Cell(text(settings[0][k]))] for k in same if settings[0].get(k) not in (None, {})
    ]
    return Table("Settings that all profiles share", [Column("Knob"), Column("Value")], rows)


def outside_table(study: Study, names: Names) -> Table | None:
    """Settings that leave what a model was trained with, each once with its profiles."""
    found: dict[tuple[str, str], list[str]] = {}
    for profile in study.profiles:
        for line in profile_departures(profile.settings):
            found.setdefault((profile.settings["model"], line), []).append(names[profile.name])
    rows = [[Cell(model), Cell(line), Cell(listed(own))] for (model, line), own in found.items()]
    columns = [Column("Model"), Column("Setting"), Column("Profiles")]
    return Table("Settings that a model was not trained with", columns, rows) if rows else None


def listed(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """`a, b, c and 4 more`."""
    left = len(names) - most
    return "; ".join(names) if left <= 0 else f"{'; '.join(names[:most])} and {left} more"


def failure_table(ran: Mapping[str, Ran | GivenRan], names: Names) -> Table | None:
    """Why ROIs have no embedding: equal reasons are counted, the commonest first."""
    rois: dict[str, dict[str, None]] = {}
    profiles: dict[str, list[str]] = {}
    for profile, each in ran.items():
        for roi, reason in each.failed.items():
            rois.setdefault(reason, {})[roi] = None
        for reason in dict.fromkeys(each.failed.values()):
            profiles.setdefault(reason, []).append(names[profile])
    rows = [
        [
            Cell(reason),
            Cell(f"{len(held):,}", len(held)),
            Cell(listed(list(held), 5)),
            Cell("all" if len(profiles[reason]) == len(ran) else listed(profiles[reason])),
        ]
        for reason, held in sorted(rois.items(), key=lambda item: -len(item[1]))
    ]
    columns = [Column("Reason"), Column("ROIs", True), Column("Which"), Column("Profiles")]
    return Table("ROIs without an embedding, by reason", columns, rows) if rows else None


def skipped_table(study: Study) -> Table | None:
    """Combinations that cannot run: equal reasons are counted."""
    found: dict[str, list[str]] = {}
    for skipped in study.skipped:
        found.setdefault(skipped.reason, []).append(skipped.name)
    rows = [
        [Cell(reason), Cell(str(len(own)), len(own)), Cell(listed(own))]
        for reason, own in found.items()
    ]
    columns = [Column("Why it cannot run"), Column("Combinations", True), Column("Which")]
    return Table("Combinations skipped (on_invalid: skip)", columns, rows) if rows else None


def frame_table(ran: Mapping[str, Ran], names: Names) -> Table:
    """The frames that networks were given, once for all profiles of the same imagery."""
    groups: dict[tuple[Imagery, ...], list[str]] = {}
    for profile, each in ran.items():
        groups.setdefault(each.imagery, []).append(names[profile])
    rows = [
        [
            Cell(f.sensor),
            Cell(str(f.frame), f.frame),
            Cell(f"{f.days[0]} to {f.days[1]}", kind="date"),
            Cell(_between(*f.dates), kind="date"),
            Cell(_between(*f.scenes), f.scenes[0]),
            Cell(f"{f.rois:,}", f.rois),
            Cell(", ".join(f.masks)),
            Cell("all" if len(own) == len(ran) else listed(own)),
        ]
        for found, own in groups.items()
        for f in found
    ]
    columns = [
        Column("Sensor"),
        Column("Frame", True),
        Column("Days (the last left out)"),
        Column("Mean day of its scenes"),
        Column("Scenes per ROI", True),
        Column("ROIs", True),
        Column("Cloud mask"),
        Column("Profiles"),
    ]
    return Table("Frames that the models were fed", columns, rows)


def _between(least: Any, most: Any) -> str:
    return str(least) if least == most else f"{least} to {most}"


def frame_notes(ran: Mapping[str, Ran]) -> list[str]:
    """Warnings about imagery, each with the most ROIs that a profile has of it."""
    found: dict[str, int] = {}
    for frame in (frame for each in ran.values() for frame in each.imagery):
        for words, count in frame.warnings:
            line = f"{frame.sensor}: {words}"
            found[line] = max(count, found.get(line, 0))
    return [f"{line} ({count:,} ROIs)" for line, count in found.items()]


def key_table(study: Study, names: Names) -> Table:
    """The key of each stage of each profile."""
    rows = []
    for profile in study.profiles:
        keys = profile.keys()
        rows.append(
            [
                Cell(names[profile.name], href=folder(profile.name)),
                *(Cell(keys[stage], code=True) for stage in STAGES),
            ]
        )
    return Table("Keys", [Column("Profile"), *map(Column, STAGES)], rows)


def model_table(study: Study) -> Table:
    """What to cite, and under which licences."""
    rows = []
    for model in dict.fromkeys(p.settings["model"] for p in study.profiles):
        card = find_card(model)
        rows.append(
            [
                Cell(card.title, note=model),
                Cell(card.paper),
                Cell(card.licence_code),
                Cell(card.licence_weights),
            ]
        )
    columns = map(Column, ("Model", "Paper", "Licence of the code", "Licence of the weights"))
    return Table("Models to cite", list(columns), rows)


def weight_table(study: Study, ran: Mapping[str, Ran], names: Names) -> Table:
    """Weights that ran and where, once for all profiles alike."""
    found: dict[tuple[str, ...], list[str]] = {}
    for profile in study.profiles:
        records = [r for shards in ran[profile.name].runs.values() for r in shards.values()]
        told = next((r for r in records if r.get("weights")), {})
        words = "; ".join(f"{k}: {text(v)}" for k, v in told.get("weights", {}).items())
        what = (
            profile.settings["model"],
            words or "not recorded",
            str(told.get("device", "")),
            str(told.get("precision", "")),
        )
        found.setdefault(what, []).append(names[profile.name])
    rows = [[*map(Cell, what), Cell(listed(own))] for what, own in found.items()]
    columns = map(Column, ("Model", "Weights", "Device", "Precision", "Profiles"))
    return Table("Weights and where they ran", list(columns), rows)
