"""The `evaluate` section of a study: what it may say, checked when a run is planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, cast

from rsweep.core.knobs import Option, Problem, nearest
from rsweep.core.roi import Roi

PROBES = ("knn", "knn_cosine", "linear", "forest")
VERDICT = 2
"""Version of the rule by which profiles are compared: raised when the same predictions, costs and
`matters` give another verdict, which is then made again."""
HELD_OUT = ("train", "validation", "test")
"""Words of a column that says once and for all which ROIs are scored."""

OPTIONS: dict[str, Option] = {
    k.name: k
    for k in (
        Option(
            "label",
            "str",
            None,
            "column of the ROI table that a probe predicts; of a label_raster, what its labels "
            "are called",
        ),
        Option(
            "label_raster",
            "str",
            None,
            "a raster whose values are the labels, in any coordinate system: cells of ROIs are "
            "predicted, each by the token that holds it; no column is read",
        ),
        Option("label_band", "int", 1, "its band", minimum=1),
        Option(
            "label_cell_m",
            "float",
            60.0,
            "side of a labelled cell; cells lie on multiples of it, whole in their ROI",
            unit="m",
            minimum=1,
            maximum=100_000,
        ),
        Option(
            "label_purity",
            "float",
            0.8,
            "least share of a cell that its commonest class has (of numbers: that has a value); "
            "other cells are mixed or unknown, counted and left out",
            minimum=0.5,
            maximum=1,
        ),
        Option(
            "label_ignore", "names", [], "values of the raster that are no label, beside its nodata"
        ),
        Option("label_names", "mapping", {}, "names of its classes, such as {1: crops, 2: forest}"),
        Option(
            "label_cells",
            "int",
            100,
            "most cells of a ROI, drawn at random",
            minimum=1,
            maximum=1_000_000,
        ),
        Option("label_seed", "int", 0, "of that draw", minimum=0, maximum=2**31 - 1),
        Option(
            "label_valid",
            "float",
            0.5,
            "least share of valid ground of the ROI in a token; a profile has no prediction "
            "where its token has less",
            minimum=0,
            maximum=1,
        ),
        Option(
            "task",
            "str",
            "auto",
            "classification or regression; auto: regression if every label is a number and they "
            "are not a few whole ones",
            allowed=("auto", "classification", "regression"),
        ),
        Option(
            "probes",
            "names",
            ["knn", "linear"],
            "knn (k nearest neighbours), knn_cosine (the same by angle), linear (logistic "
            "regression; ridge for numbers), forest (random forest); quality is their mean",
        ),
        Option(
            "cv",
            "str",
            "spatial",
            "folds: spatial holds out blocks of block_km, random single ROIs, column what "
            "`column` says, group one value of `column` after another (a region, year or farm)",
            allowed=("spatial", "random", "column", "group"),
        ),
        Option(
            "column",
            "str",
            None,
            "column of the ROI table with the groups (cv: group), the folds, or train, "
            "validation and test (cv: column)",
        ),
        Option("folds", "int", 5, "folds of the cross-validation", minimum=2, maximum=100),
        Option(
            "repeats",
            "int",
            3,
            "times that folds are drawn anew, unless a column says them: more make differences "
            "surer, at their cost",
            minimum=1,
            maximum=100,
        ),
        Option(
            "block_km",
            "float",
            "auto",
            "side of a spatial block; auto: the distance up to which labels are alike, or less "
            "if that leaves too few blocks",
            unit="km",
            minimum=0.01,
            maximum=5000,
            words=("auto",),
        ),
        Option(
            "buffer_m",
            "float",
            0.0,
            "ROIs this near to a scored ROI are not trained on; 0: those that share ground with "
            "it (not of cv: random, which only counts them); none: every ROI is trained on, as "
            "published splits have it",
            unit="m",
            minimum=0,
            maximum=1_000_000,
            words=("none",),
        ),
        Option(
            "k",
            "int",
            5,
            "neighbours of knn; of a list, what is best on the validation ROIs, or inside the "
            "training ROIs",
            minimum=1,
            maximum=1000,
        ),
        Option(
            "knn_scaled",
            "bool",
            True,
            "neighbours are nearest by features that are standardised by the training ROIs; "
            "false: by features as they are",
        ),
        Option(
            "linear_scaled",
            "bool",
            True,
            "the linear probe learns from features that are standardised by the training ROIs; "
            "false: from features as they are, with up to 4,000 steps of the solver",
        ),
        Option(
            "balanced",
            "bool",
            True,
            "classes weigh the same in every probe, however many ROIs they have; false: each "
            "ROI does",
        ),
        Option(
            "strength",
            "float",
            "auto",
            "penalty of the linear probe, on the sum of squared weights; auto, or a list: "
            "chosen as k is",
            minimum=1e-8,
            maximum=1e8,
            words=("auto",),
        ),
        Option(
            "chosen_by",
            "str",
            "balanced_accuracy",
            "what k and strength of a list are best by, where labels are classes",
            allowed=("balanced_accuracy", "accuracy"),
        ),
        Option(
            "refit",
            "bool",
            True,
            "train on the validation ROIs too, once settings are chosen on them",
        ),
        Option("trees", "int", 200, "trees of the forest", minimum=1, maximum=10_000),
        Option(
            "labels_per_class",
            "names",
            None,
            "numbers of training labels per class at which quality is measured too, such as "
            "[5, 10, 20, 50]",
        ),
        Option(
            "matters",
            "float",
            0.01,
            "smallest difference of quality that you care about: the cheapest profile shown to "
            "be within it of the best is recommended",
            minimum=0,
            maximum=1,
        ),
    )
}
"""None of these changes an embedding, so none is in the key of a stage."""

PROBING = (
    "probes",
    "k",
    "knn_scaled",
    "linear_scaled",
    "balanced",
    "strength",
    "chosen_by",
    "refit",
    "trees",
    "labels_per_class",
)
"""Options that the evaluation of a profile reads beside the design."""
DESIGN = tuple(name for name in OPTIONS if name not in (*PROBING, "matters"))
"""Options that labels, blocks and folds follow from."""
RASTER = tuple(n for n in OPTIONS if n.startswith("label_") and n != "label_raster")
"""Options of a raster of labels."""


class EvaluateOptions(TypedDict, total=False):
    """The `evaluate` section with its defaults; empty where a study asks for none."""

    label: str
    label_raster: str | None
    label_band: int
    label_cell_m: float
    label_purity: float
    label_ignore: Sequence[float]
    label_names: Mapping[str, str]
    label_cells: int
    label_seed: int
    label_valid: float
    task: str
    probes: Sequence[str]
    cv: str
    column: str | None
    folds: int
    repeats: int
    block_km: Any
    buffer_m: float
    k: Any
    knn_scaled: bool
    linear_scaled: bool
    balanced: bool
    strength: Any
    chosen_by: str
    refit: bool
    trees: int
    labels_per_class: Sequence[int] | None
    matters: float


def raster_path(options: EvaluateOptions) -> Path | None:
    """The raster of labels that an `evaluate` section names, if it does."""
    raster = options.get("label_raster")
    return Path(raster) if raster else None


def read_evaluate(
    section: Any, rois: Sequence[Roi], where: str
) -> tuple[EvaluateOptions, list[Problem]]:
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
    values: dict[str, Any] = {}
    for name, knob in OPTIONS.items():
        try:
            value = section.get(name)
            values[name] = knob.default if value is None else _parse(knob, value)
        except ValueError as error:
            problems.append(Problem(f"{place}.{name}", str(error)))
    options = cast(EvaluateOptions, values)  # the names are those of the table of options
    raster = raster_path(options)
    if raster and options.get("label") is None:
        options["label"] = raster.stem
    return options, problems or _check(options, rois, place)


_WHOLE = Option("", "int", None, "", minimum=1, maximum=1_000_000)
_NUMBER = Option("", "float", None, "")


GRIDS = ("k", "strength")
"""Options that may be lists, of which one value is chosen."""


def _parse(knob: Option, value: Any) -> Any:
    several = value if isinstance(value, list) else [value]
    if knob.name in GRIDS and isinstance(value, list):
        return _grid(knob, value)
    if knob.name == "labels_per_class":
        return sorted({_WHOLE.parse(count) for count in several})
    if knob.name == "label_ignore":
        return sorted({_NUMBER.parse(number) for number in several})
    if knob.name == "label_names":  # a key of JSON is text, one of YAML may be a number
        return {f"{_NUMBER.parse(n):g}": str(name) for n, name in knob.parse(value).items()}
    return knob.parse(value)


def _grid(knob: Option, values: list[Any]) -> list[Any]:
    words = [each for each in values if each in knob.words]
    if words or not values:
        raise ValueError(f"is {values!r}; a list is of numbers, of which the best is chosen")
    return sorted({knob.parse(each) for each in values})


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
    """True if a table says nothing in a ROI's label; a class may be called none."""
    return label is None or str(label).strip().lower() in ("", "nan")


def _check(options: EvaluateOptions, rois: Sequence[Roi], place: str) -> list[Problem]:
    problems = [
        Problem(
            f"{place}.probes",
            f"has {probe!r}; allowed: {', '.join(PROBES)}{nearest(probe, PROBES)}",
        )
        for probe in options["probes"]
        if probe not in PROBES
    ]
    if options["label"] is None:
        return [*problems, Problem(f"{place}.label", f"is missing: {OPTIONS['label'].meaning}")]
    named: Mapping[str, object] = options
    raster = raster_path(options)
    if raster:
        problems += _check_raster(raster, options, place)
    elif unused := [name for name in RASTER if named[name] != OPTIONS[name].default]:
        problems.append(Problem(f"{place}.{unused[0]}", "is read with a label_raster only"))
    if not rois:
        return problems
    own = [] if raster else _check_labels(options, rois, place)
    return (
        problems + own + _check_column(options, rois, place) + _check_places(options, rois, place)
    )


def _check_raster(path: Path, options: EvaluateOptions, place: str) -> list[Problem]:
    """What can be said of a raster of labels without reading its pixels."""
    import rasterio

    where = f"{place}.label_raster"
    if not path.is_file():
        return [Problem(where, f"is {str(path)!r}, which is not a file here")]
    try:
        with rasterio.open(path) as file:
            if file.crs is None:
                return [Problem(where, f"{path} does not say in which coordinate system it lies")]
            if options["label_band"] > file.count:
                return [
                    Problem(
                        f"{place}.label_band",
                        f"is {options['label_band']}, but {path} has {file.count}",
                    )
                ]
    except rasterio.errors.RasterioError as error:
        return [Problem(where, f"{path} cannot be read as a raster: {error}")]
    if options["task"] == "regression" and options["labels_per_class"]:
        return [Problem(f"{place}.labels_per_class", "needs classes, but task is regression")]
    return []


MADE_UP = "made-up"
"""What the column `place` of a ROI table says of a place that is not known."""


def _check_places(options: EvaluateOptions, rois: Sequence[Roi], place: str) -> list[Problem]:
    """Blocks of places that nobody knows would be folds at random, by another name."""
    made_up = sum(roi.properties.get("place") == MADE_UP for roi in rois)
    if not made_up or options["cv"] != "spatial":
        return []
    what = f"is spatial, and the places of {made_up} ROIs are made up (column `place`)"
    return [Problem(f"{place}.cv", f"{what}; allowed: column, random, group")]


def _check_labels(options: EvaluateOptions, rois: Sequence[Roi], place: str) -> list[Problem]:
    name, folds = options["label"], options["folds"]
    unknown = _unknown_column(name, rois, f"{place}.label")
    if unknown:
        return unknown
    labels = [str(v) for roi in rois if not is_missing(v := roi.properties.get(name))]
    if len(set(labels)) < 2:
        return [Problem(f"{place}.label", f"is {name!r}, which has fewer than two values")]
    if len(labels) < folds and options["cv"] in ("spatial", "random"):
        what = f"is {folds}, but only {len(labels)} ROIs have a {name}"
        return [Problem(f"{place}.folds", what)]
    return _check_numbers(options, labels, place)


def _check_numbers(options: EvaluateOptions, labels: Sequence[str], place: str) -> list[Problem]:
    task = task_of(labels, options["task"])
    if task == "classification":
        return []
    words = [label for label in labels if not _is_number(label)]
    if words:
        what = f"is regression, but {options['label']} has {words[0]!r}, which is not a number"
        return [Problem(f"{place}.task", what)]
    if options["labels_per_class"]:
        what = f"needs classes, but {options['label']} holds numbers (task: regression)"
        return [Problem(f"{place}.labels_per_class", what)]
    return []


def _check_column(options: EvaluateOptions, rois: Sequence[Roi], place: str) -> list[Problem]:
    name, cv = options["column"], options["cv"]
    if cv not in ("column", "group"):
        unused = [Problem(f"{place}.column", f"is read by cv: column and group only, cv is {cv}")]
        return unused if name is not None else []
    if name is None:
        return [Problem(f"{place}.column", f"is missing, but cv is {cv}")]
    unknown = _unknown_column(name, rois, f"{place}.column")
    if unknown:
        return unknown
    values = {str(v) for roi in rois if not is_missing(v := roi.properties.get(name))}
    if len(values) < 2:
        return [Problem(f"{place}.column", f"is {name!r}, which has fewer than two values")]
    if cv == "column" and values & set(HELD_OUT) and not {"train", "test"} <= values <= {*HELD_OUT}:
        what = f"is {name!r} with {', '.join(sorted(values))}; expected train, test, and validation"
        return [Problem(f"{place}.column", f"{what} at most, or folds by other names")]
    return []


def _unknown_column(name: str, rois: Sequence[Roi], where: str) -> list[Problem]:
    columns = list(dict.fromkeys(column for roi in rois for column in roi.properties))
    if name in columns:
        return []
    has = ", ".join(columns) or "none beside the geometry"
    what = f"is {name!r}, which is not a column of the ROI table; it has: {has}"
    return [Problem(where, what + nearest(name, columns))]


FEW = 20
"""Whole numbers of at most this many values are taken for classes."""


def task_of(labels: Sequence[str], asked: str) -> str:
    """Classification or regression: what the study asks for, or what the labels look like."""
    if asked != "auto":
        return asked
    if not all(_is_number(label) for label in labels):
        return "classification"
    numbers = {float(label) for label in labels}
    few_whole = len(numbers) <= FEW and all(number.is_integer() for number in numbers)
    return "classification" if few_whole else "regression"


def _is_number(label: str) -> bool:
    try:
        return abs(float(label)) < float("inf")
    except ValueError:
        return False
