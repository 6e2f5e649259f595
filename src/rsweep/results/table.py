"""The sweep table of a study."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rsweep.core.files import replacing
from rsweep.plan.departures import profile_departures
from rsweep.plan.given import GivenSet
from rsweep.plan.rounds import Round, Stopped, finished, out_of_race
from rsweep.plan.study import Study
from rsweep.results.given import GivenRan, read_given_ran
from rsweep.results.native import native_distances, overlap_distances
from rsweep.results.ran import Ran, read_ran


def sweep_rows(
    study: Study, ran: Mapping[str, Ran], distances: Mapping[str, Mapping[str, float]]
) -> list[dict[str, Any]]:
    """A row per profile: every setting, every stage key, cost, quality; then given sets, then those
    skipped.

    Args:
        study: it.
        ran: profile -> its run.
        distances: column -> profile -> distance of its grids from others, where there is one.
    """
    rows, standings = [], _standings(study)
    for profile in study.profiles:
        own = ran[profile.name]
        rows.append(
            {
                "profile": profile.name,
                "status": "ok",
                **_outcomes(own),
                **{f"key_{stage}": key for stage, key in profile.keys().items()},
                **own.cost,
                **{
                    column: held[profile.name]
                    for column, held in distances.items()
                    if profile.name in held
                },
                **({} if own.seam is None else {"seam": own.seam}),
                **_quality(standings.get(profile.name, {})),
                "outside_training": "; ".join(profile_departures(profile.settings)),
                **{name: _cell(value) for name, value in profile.settings.items()},
            }
        )
    rows += [
        _given_row(given, standings.get(given.name, {}), each)
        for given, each in zip(study.given, read_given_ran(study).values(), strict=True)
    ]
    for skipped in study.skipped:
        settings = {name: _cell(value) for name, value in skipped.settings.items()}
        rows.append(
            {"profile": skipped.name, "status": "skipped", "reason": skipped.reason, **settings}
        )
    return rows


def _given_row(given: GivenSet, standing: Mapping[str, Any], ran: GivenRan) -> dict[str, Any]:
    """The row of embeddings that others computed: what they cost and ran is not known."""
    return {
        "profile": given.name,
        "status": "given",
        "rois": ran.rois,
        "rois_failed": len(ran.failed),
        "reason": "; ".join(counted(ran.failed)),
        "valid_share": ran.valid_share,
        **_quality(standing),
        **given.settings,
    }


def stopped_rows(study: Study) -> Iterator[dict[str, Any]]:
    """A row per profile that a race has stopped: its settings, keys, and what it had when it was.

    Its score has columns of its own: it is of fewer places than those of the others.
    """
    for profile, one, found in out_of_race(study):
        settings = {name: _cell(value) for name, value in profile.settings.items()}
        yield {
            "profile": profile.name,
            "status": "stopped",
            "reason": stopped_words(one, found, len(study.rois)),
            **{f"key_{stage}": key for stage, key in profile.keys().items()},
            "stopped_round": found.number,
            "stopped_places": found.places,
            "stopped_quality": one.quality,
            "stopped_better": one.better,
            "stopped_behind": one.behind,
            "stopped_behind_low": one.low,
            "stopped_behind_high": one.high,
            **settings,
        }


def stopped_words(one: Stopped, found: Round, places: int) -> str:
    """Why a race has stopped a profile."""
    return (
        f"stopped after round {found.number}, on {found.places:,} of {places:,} ROIs: "
        f"{one.better} is better by {one.behind:.3f} ({one.low:.3f} to {one.high:.3f}, "
        f"{found.confidence:.1%} confidence for all pairs), and {found.matters:g} matters"
    )


def _outcomes(ran: Ran) -> dict[str, Any]:
    return {
        "rois": ran.rois,
        "rois_failed": len(ran.failed),
        "reason": "; ".join(counted(ran.failed)),
        "valid_share": ran.valid_share,
        "real_share": ran.real_share,
    }


def counted(failed: Mapping[str, str]) -> list[str]:
    """Why ROIs have no embedding, the commonest reason first: `2 ROIs, r4 first: no scenes`."""
    found: dict[str, list[str]] = {}
    for roi, reason in failed.items():
        found.setdefault(reason, []).append(roi)
    ordered = sorted(found.items(), key=lambda item: -len(item[1]))
    return [
        f"{f'{len(rois)} ROIs, {rois[0]} first' if len(rois) > 1 else rois[0]}: {reason}"
        for reason, rois in ordered
    ]


def _standings(study: Study) -> dict[str, dict[str, Any]]:
    """Profile -> what verdict.json says of it, if the study evaluates."""
    path = study.folder / "verdict.json"
    held = json.loads(path.read_text())["standings"] if study.evaluate and path.exists() else []
    return {standing["profile"]: standing for standing in held}


def _quality(standing: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a standing: its verdict, quality and distance from the best, every score."""
    if not standing:
        return {}
    found = {
        "verdict": standing["status"],
        "rois_scored": standing["rois"],
        "rois_lost": standing["lost"],
    }
    for name in ("quality", "behind"):
        held = standing[name] or dict.fromkeys(("value", "low", "high"), "")
        found |= {name: held["value"], f"{name}_low": held["low"], f"{name}_high": held["high"]}
    found |= {name: standing[name] for name in ("p_better", "p_equivalent", "p_worse", "front")}
    found |= {
        f"{probe}_{metric}": value
        for probe, scores in standing["probes"].items()
        for metric, value in scores.items()
    }
    costs = _flat(standing["cost"])
    return {**found, **costs, "quality_note": standing["note"]}


def _flat(cost: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a verdict's cost; those by size have a column for each amount."""
    found: dict[str, Any] = {}
    for name, value in cost.items():
        if isinstance(value, Mapping):
            found |= {f"cost_{amount}_{name}": number for amount, number in value.items()}
        elif name != "seconds":
            found[f"cost_{name}"] = value
    return found


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, list | dict) else value


def write_sweep(study: Study, path: Path) -> None:
    """Write sweep.csv."""
    done = finished(study)
    distances = dict(zip(DISTANCES, (native_distances(done), overlap_distances(done)), strict=True))
    rows = [*sweep_rows(done, read_ran(done), distances), *stopped_rows(study)]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


DISTANCES = ("native_distance", "overlap_distance")
"""Columns of the distances of grids from others."""


def read_distances(path: Path) -> dict[str, dict[str, float]]:
    """Column -> profile -> distance of its grids from others, as sweep.csv holds them.

    They are found once, from all grids of the store, which the page does without.
    """
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        column: {row["profile"]: float(row[column]) for row in rows if row.get(column)}
        for column in DISTANCES
    }
