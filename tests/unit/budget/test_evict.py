"""What goes is what costs least to make again: against every subset of small stores."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsweep.budget import evict
from rsweep.budget.evict import Artefact, cheapest_eviction


def artefact(number: int, size: int, seconds: float) -> Artefact:
    return Artefact("prep", "k", str(number), Path(str(number)), size, 1.0, seconds)


FILES = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 20)), min_size=1, max_size=8)


@settings(max_examples=25, deadline=None)
@given(FILES, st.floats(0.05, 1.0))
def test_the_choice_is_the_cheapest_of_all_subsets(sizes, part):
    files = [artefact(i, size, float(cost)) for i, (size, cost) in enumerate(sizes)]
    wanted = max(1, int(part * sum(size for size, _ in sizes)))
    best = min(
        sum(f.seconds for f in some)
        for count in range(len(files) + 1)
        for some in itertools.combinations(files, count)
        if sum(f.size for f in some) >= wanted
    )
    found = cheapest_eviction(files, wanted)
    assert found.size >= wanted
    assert found.seconds == pytest.approx(best)
    assert found.bound <= best + 1e-9


def test_many_files_are_chosen_greedily_within_one_file_of_the_bound(monkeypatch):
    monkeypatch.setattr(evict, "MOST_EXACT", 0)
    files = [artefact(i, 10 + i % 7, 1.0 + i % 5) for i in range(200)]
    found = cheapest_eviction(files, 1000)
    assert found.size >= 1000
    assert found.bound <= found.seconds <= found.bound + 5.0


def test_more_than_there_is_cannot_be_freed():
    with pytest.raises(ValueError, match="only 5 bytes may go; 6 were asked for"):
        cheapest_eviction([artefact(0, 5, 1.0)], 6)
