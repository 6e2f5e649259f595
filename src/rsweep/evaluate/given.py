"""Embeddings that others computed, judged on a study's design beside its own profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsweep.core.errors import RsweepError
from rsweep.evaluate.design import Design, read_design
from rsweep.evaluate.evaluation import Evaluation, Predictions, evaluate, read_predictions
from rsweep.evaluate.judge import Compared, compare_profiles
from rsweep.evaluate.verdict import Interval, read_verdict
from rsweep.plan.evaluation import EvaluateOptions
from rsweep.results.given_tables import read_vectors


@dataclass(frozen=True)
class Given:
    """One set of embeddings in the comparison, a profile's or somebody else's.

    Attributes:
        name: of the profile, or as it was given.
        own: True of the study's profiles.
        quality: None where it has too few of the ROIs to be compared.
        behind: quality of the study's best profile minus its own, simultaneous 95 % interval.
        rois, lost: labelled ROIs with and without an embedding; None of profiles.
    """

    name: str
    own: bool
    quality: Interval | None
    behind: Interval | None
    rois: int | None = None
    lost: int | None = None


def compare_given(
    results: Path, options: EvaluateOptions, files: Mapping[str, Path]
) -> list[Given]:
    """Embeddings of others beside a study's profiles, best first, by the study's own evaluation.

    Same labels, folds, probes and intervals; what they cost is not known and is not compared.

    Args:
        results: a folder of results that has a verdict.
        options: the study's `evaluate` section with its defaults.
        files: name -> file; see `read_vectors`.

    Raises:
        RsweepError: the study was not evaluated, or a file does not fit; names it.
    """
    design, predictions = _own_predictions(results)
    taken = sorted(set(files) & set(predictions))
    if taken:
        raise RsweepError(f"{taken[0]} is a profile of the study; give the file another name")
    own = list(predictions)
    evaluations: dict[str, Evaluation] = {}
    for name, path in files.items():
        evaluations[name], predictions[name] = evaluate(
            read_vectors(path, design.rois), design, options
        )
    unknown = dict.fromkeys(predictions, 0.0)
    compared = compare_profiles(predictions, design, unknown, options["matters"])
    found = [_given(name, own, compared, evaluations.get(name)) for name in predictions]
    return sorted(found, key=lambda each: -each.quality.value if each.quality else 2.0)


def _own_predictions(results: Path) -> tuple[Design, dict[str, Predictions]]:
    path = results / "evaluation" / "design.json"
    if not path.is_file() or not (results / "verdict.json").is_file():
        raise RsweepError(f"{results} has no verdict; a study with `evaluate` makes one")
    design = read_design(path)
    standings = read_verdict(results / "verdict.json").standings
    folders = {
        s.profile: results / ("given" if s.given else "profiles") / s.profile for s in standings
    }
    return design, {name: read_predictions(at, design) for name, at in folders.items()}


def _given(
    name: str, own: Sequence[str], compared: Compared | None, evaluation: Evaluation | None
) -> Given:
    counts = (evaluation.rois, evaluation.lost) if evaluation else (None, None)
    if compared is None or name not in compared.names:
        return Given(name, name in own, None, None, *counts)
    place, pairs = compared.names.index(name), compared.pairs
    of_study = [i for i, other in enumerate(compared.names) if other in own]
    behind = None
    if of_study:
        best = max(of_study, key=lambda i: compared.draws.quality[i])
        parts = (pairs.difference, pairs.low, pairs.high)
        behind = Interval(*(round(float(part[best, place]), 5) for part in parts))
    return Given(name, name in own, compared.draws.interval(place), behind, *counts)
