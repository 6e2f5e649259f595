"""Compare the project's networks with upstream's numbers: `python tests/parity/run.py CASE_DIR...`

A case is a directory in the format of `../shared/parity/README.md`. The network of its variant is
built by `cases_<model>.py`, filled by the recipe, run on the case's inputs, and every output is
compared with the one stored. Exit code: 0 all within tolerance, 1 one is not, 2 a case that cannot
be read.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import recipe
import torch
from recipe import Array
from torch import nn

Fill = Callable[[nn.Module], None]
Runner = Callable[[dict[str, Any], dict[str, Array], Fill], Mapping[str, Array]]


class UnreadableCaseError(Exception):
    """A case that does not follow the format, or whose model has no runner here."""


class KeyMismatchError(Exception):
    """A network whose state dict is not the one that the case's variant has."""


@dataclass(frozen=True)
class Variant:
    """The state dict of a variant, as far as its files are beside the case.

    Attributes:
        shapes: shape by key; None without a key list.
        sums: CRC-32 of the bytes by key.
        kept: tensors that are not learned, as upstream initialises them.
    """

    shapes: dict[str, tuple[int, ...]] | None
    sums: dict[str, int]
    kept: dict[str, Array]


@dataclass(frozen=True)
class Case:
    """A case directory, read: its description, inputs, expected outputs and variant."""

    path: Path
    meta: dict[str, Any]
    inputs: dict[str, Array]
    expected: dict[str, Array]
    variant: Variant

    @property
    def name(self) -> str:
        return f"{self.meta['model']}/{self.path.name}"


@dataclass(frozen=True)
class Comparison:
    """How far one output is from the stored one.

    Attributes:
        output: its name.
        rel_l2: |a - b| / |b| over the stored elements.
        max_over_std: largest difference of one element, in standard deviations of the output.
        whole: largest relative difference of norm, mean and standard deviation of the whole
            output, which a strided sample alone would not see.
        limits: what `rel_l2` (and `whole`) and `max_over_std` may be.
        problem: why nothing could be compared, if so.
    """

    output: str
    rel_l2: float = np.nan
    max_over_std: float = np.nan
    whole: float = np.nan
    limits: tuple[float, float] = (0.0, 0.0)
    problem: str = ""

    @property
    def passed(self) -> bool:
        rel_l2, max_over_std = self.limits  # one test per number: max() would lose a NaN
        within = self.rel_l2 <= rel_l2 and self.whole <= rel_l2
        return not self.problem and within and self.max_over_std <= max_over_std

    def __str__(self) -> str:
        verdict = "pass" if self.passed else "FAIL"
        if self.problem:
            return f"{verdict}  {self.output:<20} {self.problem}"
        largest = np.maximum(self.rel_l2, self.whole)
        return (
            f"{verdict}  {self.output:<20} relative error {largest:.1e} (limit {self.limits[0]:g})"
            f", one element {self.max_over_std:.1e} std (limit {self.limits[1]:g})"
        )


def read_case(path: Path) -> Case:
    """Read a case directory and generate its inputs.

    Raises:
        UnreadableCaseError: something in it is absent or not in the format.
    """
    try:
        meta = json.loads((path / "meta.json").read_text())
        with np.load(path / "arrays.npz") as arrays:
            expected = {name: arrays[name] for name in meta["outputs"]}
        inputs = {name: recipe.network_input(spec) for name, spec in meta["inputs"].items()}
        return Case(path, meta, inputs, expected, _read_variant(path, meta))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableCaseError(f"{path}: {type(error).__name__}: {error}") from error


def find_runner(model: str) -> Runner:
    """The `run` of `cases_<model>.py`.

    Raises:
        UnreadableCaseError: there is no such module.
    """
    try:
        runner: Runner = importlib.import_module(f"cases_{model}").run
    except ModuleNotFoundError as error:
        if error.name != f"cases_{model}":
            raise
        raise UnreadableCaseError(f"model {model!r} has no cases_{model}.py here") from None
    return runner


def run_case(case: Case) -> list[Comparison]:
    """Run a case through the project's network and compare every output."""
    runner = find_runner(case.meta["model"])
    with torch.inference_mode():
        outputs = runner(case.meta, case.inputs, lambda network: fill(case, network))
    return [compare(case, name, outputs.get(name)) for name in case.meta["outputs"]]


def fill(case: Case, network: nn.Module) -> None:
    """Give a network the weights of a case.

    Kept tensors are not learned, so the network has to make them itself: its own must equal the
    case's before the case's are loaded.

    Raises:
        KeyMismatchError: keys, shapes or kept tensors differ from the variant's.
    """
    state = network.state_dict()
    shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    if case.variant.shapes is not None:
        _same_keys(shapes, case.variant.shapes)
    factors = _factors(case.meta.get("weight_overrides", {}), list(state))
    kept = {*case.meta.get("kept_keys", ()), *case.variant.kept}
    for key, tensor in state.items():
        if key in kept or not tensor.is_floating_point():
            state[key] = _own_or_kept(key, tensor, case.variant)
        else:
            values = recipe.weight(key, shapes[key]) * np.float32(factors[key])
            state[key] = torch.from_numpy(np.asarray(values))
    network.load_state_dict(state)
    network.eval()


def _own_or_kept(key: str, own: torch.Tensor, variant: Variant) -> torch.Tensor:
    """A kept tensor as upstream makes it, once the network's own has been found equal."""
    if key in variant.kept:
        same = np.allclose(own.numpy(), variant.kept[key], rtol=1e-5, atol=1e-6)
        own = torch.from_numpy(variant.kept[key])
    else:  # without the tensor, integers can still be checked: they have no rounding
        exact = not own.is_floating_point() and key in variant.sums
        same = not exact or recipe.checksum(own.numpy()) == variant.sums[key]
    if not same:
        raise KeyMismatchError(f"{key} is not what upstream initialises it with")
    return own


def compare(case: Case, name: str, actual: Array | None) -> Comparison:
    """Compare one output, whole or sampled, with the stored one."""
    spec = case.meta["outputs"][name]
    if actual is None:
        return Comparison(name, problem="the runner returned no such output")
    if tuple(actual.shape) != tuple(spec["shape"]):
        return Comparison(name, problem=f"shape {tuple(actual.shape)}, expected {spec['shape']}")
    flat = np.asarray(actual, np.float64).ravel()
    expected = np.asarray(case.expected[name], np.float64).ravel()
    difference = flat[:: spec["stride"] if spec["stored"] == "strided" else 1] - expected
    return Comparison(
        name,
        rel_l2=float(np.linalg.norm(difference) / (np.linalg.norm(expected) or 1)),
        max_over_std=float(np.abs(difference).max() / (spec["std"] or 1)),
        whole=_whole_difference(flat, spec),
        limits=(spec["tolerance"]["rel_l2"], spec["tolerance"]["max_abs_over_std"]),
    )


def _whole_difference(flat: Array, spec: Mapping[str, Any]) -> float:
    rms = spec["l2"] / np.sqrt(flat.size) or 1
    by_norm = abs(np.linalg.norm(flat) - spec["l2"]) / (spec["l2"] or 1)
    by_mean = abs(flat.mean() - spec["mean"]) / rms
    return float(max(by_norm, by_mean, abs(flat.std() - spec["std"]) / rms))


def _read_variant(path: Path, meta: Mapping[str, Any]) -> Variant:
    if "keys_file" not in meta or not (path / meta["keys_file"]).exists():
        return Variant(None, {}, {})
    keys_file = path / meta["keys_file"]
    table = json.loads(keys_file.read_text())
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["keys"]]
    sums = {row["key"]: row["crc32_of_bytes"] for row in rows}
    kept = _read_kept(keys_file.with_name(keys_file.name.replace(".keys.json", ".kept.npz")))
    for key, values in kept.items():
        if recipe.checksum(values) != sums[key]:
            raise ValueError(f"kept {key} does not have the CRC-32 that {keys_file.name} gives")
    return Variant({row["key"]: tuple(row["shape"]) for row in rows}, sums, kept)


def _read_kept(path: Path) -> dict[str, Array]:
    if not path.exists():
        return {}
    with np.load(path) as arrays:
        return {key: arrays[key] for key in arrays.files}


def _same_keys(ours: Mapping[str, tuple[int, ...]], theirs: Mapping[str, tuple[int, ...]]) -> None:
    missing, extra = sorted(theirs.keys() - ours.keys()), sorted(ours.keys() - theirs.keys())
    shapes = [
        f"{k} {ours[k]}, expected {theirs[k]}"
        for k in ours.keys() & theirs.keys()
        if ours[k] != theirs[k]
    ]
    found = (("missing", missing), ("unexpected", extra), ("other shapes", sorted(shapes)))
    problems = [
        f"{len(keys)} {what}: {', '.join(keys[:5])}{', …' if len(keys) > 5 else ''}"
        for what, keys in found
        if keys
    ]
    if problems:
        raise KeyMismatchError("state dict differs: " + "; ".join(problems))


def _factors(overrides: Mapping[str, float], keys: Sequence[str]) -> dict[str, float]:
    factors = dict.fromkeys(keys, 1.0)
    for pattern, factor in overrides.items():
        matches = [key for key in keys if fnmatchcase(key, pattern)]
        if not matches:
            raise KeyMismatchError(f"weight_overrides names {pattern!r}, which matches no key")
        for key in matches:
            factors[key] *= factor
    return factors


def _report(path: Path) -> Iterator[tuple[int, str]]:
    """Lines about one case, each with the exit code it asks for."""
    try:
        case = read_case(path)
        yield 0, f"{case.name}: {case.meta.get('exercises', '')}"
        for comparison in run_case(case):
            yield int(not comparison.passed), f"  {comparison}"
    except UnreadableCaseError as error:
        yield 2, f"unreadable: {error}"
    except Exception as error:  # a network that fails on one case must not hide the others
        yield 1, f"  FAIL  {type(error).__name__}: {error}\n{traceback.format_exc()}"


def main(arguments: Sequence[str]) -> int:
    """Run the cases named on the command line; the largest exit code of any of them."""
    if not arguments:
        print(__doc__)
        return 2
    worst = 0
    for argument in arguments:
        for code, line in _report(Path(argument)):
            print(line, flush=True)
            worst = max(worst, code)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
