"""Random convolutional features of variant torchgeo, against torchgeo's definition in one line."""

import pytest
import torch
from torch.nn.functional import conv2d

from rsweep.models.rcf.network import RandomFeatures, RcfEmbedder, torchgeo_filters

SETTINGS = {
    "bands": {"s2": ["B4", "B3", "B2"]},
    "variant": "torchgeo",
    "features": 16,
    "kernel_size": 3,
    "seed": 5,
    "patch_size": 24,
    "bias": 0.0,
}


def of_torchgeo(images: torch.Tensor, seed: int, bias: float = -1.0) -> torch.Tensor:
    """[N, features] as torchgeo.models.RCF has them: both halves of conv + bias, over the image."""
    generator = torch.Generator()
    if seed:
        generator.manual_seed(seed)
    found = conv2d(images, torch.randn(8, 3, 3, 3, generator=generator), torch.full((8,), bias))
    return torch.cat([found.relu().mean((2, 3)), (-found).relu().mean((2, 3))], dim=1)


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_whole_images_have_torchgeos_features(seed):
    images = torch.randn(4, 3, 24, 24, generator=torch.Generator().manual_seed(9))
    found = RcfEmbedder({**SETTINGS, "seed": seed}).network(images)
    torch.testing.assert_close(found.reshape(4, 16), of_torchgeo(images, seed))


def test_another_bias_of_torchgeo_is_one_less_than_its_negative():
    images = torch.randn(4, 3, 24, 24, generator=torch.Generator().manual_seed(9))
    found = RcfEmbedder({**SETTINGS, "bias": -0.75}).network(images)
    torch.testing.assert_close(found.reshape(4, 16), of_torchgeo(images, 5, bias=-0.25))


def test_other_variants_rectify_both_sides_alike():
    images = torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(9))
    network = RcfEmbedder({**SETTINGS, "variant": "gaussian", "bias": 0.5}).network
    assert isinstance(network, RandomFeatures)
    torch.testing.assert_close(network.filters.square().sum((1, 2, 3)), torch.ones(8))
    x = conv2d(images, network.filters)
    wanted = torch.cat([(x - 0.5).relu().mean((2, 3)), (-x - 0.5).relu().mean((2, 3))], dim=1)
    torch.testing.assert_close(network(images).reshape(2, 16), wanted)
    other = torchgeo_filters(8, 3, 3, 5).square().sum((1, 2, 3))
    assert (other - 1).abs().min() > 0.1
