"""Every model with random weights on synthetic tiles, for the benchmarks of networks."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from measure import Chain, squares

from rsweep.core.nodes import Node
from rsweep.core.store import Store
from rsweep.models.protocol import TileBatch
from rsweep.stages.infer.engine import Engine
from rsweep.stages.infer.networks import Networks
from rsweep.stages.infer.run import read_batch
from rsweep.stages.prep.format import blocks

RANDOM = {"weights": "random"}
SERIES = {"frame_policy": "equal", "empty_frame": "repeat", "frames": 4}
SMALL: dict[str, dict[str, Any]] = {
    "rcf": {"model": "rcf"},
    "timm resnet18": {"model": "timm:resnet18", **RANDOM},
    "timm vit_tiny": {"model": "timm:vit_tiny_patch16_224", **RANDOM},
    "thor tiny": {"model": "thor", "variant": "tiny", "image_size": 96, **RANDOM},
    "galileo nano": {"model": "galileo", "variant": "nano", "image_size": 32, **SERIES, **RANDOM},
    "galileo tiny": {"model": "galileo", "variant": "tiny", "image_size": 32, **SERIES, **RANDOM},
}
LARGE: dict[str, dict[str, Any]] = {
    "thor base": {"model": "thor", "variant": "base", "image_size": 96, **RANDOM},
    "dofa base": {"model": "dofa", "variant": "base", **RANDOM},
    "prithvi 100m": {"model": "prithvi", "variant": "100m_tl", "frames": 1, **RANDOM},
    "anysat base": {"model": "anysat", "image_size": 12, **SERIES, **RANDOM},
    "agrifm base": {"model": "agrifm", "image_size": 128, **SERIES, **RANDOM},
    "scalemae large": {"model": "scalemae", **RANDOM},
}
MODELS = SMALL | LARGE


def tiles_of(store: Store, own: dict[str, Any], rois: int = 4, **extra: Any) -> Chain:
    """A model's chain, run up to its tiles: one of each of some ROIs of the synthetic world."""
    chain = Chain.of(store, squares(rois, 480), input_prep="resize", **own, **extra)
    chain.run("fetch", "composite", "prep")
    return chain


def load_engine(node: Node, options: Any) -> Engine:
    """The engine of an inference node, as a job would load it."""
    return Networks().get(node.settings, options[node.key])[0].engine


def batch_of(file: h5py.File, rows: range) -> TileBatch:
    """A batch of a prep file, all of whose tiles have the same number of frames."""
    (tiles,) = blocks(file).values()
    return read_batch(tiles, np.asarray(rows), int(tiles.frames[0]))


def shape_of(batch: TileBatch) -> str:
    """Sensors, frames, bands and pixels of one tile, for a table."""
    return " ".join(
        f"{name} {'x'.join(map(str, pixels.shape[1:]))}" for name, pixels in batch.pixels.items()
    )
