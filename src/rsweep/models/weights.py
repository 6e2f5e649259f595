"""Loading weights into a network: random, from a file, or fetched; strict about what fits."""

from __future__ import annotations

import argparse
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from rsweep.core.digests import sha256_file
from rsweep.core.errors import WeightsError
from rsweep.core.settings import NetworkSettings
from rsweep.models.card import Checkpoint
from rsweep.models.download import (
    ABSENT,
    check_cached,
    fetch_published,
    published_file,
    url_file,
    url_place,
)
from rsweep.models.initialize import initialize
from rsweep.models.pins import checkpoint_name
from rsweep.models.protocol import Embedder
from rsweep.models.registry import find_card, network_module
from rsweep.models.weights_identity import URL

CONTAINERS = ("state_dict", "model", "module", "model_state", "model_state_dict")
"""Entries under which training scripts put the state dict, beside optimiser and epoch."""

GLOBAL = re.compile(r"GLOBAL (\S+)")
"""How torch names what a pickle refers to and it will not read."""

NAMED = 5
"""Keys named of each kind of misfit; the rest are counted."""


def load_embedder(
    settings: NetworkSettings, options: Mapping[str, Any]
) -> tuple[Embedder, dict[str, Any]]:
    """A network with its weights, and where they are from.

    Args:
        settings: those of an inference node; what they say of the weights is checked.
        options: {"weights": the study's setting}, for paths and URLs, which are in no key.

    Returns:
        The network in evaluation mode, and for the record its weights' source, file and sha256.

    Raises:
        WeightsError: the weights are absent, altered, unreadable, or do not fit the network.
    """
    embedder: Embedder = network_module(settings["model"]).build(settings)
    record = _fill(embedder, settings, options)
    embedder.network.eval().requires_grad_(False)
    return embedder, record


def _fill(
    embedder: Embedder, settings: NetworkSettings, options: Mapping[str, Any]
) -> dict[str, Any]:
    identity = settings.get("weights")
    if identity == "none":
        return {"source": "none", "seed": settings.get("seed")}
    if identity == "random":
        initialize(embedder.network, settings["seed"])
        return {"source": "random", "seed": settings["seed"]}
    path, record = _locate(settings, str(options["weights"]))
    load_strictly(embedder.network, embedder.rename(read_state(path)), path)
    return record


def fetch_weights(
    settings: NetworkSettings, options: Mapping[str, Any], commit: str | None = None
) -> dict[str, Any]:
    """Fetch what an inference node's network is to be filled with, unless it is here; its record.

    Args:
        settings, options: as for `load_embedder`.
        commit: that of the hub's repository which the checkpoint is pinned to, if it is.

    Raises:
        WeightsError: the weights are not to be had, or are others than the study was planned with.
        TransientError: they cannot be fetched now, which may pass.
    """
    weights = str(options["weights"])
    if weights == "pretrained":
        path = fetch_published(_checkpoint(settings), commit)
        _require_content(path, sha256_file(path), settings, weights)
    elif URL.match(weights):
        url_file(weights, settings.get("sha256"))
    return _locate(settings, weights)[1]


def _locate(settings: NetworkSettings, weights: str) -> tuple[Path, dict[str, Any]]:
    """The file of a setting, on this machine, verified; and what to record of it."""
    expected = settings.get("sha256")
    if weights == "pretrained":
        path, record = published_file(_checkpoint(settings), expected)
    elif URL.match(weights):
        path = url_place(weights, expected)
        if not path.is_file():
            raise WeightsError(f"{weights}: {ABSENT}")
        record = {"source": "url", "url": weights, "sha256": check_cached(path, expected)}
    else:
        path = Path(weights)
        if not path.is_file():
            raise WeightsError(f"{path}: no such file; it was there when the study was planned")
        record = {"source": "file", "sha256": sha256_file(path)}
    _require_content(path, record["sha256"], settings, weights)
    return path, record | {"file": str(path)}


def _require_content(path: Path, found: str, settings: NetworkSettings, weights: str) -> None:
    expected = settings.get("sha256")
    if expected and found != expected:
        raise WeightsError(
            f"{path}{_where(settings, weights)}: not the file that the study was planned with, or "
            f"truncated or altered: "
            f"expected sha256 {expected}, found {found} ({path.stat().st_size} bytes)"
        )


def _where(settings: NetworkSettings, weights: str) -> str:
    """` (org/name@main/file)` of a published checkpoint."""
    return f" ({checkpoint_name(_checkpoint(settings))})" if weights == "pretrained" else ""


def _checkpoint(settings: NetworkSettings) -> Checkpoint:
    checkpoint = find_card(settings["model"]).variants[settings["variant"]].checkpoint
    if checkpoint is None:
        raise WeightsError(f"{settings['model']} {settings['variant']} has no published weights")
    return checkpoint


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint: safetensors, or torch's own format without running any code.

    Raises:
        WeightsError: the file is damaged, is neither format, or holds code or no tensors.
    """
    try:
        found = load_file(path) if _is_safetensors(path) else _unpickle(path)
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{path}: cannot be read: truncated, altered, or no checkpoint: expected safetensors "
            f"or a file of torch.save, found {path.stat().st_size} bytes with: {_first(error)}"
        ) from error
    state = unwrap(found)
    if not state:
        raise WeightsError(f"{path}: expected tensors by name, found {_summary(found)}")
    return state


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    return path.suffix == ".safetensors" or (head[8:] == b"{" and not head.startswith(b"PK"))


def _unpickle(path: Path) -> Any:
    mapped = zipfile.is_zipfile(path)  # files of torch before 1.6 are no archives
    try:
        # Training scripts keep their arguments beside the tensors, as attributes and no code.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        culprit = GLOBAL.search(str(error))
        if culprit is None:
            raise ValueError("no pickle that torch can read") from error
        raise WeightsError(
            f"{path}: refused: beside tensors it holds {culprit[1]}, and reading that could run "
            "code; save its state dict alone, best as safetensors"
        ) from error


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def unwrap(found: Any) -> dict[str, Tensor]:
    """The state dict inside whatever a training script wrapped it in; empty if there is none."""
    while isinstance(found, Mapping):
        tensors = {str(k): t for k, t in found.items() if isinstance(t, Tensor)}
        inner = next((found[c] for c in CONTAINERS if isinstance(found.get(c), Mapping)), None)
        if inner is None:
            return tensors or _joined(found)
        found = inner
    return {}


def _joined(parts: Mapping[str, Any]) -> dict[str, Tensor]:
    """One state dict of several, each under the name of its part; empty if one is anything else."""
    if not all(isinstance(p, Mapping) and _all_tensors(p) for p in parts.values()):
        return {}
    return {f"{name}.{key}": t for name, part in parts.items() for key, t in part.items()}


def _all_tensors(part: Mapping[str, Any]) -> bool:
    return all(isinstance(value, Tensor) for value in part.values())


def _summary(found: Any) -> str:
    if isinstance(found, Mapping):
        return f"entries {', '.join(map(str, list(found)[:NAMED])) or '(none)'}"
    return f"a {type(found).__name__}"


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load tensors that are exactly the network's own.

    Raises:
        WeightsError: keys are missing, unexpected, or of the wrong shape; the text says which.
    """
    own = network.state_dict()
    misfits = {
        "missing": [key for key in own if key not in state],
        "unexpected": [key for key in state if key not in own],
        "of the wrong shape": [
            f"{key} (expected {list(own[key].shape)}, found {list(state[key].shape)})"
            for key in own
            if key in state and own[key].shape != state[key].shape
        ],
    }
    problems = [_count(kind, keys) for kind, keys in misfits.items() if keys]
    if problems:
        raise WeightsError(
            f"{path}: does not fit the network, which has {len(own)} keys:\n  "
            + "\n  ".join(problems)
        )
    network.load_state_dict(dict(state))


def _count(kind: str, keys: list[str]) -> str:
    more = ", …" if len(keys) > NAMED else ""
    return f"{len(keys)} {kind}: {', '.join(keys[:NAMED])}{more}"
