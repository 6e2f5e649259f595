"""The verdict in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from rsweep.evaluate.design import Design
from rsweep.evaluate.verdict import Cost, Standing, Verdict

if TYPE_CHECKING:  # the page needs an answer in words, and nothing that computes one
    from rsweep.evaluate.evaluation import Evaluation
    from rsweep.evaluate.judge import Compared

METRICS = {"balanced_accuracy": "balanced accuracy", "r2": "R²"}
SATURATED = 0.99
FEW_BLOCKS = 15


def answer(verdict: Verdict) -> str:
    """One or two sentences: what to use, at what cost, and how sure that is."""
    found = {s.profile: s for s in verdict.standings}
    margin = f"{verdict.matters:g} {METRICS[verdict.metric]}"
    if verdict.recommended is None:
        return _undecided(verdict, margin)
    chosen, count = (
        found[verdict.recommended],
        sum(s.quality is not None for s in verdict.standings),
    )
    sure = f"is within {margin} of the best of {count} profiles with 95 % confidence"
    costs = (
        "what it cost its makers is not known"
        if chosen.given
        else (f"costs {cost_words(chosen.cost)}")
    )
    text = f"Use {chosen.profile}: it {sure}, and {costs}"
    if verdict.recommended == verdict.best or not verdict.saving:
        return f"{text}. No cheaper profile is shown to be as good."
    return f"{text}, {verdict.saving:.0%} less than {verdict.best}, which scored highest."


def _undecided(verdict: Verdict, margin: str) -> str:
    running = [s for s in verdict.standings if s.status == "undecided"]
    text = (
        f"Undecided: no profile is shown to be within {margin} of the best. "
        f"{_listed(running)} still in the running, {verdict.best} scored highest"
    )
    if verdict.rois_to_decide is None:
        return f"{text}. No number of ROIs would decide at this margin: set a larger `matters`."
    held = f"{verdict.compared:,}"
    if verdict.cells:
        held = f"{verdict.cells.rois:,}, with {held} cells"
    return (
        f"{text}; about {verdict.rois_to_decide:,} labelled ROIs would decide (compared: {held})."
    )


def _listed(standings: list[Standing]) -> str:
    if len(standings) == 1:
        return f"{standings[0].profile} is"
    if len(standings) <= 3:
        return (
            " and ".join([", ".join(s.profile for s in standings[:-1]), standings[-1].profile])
            + " are"
        )
    return f"{len(standings)} profiles are"


def cost_words(cost: Cost) -> str:
    """`12.3 s for 1,000 ROIs (0.01 EUR)`."""
    each = cost.seconds_per_1k_rois or 0.0
    size = f"{each / 60:.1f} min" if each >= 120 else f"{each:.1f} s"
    money = cost.money_per_1k_rois
    priced = "" if money is None else f" ({money:.3g} {cost.currency})".replace(" )", ")")
    return f"{size} for 1,000 ROIs{priced}"


def cv_words(design: Design) -> str:
    """How folds were made."""
    folds = len(design.fold_names(0))
    repeats = f", drawn {len(design.folds)} times" if len(design.folds) > 1 else ""
    how = {
        "spatial": f"{folds} folds of whole blocks of {design.block_km or 0:g} km",
        "random": f"{folds} folds of ROIs drawn at random",
        "column": f"{folds} fold{'s' * (folds != 1)} of the ROI table's own",
        "group": f"{folds} folds of whole groups",
    }[design.cv]
    return how + repeats


def notes(design: Design, compared: Compared, evaluations: Mapping[str, Evaluation]) -> list[str]:
    """What a reader must know beside the answer."""
    found = [*_lost(design, compared, evaluations), *_design_notes(design)]
    best = compared.draws.interval(compared.best)
    floor = 1 / len(design.classes) if design.classes else 0.0
    if best.low <= floor:
        found.append("No profile is shown to do better than chance.")
    if compared.draws.quality.min() >= SATURATED:
        found.append("Every profile scores 0.99 or more: this task cannot tell them apart.")
    degrees = compared.draws.degrees
    if degrees + 1 < FEW_BLOCKS:
        found.append(f"Only about {degrees + 1:.0f} blocks of like size: intervals are rough.")
    return found


def _lost(design: Design, compared: Compared, evaluations: Mapping[str, Evaluation]) -> list[str]:
    most = max(e.rois + e.lost for e in evaluations.values())
    left = most - len(compared.rows)
    out = [name for name in evaluations if name not in compared.names]
    found = []
    if left:
        found.append(
            f"{left} of {most} scored {design.unit} are not compared, as some profile lacks them."
        )
    if out:
        found.append(f"Not compared, as they lack too many {design.unit}: {', '.join(out)}.")
    return found


def _design_notes(design: Design) -> list[str]:
    blocks, found = np.asarray(design.blocks), []
    held = {
        name: np.unique(blocks[design.labelled & (design.targets == name)])
        for name in design.classes
    }
    alone = [name for name, own in held.items() if len(own) == 1]
    if alone:
        found.append(
            f"All {design.unit} of {', '.join(alone)} lie in one block: no probe can learn it."
        )
    if design.range_km and design.block_km and design.block_km < design.range_km:
        found.append(
            f"Blocks of {design.block_km:g} km are smaller than the {design.range_km:g} "
            f"km over which labels are alike: larger ones would be too few."
        )
    sharing = design.sharing() if design.cv == "random" else 0.0
    if sharing:
        found.append(f"{sharing:.0%} of scored ROIs share ground with a ROI that was trained on.")
    return found
