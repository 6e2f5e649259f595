"""The part of the page that tells of a race: who was stopped, when and why, what it saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rsweep.core.durations import format_duration
from rsweep.plan.rounds import Round, out_of_race, rounds_so_far
from rsweep.plan.study import Study
from rsweep.report.quality import Names
from rsweep.report.views import Cell, Column, RaceView, Table
from rsweep.results.ran import Ran, unique_seconds


def race_view(study: Study, ran: Mapping[str, Ran], names: Names) -> RaceView | None:
    """What there is to say of a study's race; None if it has none.

    Args:
        study: with all of its profiles.
        ran: the runs of those that finished.
        names: short names of all profiles.
    """
    rounds = rounds_so_far(study)
    if not study.race or not rounds:
        return None
    return RaceView(_words(study, rounds, ran), _rounds(study, rounds), _stopped(study, names))


def saved_share(rounds: Sequence[Round], ran: Mapping[str, Ran]) -> tuple[float, float]:
    """Seconds that a race saved, about, and their share of what all profiles would have taken."""
    saved = sum(found.saved_seconds for found in rounds)
    spent = unique_seconds(ran.values()) + sum(found.seconds for found in rounds)
    return saved, saved / (saved + spent) if saved + spent else 0.0


def _words(study: Study, rounds: Sequence[Round], ran: Mapping[str, Ran]) -> str:
    assert study.race is not None
    count = sum(len(found.stopped) for found in rounds)
    total, matters = len(study.profiles), rounds[0].matters
    sure = f"{study.race.confidence:.0%} confidence over all rounds and profiles"
    if not count:
        return (
            f"No profile was stopped: none of {total} was shown to be worse than another by "
            f"more than {matters:g}, with {sure}. The race saved nothing."
        )
    saved, share = saved_share(rounds, ran)
    return (
        f"{count} of {total} profiles were stopped before they ran on every place, each shown "
        f"to be worse than another by more than {matters:g}, with {sure}. That saved about "
        f"{format_duration(saved)}, {share:.0%} of the seconds of all profiles on all "
        f"places."
    )


def _rounds(study: Study, rounds: Sequence[Round]) -> Table:
    unit = "cells" if study.evaluate.get("label_raster") else "ROIs"
    columns = [
        Column("Round", True),
        Column("ROIs", True),
        Column("Share of ROIs", True),
        Column(f"Labelled {unit} compared", True),
        Column("Blocks, about", True),
        Column("Confidence of the round", True),
        Column("Stopped", True),
        Column("Go on", True),
        Column("Why nobody could stop"),
    ]
    rows = [
        [
            Cell(str(r.number), r.number),
            Cell(f"{r.places:,}", r.places),
            Cell(f"{r.places / len(study.rois):.0%}", r.places),
            Cell(f"{r.rois:,}", r.rois),
            Cell(f"{r.blocks:.0f}", r.blocks),
            Cell(f"{r.confidence:.1%}", r.confidence),
            Cell(str(len(r.stopped)), len(r.stopped)),
            Cell(str(len(r.going)), len(r.going)),
            Cell(r.note),
        ]
        for r in rounds
    ]
    told = len(columns) if any(r.note for r in rounds) else len(columns) - 1
    return Table("Rounds", columns[:told], [row[:told] for row in rows])


def _stopped(study: Study, names: Names) -> Table | None:
    columns = [
        Column("Profile"),
        Column("After round", True),
        Column("ROIs it has", True),
        Column("Score on these", True),
        Column("Behind by", True),
        Column("Interval"),
        Column("Whom"),
    ]
    rows = [
        [
            Cell(names[profile.name]),
            Cell(str(r.number), r.number),
            Cell(f"{r.places:,}", r.places),
            Cell(f"{one.quality:.3f}", one.quality),
            Cell(f"{one.behind:.3f}", one.behind),
            Cell(f"{one.low:.3f} to {one.high:.3f}"),
            Cell(names[one.better]),
        ]
        for profile, one, r in out_of_race(study)
    ]
    return Table("Profiles that were stopped", columns, rows) if rows else None
