"""Networks that stay loaded: by all that they were built from, the oldest let go first."""

import pytest
import torch
from infer_fakes import SETTINGS, FakeEmbedder
from torch import nn

from rsweep.stages.infer import networks as module
from rsweep.stages.infer.networks import Networks

OPTIONS = {"weights": "random"}


@pytest.fixture
def loads(monkeypatch):
    """Settings of every network loaded; each takes 2 MB."""
    found = []

    def load(settings, options):
        found.append(settings)
        embedder = FakeEmbedder()
        embedder.network = nn.Linear(1024, 512, bias=False)
        return embedder, {"source": "random"}

    monkeypatch.setattr(module, "load_embedder", load)
    return found


def variant(number):
    return SETTINGS | {"patch_size": number}


def test_a_network_is_loaded_once(loads):
    networks = Networks()
    networks.limit_mb(100)
    first, seconds = networks.get(variant(1), OPTIONS)
    again, nothing = networks.get(variant(1), OPTIONS)
    assert again is first
    assert seconds > 0
    assert nothing == 0
    networks.get(variant(1), {"weights": "/other.pt"})
    assert len(loads) == 2


def test_memory_is_bounded_and_the_oldest_goes_first(loads):
    networks = Networks()
    networks.limit_mb(15)  # a third of it holds two
    for number in (1, 2, 1, 3, 1, 2):
        networks.get(variant(number), OPTIONS)
        assert len(networks) <= 2
    assert [s["patch_size"] for s in loads] == [1, 2, 3, 2]


def test_a_network_larger_than_the_bound_is_held_alone(loads):
    networks = Networks()
    networks.limit_mb(1)
    networks.get(variant(1), OPTIONS)
    networks.get(variant(2), OPTIONS)
    assert len(networks) == 1


def test_all_can_go(loads):
    networks = Networks()
    networks.limit_mb(100)
    networks.get(variant(1), OPTIONS)
    networks.clear()
    assert len(networks) == 0


def test_the_bound_of_a_later_cell_counts(loads):
    networks = Networks()
    networks.limit_mb(100)
    for number in range(5):
        networks.get(variant(number), OPTIONS)
    networks.limit_mb(15)
    assert len(networks) == 2
    assert networks.device == torch.device("cuda" if torch.cuda.is_available() else "cpu")
