from __future__ import annotations

import pytest
import torch

from rsweep.models.card import Variant
from rsweep.models.dinov3 import network
from rsweep.models.dinov3.card import CARD, NETWORKS
from rsweep.models.protocol import TileBatch
from rsweep.models.timm.network import timm
from rsweep.models.timm.table import find, norm
from rsweep.plan.profiles import resolve
from rsweep.stages.bands import sensor_bands

SMALL = "vit_small_patch16_dinov3"


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setitem(NETWORKS, "large", SMALL)
    monkeypatch.setitem(CARD.variants, "large", Variant(384, 12, 6, 21.6))


def embedder(**own):
    settings, errors = resolve({"model": "dinov3", "image_size": 64, **own}, {})
    assert not errors
    torch.manual_seed(0)
    found = network.build(settings | {"bands": sensor_bands(settings, CARD)})
    found.network.eval()
    return found


def batch(size=64, b=2) -> TileBatch:
    day = {"s2": torch.zeros(b, 1, dtype=torch.int64)}
    seed = torch.Generator().manual_seed(1)
    return TileBatch(
        pixels={"s2": torch.randn(b, 1, 3, size, size, generator=seed)},
        valid={"s2": torch.ones(b, 1, size, size, dtype=torch.bool)},
        day_of_year=day,
        month=day,
        year=day,
        lonlat=torch.zeros(b, 2, dtype=torch.float64),
        gsd=torch.ones(b),
    )


@torch.inference_mode()
def test_it_is_timms_network_and_its_class_token_upstreams_vector():
    model, tiles = embedder(), batch()
    own = timm.create_model(SMALL, num_classes=0, global_pool="token", img_size=64).eval()
    own.load_state_dict(model.network.state_dict())
    found = model.embed(tiles)
    torch.testing.assert_close(found.vectors["cls"], own(tiles.pixels["s2"][:, 0]))
    tokens = own.forward_features(tiles.pixels["s2"][:, 0])[:, 5:]  # class and four registers
    torch.testing.assert_close(found.maps["patches"].flatten(1, 2), tokens)
    torch.testing.assert_close(found.vectors["model"], tokens.mean(1))


def test_variants_are_what_timm_has():
    sizes = {"7b": (4096, 40), "large": (1024, 24)}
    names = {"7b": NETWORKS["7b"], "large": "vit_large_patch16_dinov3.sat493m"}
    for variant, name in names.items():
        entry, tag = find(name)
        assert (entry.width, len(entry.strides)) == sizes[variant]
        assert tag is not None
        assert tag.repository == f"timm/{name}"
        mean, _ = norm(tag.norm)
        rule = CARD.normalizations["true_colour"]["s2"]
        assert [m / 255 for m, _ in rule.stats.values()] == pytest.approx(mean)


def test_what_does_not_fit_is_refused_and_the_licence_said():
    _, errors = resolve({"model": "dinov3", "image_size": 100}, {})
    assert "nearest: 96, 112" in dict(errors)["image_size"]
    assert "gated" in CARD.licence_weights
