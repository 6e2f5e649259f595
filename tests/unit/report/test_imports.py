"""What the jobs of results import: each of scikit-learn and matplotlib in one kind of job alone."""

import subprocess
import sys

import pytest

SLOW = ("sklearn", "matplotlib", "torch", "scipy.stats")


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("rsweep.results.profile", set()),
        ("rsweep.results.table", set()),
        ("rsweep.report.page", set()),
        ("rsweep.report.figures", {"matplotlib"}),
        ("rsweep.evaluate.tasks", {"scipy.stats"}),  # design and verdict; probes import sklearn
    ],
)
def test_slow_libraries_are_imported_by_those_who_use_them(module: str, expected: set[str]) -> None:
    program = f"import sys, {module}; print(*({set(SLOW)} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert set(found.stdout.split()) == expected
