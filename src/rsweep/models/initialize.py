"""Random weights that are the same everywhere: on any machine, torch version and build order."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

TOKEN_STD = 0.02
"""Spread of tokens, positions and embeddings, as vision transformers start."""


def initialize(network: nn.Module, seed: int) -> None:
    """Draw every learned parameter from the seed and its name.

    Parameters that are not learned (fixed position tables) and buffers stay as built. Weights of
    linear layers and convolutions have a standard deviation of 1/sqrt(fan in), so that signals
    neither grow nor fade; norms and scales are 1, biases 0, everything else 0.02.
    """
    embeddings = {
        f"{name}.weight" for name, part in network.named_modules() if isinstance(part, nn.Embedding)
    }
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.requires_grad and parameter.ndim:
                parameter.copy_(_values(name, parameter, seed, name in embeddings))


def _values(name: str, like: Tensor, seed: int, embedding: bool) -> Tensor:
    last = name.rpartition(".")[2]
    if like.ndim == 1:
        return torch.zeros(like.shape) if _shifts(last) else torch.ones(like.shape)
    if last == "logit_scale":
        return like.detach().clone()
    kernel = last.endswith("weight") and "table" not in last and not embedding
    std = 1 / math.sqrt(like[0].numel()) if kernel else TOKEN_STD
    return torch.from_numpy(draw(seed, name, tuple(like.shape), std))


def _shifts(name: str) -> bool:
    return "bias" in name or name == "beta"


def draw(seed: int, name: str, shape: tuple[int, ...], std: float) -> NDArray[np.float32]:
    """Values of mean 0 and standard deviation `std`, from a seed and a name alone.

    They are uniform, made from the raw bits of PCG64: numpy promises that stream for good, which
    it does not of its normal distribution, and no logarithm's last digit enters.
    """
    state = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest())
    bits = np.random.PCG64(state).random_raw(math.prod(shape))
    unit = (bits >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)  # 24 bits: exact
    width = np.float32(std * math.sqrt(12))
    return ((unit - np.float32(0.5)) * width).reshape(shape)
