"""A pixel's observations as the sequences that TESSERA was trained on."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

STEP, MOST = 8, 256
"""Sequences are multiples of 8 observations, of at most 256, so that pixels run together."""

V1_LENGTH = 40
"""Observations that version 1 takes of every pixel."""


@dataclass(frozen=True)
class Series:
    """One sensor's observations of N pixels.

    Attributes:
        values: [N, T, C], standardised.
        days: [N, T] float32, day of the year from 1.
        seen: [N, T] bool.
    """

    values: Tensor
    days: Tensor
    seen: Tensor


def sequence_length(count: int, sampling: str) -> int:
    """How long the sequence of a pixel with `count` observations is."""
    if count == 0:
        return 1
    return V1_LENGTH if sampling == "v1" else min(-(-count // STEP) * STEP, MOST)


@functools.cache
def chosen_observations(count: int, sampling: str) -> NDArray[np.int64]:
    """Which of `count` observations make a pixel's sequence, in order.

    Version 1 takes 40 at random; here at even steps, so that it is the same each time. Later ones
    take all and then some again, or, of more than fit, the middle ones of equal parts.
    """
    length = sequence_length(count, sampling)
    every = np.arange(max(count, 1))  # a pixel without any has one, which means nothing
    count = len(every)
    if sampling == "v1":
        return np.rint(np.linspace(0, count - 1, length)).astype(np.int64)
    if count == length:
        return every
    if count > length:
        if sampling == "v2":
            return np.linspace(0, count - 1, length).astype(np.int64)
        return np.array([part[len(part) // 2] for part in np.array_split(every, length)])
    return np.concatenate([every, _repeated(every, length - count, sampling)])


def _repeated(every: NDArray[np.int64], extra: int, sampling: str) -> NDArray[np.int64]:
    count = len(every)
    if sampling == "v1_1":
        inner = np.linspace(0, count - 1, extra + 2)[1:-1]
        return np.rint(inner).astype(np.int64)
    if extra > count:
        return np.arange(extra) % count
    return np.array([part[len(part) // 2] for part in np.array_split(every, extra)])


def full_sequences(series: Series, sampling: str) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Pixels whose sequences are equally long: (which, values [n, L, C], days [n, L])."""
    counts = series.seen.sum(1)
    seen_first = (~series.seen).int().argsort(dim=1, stable=True)
    groups: dict[int, list[tuple[Tensor, Tensor]]] = {}
    for count in torch.unique(counts).tolist():
        which = torch.nonzero(counts == count)[:, 0]
        chosen = torch.from_numpy(chosen_observations(count, sampling)).to(which.device)
        found = groups.setdefault(sequence_length(count, sampling), [])
        found.append((which, seen_first[which][:, chosen]))
    for parts in groups.values():
        which, picks = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        there = counts[which, None] > 0
        values, days = series.values[which[:, None], picks], series.days[which[:, None], picks]
        yield which, torch.where(there[..., None], values, 0), torch.where(there, days, 0)
