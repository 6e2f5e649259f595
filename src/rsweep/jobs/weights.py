"""Fetching a study's weights where the network is, so that inference reads and never downloads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rsweep.core.canonical import digest
from rsweep.core.files import write_json
from rsweep.core.nodes import KEY_LENGTH, Node
from rsweep.models.pins import checkpoint_name
from rsweep.models.registry import find_card
from rsweep.plan.study import Study
from rsweep.stages.infer.spec import network_settings

WHERE = ("model", "variant", "sha256", "repository", "revision", "file", "url")
"""Settings of an inference node that say which weights it reads."""


def weights_name(node: Node, options: Mapping[str, Any]) -> str:
    """Name of what an inference node's weights are fetched as; "" if there is nothing to fetch."""
    weights = str(options["weights"])
    if weights != "pretrained" and "://" not in weights:
        return ""
    told = {name: node.settings[name] for name in WHERE if name in node.settings}
    return digest([weights, told])[:KEY_LENGTH]


def marker(folder: Path, name: str) -> Path:
    """The file that says that weights are here, and what they are."""
    return folder / "weights" / f"{name}.json"


def fetched(study: Study) -> Iterator[tuple[str, Node, Mapping[str, Any]]]:
    """Name, node and options of everything that a study's inference needs fetched, each once."""
    options, seen = study.node_options(), {""}
    for node in study.nodes().values():
        if node.stage == "infer":
            name = weights_name(node, options[node.key])
            if name not in seen:
                seen.add(name)
                yield name, node, options[node.key]


def fetch_one(study: Study, node: Node, options: Mapping[str, Any]) -> dict[str, Any]:
    """Fetch the weights of a node; what they are.

    Raises:
        WeightsError: they are not to be had, or are others than the study was planned with.
        TransientError: they cannot be fetched now, which may pass.
    """
    from rsweep.models.weights import fetch_weights

    commit = None
    if options["weights"] == "pretrained":
        checkpoint = find_card(node.settings["model"]).variants[node.settings["variant"]].checkpoint
        pin = study.pins().get(checkpoint_name(checkpoint)) if checkpoint else None
        commit = pin.commit if pin else None
    return fetch_weights(network_settings(node), options, commit)


def fetch_named(study: Study, wanted: str, to: Path) -> None:
    """Fetch the weights of a name, and write what they are."""
    node, options = next((n, o) for name, n, o in fetched(study) if name == wanted)
    write_json(to, fetch_one(study, node, options))


def forget_lost(study: Study) -> None:
    """Remove what says that weights are here and is wrong: a cache may have been emptied."""
    for name, _, _ in fetched(study):
        path = marker(study.folder, name)
        try:
            there = Path(json.loads(path.read_text())["file"]).is_file()
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError):
            there = False
        if not there:
            path.unlink(missing_ok=True)
