"""`compile: true` reaches what every model runs: a knob without effect would be believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from test_golden_models import NAMES, batch_of, few_blocks, resolved

from rsweep.models.registry import find_card
from rsweep.models.weights import load_embedder
from rsweep.plan.nodes import build_nodes
from rsweep.stages.infer.engine import compile_network

OFFERED = [name for name in NAMES if find_card(name).allowed.get("compile") != (False,)]


@pytest.mark.parametrize("name", OFFERED)
def test_what_is_compiled_is_what_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Callable[..., Any]] = []

    def compiled(function: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            ran.append(function)
            return function(*args, **kwargs)

        return run

    with few_blocks(find_card(name)):
        settings = resolved(name, find_card(name))
        node = build_nodes(settings).inputs["tokens"]
        given = {**node.settings, "image_size": settings["image_size"]}
        embedder, _ = load_embedder(given, {"weights": settings["weights"]})
        batch = batch_of(settings, given["bands"])
        with torch.inference_mode():
            before = embedder.embed(batch)
            monkeypatch.setattr(torch, "compile", compiled)
            compile_network(embedder)
            after = embedder.embed(batch)
    assert ran
    for kind in ("maps", "vectors"):
        for key, tensor in getattr(before, kind).items():
            torch.testing.assert_close(getattr(after, kind)[key], tensor, equal_nan=True)
