"""The `evaluate` section of a study: what it may say, checked when a run is planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rsweep.core.knobs import Knob, Problem, nearest
from rsweep.core.roi import Roi

PROBES = ("knn", "linear")

OPTIONS: dict[str, Knob] = {
    k.name: k
    for k in (
        Knob("label", "stitch", "str", None, "column of the ROI table that a probe predicts"),
        Knob("task", "stitch", "str", "auto",
             "classification or regression; auto: regression if every label is a number and they "
             "are not a few whole ones",
             allowed=("auto", "classification", "regression")),
        Knob("probes", "stitch", "names", list(PROBES),
             "knn (k nearest neighbours), linear (logistic regression; ridge for numbers)"),
        Knob("cv", "stitch", "str", "spatial",
             "folds: spatial keeps ROIs that lie together in one fold, random does not",
             allowed=("spatial", "random")),
        Knob("folds", "stitch", "int", 5, "folds of the cross-validation", minimum=2, maximum=100),
        Knob("k", "stitch", "int", 5, "neighbours of knn", minimum=1, maximum=1000),
    )
}  # fmt: skip
"""None of these changes an embedding, so none is in a key."""


def read_evaluate(
    section: Any, rois: Sequence[Roi], where: str
) -> tuple[dict[str, Any], list[Problem]]:
    """The canonical `evaluate` section with its defaults, and everything wrong with it.

    Args:
        section: what the study says; nothing at all means no evaluation.
        rois: the study's places, whose properties are the labels that there are.
        where: the study file, for messages.
    """
    if not section:
        return {}, []
    place = f"{where}: evaluate"
    if not isinstance(section, Mapping):
        return {}, [Problem(place, f"is {section!r}; expected a mapping with a label")]
    problems = _unknown(section, place)
    options: dict[str, Any] = {}
    for name, knob in OPTIONS.items():
        try:
            value = section.get(name)
            options[name] = knob.default if value is None else knob.parse(value)
        except ValueError as error:
            problems.append(Problem(f"{place}.{name}", str(error)))
    return options, problems or _check(options, rois, place)


def _unknown(section: Mapping[str, Any], place: str) -> list[Problem]:
    options = ", ".join(OPTIONS)
    return [
        Problem(f"{place}.{name}", f"is not an option; options: {options}{nearest(name, OPTIONS)}")
        for name in section
        if name not in OPTIONS
    ]


def check_evaluate(section: Any, rois: Sequence[Roi], where: str) -> list[Problem]:
    """Everything wrong with an `evaluate` section."""
    return read_evaluate(section, rois, where)[1]


def is_missing(label: Any) -> bool:
    """True if a table says nothing in a ROI's label."""
    return label is None or str(label).strip().lower() in ("", "nan", "none", "null")


def _check(options: Mapping[str, Any], rois: Sequence[Roi], place: str) -> list[Problem]:
    problems = [
        Problem(f"{place}.probes", f"has {probe!r}; allowed: {', '.join(PROBES)}"
                                   f"{nearest(probe, PROBES)}")
        for probe in options["probes"] if probe not in PROBES
    ]  # fmt: skip
    if options["label"] is None:
        return [*problems, Problem(f"{place}.label", f"is missing: {OPTIONS['label'].meaning}")]
    return problems + (_check_labels(options, rois, place) if rois else [])


def _check_labels(options: Mapping[str, Any], rois: Sequence[Roi], place: str) -> list[Problem]:
    name, folds = options["label"], options["folds"]
    columns = list(dict.fromkeys(column for roi in rois for column in roi.properties))
    if name not in columns:
        has = ", ".join(columns) or "none beside the geometry"
        what = f"is {name!r}, which is not a column of the ROI table; it has: {has}"
        return [Problem(f"{place}.label", what + nearest(name, columns))]
    labels = [v for roi in rois if not is_missing(v := roi.properties.get(name))]
    if len({str(label) for label in labels}) < 2:
        return [Problem(f"{place}.label", f"is {name!r}, which has fewer than two values")]
    if len(labels) < folds:
        what = f"is {folds}, but only {len(labels)} ROIs have a {name}"
        return [Problem(f"{place}.folds", what)]
    return []
