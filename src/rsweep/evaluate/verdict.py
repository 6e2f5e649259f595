"""The verdict of a study: which profile to use, how sure that is, and why; what verdict.json holds.

The page draws it and the sweep table quotes it; neither computes anything of its own.
"""

from __future__ import annotations

import json
import types
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from rsweep.core.files import write_json

Status = Literal["within", "worse", "undecided", "not compared"]
"""within: shown to be within `matters` of the best; worse: shown to be worse than another profile
and not within; undecided: neither; not compared: it lacks too many ROIs, or has no score."""


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Cost:
    """What a profile costs, each number None where it is not known.

    Attributes:
        seconds: all stages of all ROIs, as if the profile ran alone.
        shared_seconds: the same, each stage divided by the number of profiles that use it.
        seconds_per_1k_rois, seconds_per_km2: `seconds` per 1,000 ROIs and per square kilometre.
        peak_memory_mb: of the largest job.
        money, money_per_1k_rois: by the study's prices, in `currency`.
        per_1k_rois, per_km2: what else is known, by name: device_seconds (of a GPU), requests,
            fetched_bytes, eecu_seconds, energy_wh, stage_bytes (of all stages), money.
    """

    seconds: float | None
    shared_seconds: float | None = None
    seconds_per_1k_rois: float | None = None
    seconds_per_km2: float | None = None
    peak_memory_mb: float | None = None
    money: float | None = None
    money_per_1k_rois: float | None = None
    currency: str = ""
    per_1k_rois: Mapping[str, float] = field(default_factory=dict)
    per_km2: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Standing:
    """A profile in the comparison.

    Attributes:
        profile: its name.
        status: see `Status`.
        quality: mean of the probes' scores on the compared ROIs, 95 % interval of its own.
        behind: the best profile's quality minus its own, simultaneous 95 % interval.
        p_better, p_equivalent, p_worse: probability that it is better than the best profile by
            more than `matters`, within `matters` of it, or worse by more.
        front: probability that no profile which costs no more is better.
        probes: probe -> metric -> score, on all ROIs that the profile has.
        rois: labelled ROIs that it has an embedding of.
        lost: labelled ROIs that it has none of.
        cost: what it costs.
        settings: its settings that vary in the study.
        rank: effective rank (RankMe) of its embeddings.
        seam: change across tile borders over change inside tiles, of grids; 1 is no seam.
        nearness: likeness of near ROIs minus that of far ones (cosine).
        note: why it has no score or is not compared.
        given: True of embeddings that others computed, whose cost is not known.
    """

    profile: str
    status: Status
    quality: Interval | None
    behind: Interval | None
    p_better: float | None
    p_equivalent: float | None
    p_worse: float | None
    front: float | None
    probes: Mapping[str, Mapping[str, float]]
    rois: int
    lost: int
    cost: Cost
    settings: Mapping[str, Any] = field(default_factory=dict)
    rank: float | None = None
    seam: float | None = None
    nearness: float | None = None
    note: str = ""
    given: bool = False


@dataclass(frozen=True)
class Effect:
    """What a step of one knob bought, from profiles that differ in nothing else.

    Attributes:
        knob, low, high: the knob and its two values.
        bought: quality at `high` minus quality at `low`, mean over the pairs.
        cost_ratio: seconds at `high` over seconds at `low`, geometric mean; None where unknown.
        pairs: the matched pairs: (profile at low, profile at high).
        depends_on: knobs with which the step shows an interaction: then no one number says it.
    """

    knob: str
    low: str
    high: str
    bought: Interval
    cost_ratio: float | None
    pairs: Sequence[tuple[str, str]]
    depends_on: Sequence[str] = ()


@dataclass(frozen=True)
class Interaction:
    """How the effect of a step of one knob changes with another knob.

    Attributes:
        knob, low, high: the step.
        other, at, instead: the other knob and its two values.
        change: effect of the step where other is `at` minus that where it is `instead`.
        shown: the interval leaves out 0.
    """

    knob: str
    low: str
    high: str
    other: str
    at: str
    instead: str
    change: Interval
    shown: bool


@dataclass(frozen=True)
class DeadKnob:
    """Profiles with other settings and the same output.

    Attributes:
        knob, values: the knob that differs and its values.
        profiles: the profiles.
        how: "identical" to the bit, or "rounding".
    """

    knob: str
    values: Sequence[str]
    profiles: Sequence[str]
    how: Literal["identical", "rounding"]


@dataclass(frozen=True)
class Curve:
    """Quality by number of training labels.

    Attributes:
        profile: its name.
        labels: training labels per class.
        quality: mean of the probes' scores with so many.
        needed: labels per class with which it is as good as the reference; None if it never is.
    """

    profile: str
    labels: Sequence[int]
    quality: Sequence[float]
    needed: float | None = None


@dataclass(frozen=True)
class Measure:
    """A measure that needs no labels, and how well it follows the probes in this study.

    Attributes:
        name, meaning: in words.
        correlation: Spearman's, over profiles, with their quality; None where it cannot be said.
        profiles: how many profiles it is over.
    """

    name: str
    meaning: str
    correlation: float | None
    profiles: int


@dataclass(frozen=True)
class Likeness:
    """How alike profiles' embeddings are, pair by pair: two matrices in the order of `profiles`.

    Attributes:
        cka: linear CKA.
        neighbours: share of nearest neighbours in common.
    """

    profiles: Sequence[str]
    cka: Sequence[Sequence[float]]
    neighbours: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Confusion:
    """Out-of-fold predictions of a profile's best probe.

    Attributes:
        profile, probe: whose.
        classes: their names, in the order of rows and columns.
        counts: rows are true classes, columns predicted ones.
        recall: share of each class that is found.
    """

    profile: str
    probe: str
    classes: Sequence[str]
    counts: Sequence[Sequence[int]]
    recall: Sequence[float]


@dataclass(frozen=True)
class CellsJudged:
    """What was judged where labels are a raster's.

    Attributes:
        raster, size_m: the raster, and the side of a cell.
        rois: ROIs of the compared cells.
        seen: whole cells in the study's ROIs; of these
        unknown, mixed: have no label, or no one label,
        beyond: are more than a ROI may have,
        kept: are labelled.
    """

    raster: str
    size_m: float
    rois: int
    seen: int
    unknown: int
    mixed: int
    beyond: int
    kept: int


@dataclass(frozen=True)
class Verdict:
    """All of it.

    Attributes:
        label, task, metric: what was predicted, and the score: balanced_accuracy or r2.
        matters: the smallest difference that the study cares about.
        answer: one or two sentences for a reader in a hurry.
        recommended: the cheapest profile shown to be within `matters` of the best, or None.
        best: the profile with the highest quality, or None where nothing could be compared.
        saving: share of the best profile's seconds that the recommended one saves.
        rois_to_decide: labelled ROIs that would decide, about, where undecided; None if decided,
            or if no number would.
        chance: the score that needs no embedding.
        classes: class -> labelled ROIs (empty for numbers).
        rois, labelled, compared: ROIs of the study, those with a label, those that all compared
            profiles have. Where `cells` is there, all counts but `rois_to_decide` are of cells.
        cv: how folds were made, in words.
        blocks: groups of ROIs that are resampled as one.
        standings: every profile, best first.
        notes: what a reader must know, such as classes that only one block has.
    """

    label: str
    task: str
    metric: str
    matters: float
    answer: str
    recommended: str | None
    best: str | None
    saving: float | None
    rois_to_decide: int | None
    chance: float
    classes: Mapping[str, int]
    rois: int
    labelled: int
    compared: int
    cv: str
    blocks: int
    standings: Sequence[Standing]
    effects: Sequence[Effect] = ()
    interactions: Sequence[Interaction] = ()
    dead_knobs: Sequence[DeadKnob] = ()
    curves: Sequence[Curve] = ()
    curve_reference: str = ""
    measures: Sequence[Measure] = ()
    likeness: Likeness | None = None
    confusion: Confusion | None = None
    notes: Sequence[str] = ()
    cells: CellsJudged | None = None


def write_verdict(verdict: Verdict, path: Path) -> None:
    """Write verdict.json."""
    write_json(path, asdict(verdict))


def read_verdict(path: Path) -> Verdict:
    """The verdict that `write_verdict` wrote."""
    return build(Verdict, json.loads(path.read_text()))


T = TypeVar("T")


def build(kind: type[T], data: Mapping[str, Any]) -> T:
    """A dataclass of what `asdict` made of it, dataclasses inside it too."""
    hints = get_type_hints(kind)
    return kind(**{name: _value(hints[name], value) for name, value in data.items()})


def _value(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if get_origin(hint) in (Union, types.UnionType):
        return _value(next(h for h in get_args(hint) if h is not type(None)), value)
    if is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value)
    if isinstance(value, list):
        (inner, *rest) = get_args(hint)
        pair = get_origin(hint) is tuple and rest != [Ellipsis]
        kinds = (inner, *rest) if pair else (inner,) * len(value)
        return tuple(_value(k, v) for k, v in zip(kinds, value, strict=True))
    return value
