"""Whether a study has enough embeddings."""

import csv
import json
from pathlib import Path

import pytest

from rsweep.core.errors import RsweepError
from rsweep.results.complete import write_complete
from rsweep.results.table import counted

COLUMNS = ("profile", "status", "rois", "rois_failed", "reason")


def table(folder: Path, *rows: tuple[str, int, int]) -> Path:
    path = folder / "sweep.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([name, "ok", rois, failed, "no scenes"] for name, rois, failed in rows)
        writer.writerow(["odd", "skipped", "", "", "image_size"])
    return path


@pytest.mark.parametrize(
    ("failed", "most", "fine"),
    [
        (0, 0.25, True),
        (1, 0.25, True),
        (2, 0.25, False),
        (4, 0.25, False),
        (0, 0.0, True),
        (1, 0.0, False),
        (3, 1.0, True),
        (4, 1.0, False),
    ],
)
def test_more_failures_than_allowed_or_nothing_at_all_is_an_error(tmp_path, failed, most, fine):
    path, said = table(tmp_path, ("good", 4, 0), ("bad", 4, failed)), tmp_path / "complete.json"
    if fine:
        write_complete(path, most, said)
        assert json.loads(said.read_text())["profiles"] == 2
        return
    with pytest.raises(RsweepError, match=rf"1 of 2 profiles .*\n  bad: {failed} of 4 ROIs"):
        write_complete(path, most, said)
    assert not said.exists()


def test_profiles_that_fail_alike_are_one_line(tmp_path):
    path = table(tmp_path, *((f"p{i}", 9, 9) for i in range(144)))
    with pytest.raises(RsweepError) as error:
        write_complete(path, 0.25, tmp_path / "complete.json")
    assert len(str(error.value).splitlines()) == 2
    assert "p0 and 143 more profiles: 9 of 9 ROIs" in str(error.value)


def test_equal_reasons_are_counted():
    failed = {"a": "cloud", "b": "no scenes", "c": "no scenes"}
    assert counted(failed) == ["2 ROIs, b first: no scenes", "a: cloud"]
