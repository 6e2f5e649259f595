"""A race: which shards come first, and which profiles stop after a part of them.

Looks are planned and few, so the error that a race may make is spent on them in equal parts: at
each look all differences are held at once (max-T over whole blocks) with confidence
1 - error / looks. By the union bound, all intervals of all looks hold together with the confidence
that was asked for, and a profile stops only where another is better by more than `matters` at the
lower end of one of them. So with that confidence no profile stops that is within `matters` of the
best at the look.

All profiles of a look are trained and scored on the same places. What is bounded is therefore the
difference at the look's number of training places; a profile that catches up only with more of them
is protected by `matters` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsweep.evaluate.compare import Pairs, compare
from rsweep.evaluate.design import Design
from rsweep.evaluate.evaluation import Predictions
from rsweep.evaluate.judge import resample
from rsweep.evaluate.verdict import Interval

LEAST_BLOCKS = 10
"""Blocks of like size that a look needs: of fewer the bootstrap says too little of the tails."""

Indices = NDArray[np.intp]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Beaten:
    """A profile that another is better than by more than `matters`.

    Attributes:
        profile: its place among the compared.
        better: the other's place.
        behind: quality of the other minus its own, with the interval of the look.
    """

    profile: int
    better: int
    behind: Interval


@dataclass(frozen=True)
class Look:
    """What a look at the profiles on a part of the places shows.

    Attributes:
        names, quality: the profiles that could be compared.
        beaten: those of them that stop.
        rois: places on which they are compared.
        blocks: blocks of equal size that would tell as much.
        note: why nobody can stop, where that is so.
    """

    names: Sequence[str]
    quality: Sequence[float]
    beaten: Sequence[Beaten]
    rois: int
    blocks: float
    note: str = ""


def take_look(
    predictions: Mapping[str, Predictions], design: Design, matters: float, confidence: float
) -> Look:
    """Compare profiles on the places that they have so far.

    Args:
        predictions: profile -> out-of-fold predictions of the places of the look.
        design: of the study: its folds and blocks are those of the look.
        matters: smallest difference that counts.
        confidence: of this look, see `look_confidence`.
    """
    found = resample(predictions, design)
    if found is None:
        return Look([], [], [], 0, 0.0, "the profiles have no labelled places in common")
    blocks = found.repeats[0].effective_blocks()
    quality = [round(float(value), 5) for value in found.draws.quality]
    common = (found.names, quality)
    if blocks < LEAST_BLOCKS:
        note = f"about {blocks:.0f} blocks of like size, and it takes {LEAST_BLOCKS} to stop one"
        return Look(*common, [], len(found.rows), blocks, note)
    lost = beaten(compare(found.draws, confidence), matters)
    return Look(*common, lost, len(found.rows), blocks)


def look_confidence(confidence: float, looks: int) -> float:
    """Confidence at each of a planned number of looks, so that all hold together."""
    return 1 - (1 - confidence) / looks


def beaten(pairs: Pairs, matters: float) -> list[Beaten]:
    """Profiles that stop: each with the one that is ahead of it the most surely.

    The profile of the highest quality never stops, so one at least goes on.
    """
    low, found = pairs.low, []
    for profile, better in enumerate(low.argmax(axis=0).tolist()):
        if low[better, profile] > matters:
            ends = (pairs.difference, pairs.low, pairs.high)
            behind = Interval(*(round(float(m[better, profile]), 5) for m in ends))
            found.append(Beaten(profile, better, behind))
    return found


def draw_parts(
    shard_of: Indices, sizes: Indices, strata: Sequence[Indices], shares: Sequence[float]
) -> list[list[int]]:
    """Nested parts of the shards, as numbers: each the first ones of one order.

    Shards come in the order in which they cover the strata best for the places that they cost:
    each stratum counts by the square root of what is held of it, so that one of which little is
    held yet counts most.

    Args:
        shard_of: [M] shard of each labelled place.
        sizes: [S] places of each shard, labelled or not; at least one more than there are shares.
        strata: [M] each: the block, the class, ... of the labelled places, numbered from 0.
        shares: rising shares of all places below 1 that the parts are to reach.
    """
    order = _covering_order(_held_shares(shard_of, len(sizes), strata), sizes)
    reached = np.cumsum(sizes[order]) / sizes.sum()
    parts: list[list[int]] = []
    for place, share in enumerate(shares):
        count = int(np.searchsorted(reached, share - 1e-12)) + 1
        least = len(parts[-1]) + 1 if parts else 1
        most = len(sizes) - (len(shares) - place)  # something is left for each part after it
        parts.append(order[: min(max(count, least), most)])
    return parts


def _held_shares(shard_of: Indices, shards: int, strata: Sequence[Indices]) -> Floats:
    """[S, K] what share of each stratum's places a shard has."""
    found = []
    for kinds in strata:
        counts = np.zeros((shards, int(kinds.max()) + 1))
        np.add.at(counts, (shard_of, kinds), 1)
        # So that blocks together count as much as classes together, however many there are.
        found.append(counts / np.maximum(counts.sum(axis=0), 1) / counts.shape[1] ** 2)
    return np.concatenate(found, axis=1)


def _covering_order(shares: Floats, sizes: Indices) -> list[int]:
    held, left, order = np.zeros(shares.shape[1]), list(range(len(shares))), []
    while left:
        gain = (np.sqrt(held + shares[left]) - np.sqrt(held)).sum(axis=1) / sizes[left]
        chosen = left.pop(int(gain.round(12).argmax()))
        held += shares[chosen]
        order.append(chosen)
    return order
