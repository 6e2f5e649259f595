"""Every fixture case of every model that has a runner gives upstream's numbers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from run import read_case, run_case

HERE = Path(__file__).parent
FIXTURES = Path(os.environ.get("RSWEEP_PARITY", HERE.parents[1].parent / "shared" / "parity"))
MODELS = sorted(path.stem.removeprefix("cases_") for path in HERE.glob("cases_*.py"))
CASES = [path.parent for model in MODELS for path in sorted(FIXTURES.glob(f"{model}/*/meta.json"))]


@pytest.mark.skipif(not CASES, reason=f"no parity fixtures under {FIXTURES} (RSWEEP_PARITY)")
@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_case_gives_upstreams_numbers(path: Path) -> None:
    comparisons = run_case(read_case(path))

    assert comparisons
    assert all(c.passed for c in comparisons), "\n" + "\n".join(map(str, comparisons))
