"""Infer: tiles become token maps."""

from __future__ import annotations

from typing import Any, cast

from rsweep.core.knobs import MODEL, Knob
from rsweep.core.nodes import Node
from rsweep.core.settings import NetworkSettings, by_name
from rsweep.core.stage import NodeSettings, Settings, Stage, Work
from rsweep.models.card import Variant
from rsweep.models.registry import find_card
from rsweep.models.weights_identity import weights_identity
from rsweep.stages.bands import sensor_bands

KNOBS = (
    Knob("model", "infer", "str", "rcf", "the model: `rsweep describe` lists them"),
    Knob("variant", "infer", "str", MODEL, "size of the model"),
    Knob("weights", "infer", "str", MODEL, "pretrained, random, a local file, or an http(s) URL"),
    Knob(
        "weights_sha256",
        "infer",
        "str",
        None,
        "digest that weights from a URL or published ones have; unset, published ones are pinned "
        "to what they are when the study is first planned",
    ),
    Knob(
        "seed",
        "infer",
        "int",
        0,
        "seed of random weights or features",
        minimum=0,
        maximum=2**31 - 1,
    ),
    Knob(
        "patch_size",
        "infer",
        "int",
        MODEL,
        "side of a token in the network's input",
        unit="px",
        minimum=1,
        maximum=1024,
    ),
    Knob(
        "layer",
        "infer",
        "str",
        "last",
        "block whose output is the embedding: last, a number from 1, from the end with a minus, "
        "or several joined by + (concatenated)",
    ),
    Knob("final_norm", "infer", "bool", True, "apply the network's final normalisation"),
    Knob(
        "precision",
        "infer",
        "str",
        "fp32",
        "arithmetic of the forward pass",
        allowed=("fp32", "bf16", "fp16"),
    ),
    Knob("compile", "infer", "bool", False, "compile the network"),
)

MB_PER_MILLION = 8
"""Memory of a million parameters of 4 bytes: the checkpoint and the network, for a while both."""
FLOPS = {"cpu": 1e10, "gpu": 1e13}
"""Operations per second of a core, and of a GPU, that a network is sure to get."""
LOAD_S = 60.0
NATIVE_PX = 384
"""Side of an input that is each ROI's own, for a guess of its cost."""


def reads(settings: Settings, sensor: str) -> dict[str, Any]:
    """Settings of the key: weights by content, and the card's constants as values."""
    card = find_card(settings["model"])
    named = by_name(settings)
    own = {knob.name: named[knob.name] for knob in card.knobs if knob.stage == "infer"}
    shared = ("patch_size", "layer", "final_norm")
    own |= {name: named[name] for name in shared if name in named}
    if settings["weights"] == "none":
        own["seed"] = settings["seed"]
    same = ("model", "variant", "precision", "compile")
    native = settings["input_prep"] == "native"  # the side is then each ROI's own
    return {
        **{name: named[name] for name in same},
        "image_size": "native" if native else settings["image_size"],
        **({"model_version": card.version} if card.version > 1 else {}),
        **weights_identity(settings, card),
        "bands": sensor_bands(settings, card),
        "constants": card.constants(settings),
        **own,
    }


def network_settings(node: Node, side: int | None = None) -> NetworkSettings:
    """What the network of an inference node is built from; `side` is that of a native input."""
    settings = cast(NetworkSettings, node.settings)
    return settings if side is None else {**settings, "image_size": side}


def memory_mb(settings: NodeSettings) -> float:
    """More for large networks."""
    return 3000 + MB_PER_MILLION * _variant(settings).parameters_m


def seconds(settings: NodeSettings, work: Work) -> float:
    """Loading, reading and writing, and two operations per parameter and token."""
    size = settings["image_size"]
    side = (NATIVE_PX if size == "native" else size) / settings.get("patch_size", 16)
    tokens = side**2 * len(settings["bands"])
    operations = 2e6 * _variant(settings).parameters_m * tokens
    rate = FLOPS["gpu"] if work.gpus else FLOPS["cpu"] * work.cores
    return float(LOAD_S + work.tiles * (0.01 + operations / rate))


def _variant(settings: NodeSettings) -> Variant:
    return find_card(settings["model"]).variants[settings["variant"]]


STAGE = Stage(
    "infer",
    version=3,
    about="Tiles to token maps: the model and all that changes its forward pass.",
    knobs=KNOBS,
    reads=reads,
    inputs={"tiles": "prep"},
    tolerance=1e-4,
    memory_mb=memory_mb,
    seconds=seconds,
    options=lambda settings: {"weights": settings["weights"]},
)
