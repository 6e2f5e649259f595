"""Study files that are no study: an error that names the file, soon, and never a traceback."""

import time

import pytest

from rsweep.cli import main
from rsweep.core.errors import StudyError
from rsweep.plan.config import MOST_VALUES, check_size

HEAD = "study: x\nrois: rois.csv\n"
YEAR = "temporal: {year: 2022}\n"
NUMBERS = ",".join(map(str, range(2, 1002)))
BOMB = (
    "\n".join(
        ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
        + [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    )
    + "\n"
)

CASES = {
    "a day that no month has": (
        "temporal: {start: 2022-06-31, end: 2022-09-01}",
        "start is '2022-06-31'; expected a date",
    ),
    "a tag": (YEAR + "base: !!python/object:os.system {}", "is not YAML: could not determine"),
    "a tag of nobody": (YEAR + "base: !mine 3", "is not YAML"),
    "nesting": (YEAR + "base: " + "[" * 20_000, "nested deeper than 50 levels"),
    "nesting in the middle": (YEAR + "base: {rcf: " + "[" * 90 + "]" * 90 + "}", "50 levels"),
    "a mapping as a name": (YEAR + "base: {{a: 1}: 2}", "unhashable key"),
    "aliases": (BOMB + YEAR + "sweep: *a8", "stands for more than 200,000 values"),
    "aliases in an option": (BOMB + YEAR + "base: {synthetic: {seed: *a8}}", "stands for more"),
    "a mapping in itself": (YEAR + "base: &b {synthetic: {seed: *b}}", "stands for more"),
    "a sweep of a billion": (
        YEAR + f"sweep:\n  - {{seed: [{NUMBERS}], features: [{NUMBERS}], max_tiles: [{NUMBERS}]}}",
        "sweep[0]: multiplies out to 1,000,000,000 profiles: seed (1,000) x features (1,000) x "
        "max_tiles (1,000); a study has at most 10,000",
    ),
    "control characters": (YEAR + "base: \x07", "is not YAML"),
    "a path that is too long": (
        YEAR + f"base: {{provider: local, local: {{path: {'x' * 5000}}}}}",
        "File name too long",
    ),
    "a list": ("]", "is not YAML"),
    "a long window": (
        "temporal: {start: 1970-01-01, end: 9998-01-01}\nbase: {frames: 367}",
        "frames is 367",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_is_said_soon(study, tmp_path, capsys, case):
    text, expected = CASES[case]
    study()  # writes the ROI table, and enters the folder
    (tmp_path / "study.yaml").write_text(HEAD + text)
    began = time.monotonic()
    assert main(["validate", "study.yaml"]) == 1
    assert time.monotonic() - began < 10
    said = capsys.readouterr().err
    assert expected.replace("frames is", "frames: is") in said
    assert len(said) < 1500


def test_a_wrong_window_is_one_problem(study, tmp_path, capsys):
    study()
    (tmp_path / "study.yaml").write_text(HEAD + "temporal: {start: 2022-06-31, end: 2022-09-01}")
    assert main(["validate", "study.yaml"]) == 1
    assert capsys.readouterr().err.startswith("1 problem in the study")


def test_a_table_that_cannot_be_read_is_one_problem(study, tmp_path, capsys):
    study()
    (tmp_path / "study.yaml").write_text(
        HEAD.replace("rois.csv", "none.gpkg")
        + YEAR
        + ("evaluate: {label: crop, probes: [knn]}\nbase: {model: rcf, output: grid}\n")
    )
    assert main(["validate", "study.yaml"]) == 1
    assert capsys.readouterr().err.startswith("1 problem in the study\n  none.gpkg: does not exist")


def test_blocks_are_counted_together(study):
    numbers = list(range(2, 82))
    block = {"seed": numbers, "features": numbers}
    with pytest.raises(StudyError, match=r"6,400 profiles, with 6,400 of blocks before it"):
        study(sweep=[block, block])


def test_a_study_that_snakemake_has_read_is_bounded_too(study):
    with pytest.raises(StudyError, match="stands for more"):
        study(base={"rcf": [0] * (MOST_VALUES + 1)})
    check_size({"a": [0] * 1000}, "x")
