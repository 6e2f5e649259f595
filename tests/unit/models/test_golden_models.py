"""What each network makes of fixed input, against what it made when its card's version was set.

Networks are of random weights and, where a family allows it, of few blocks: what is held is the
code of network.py and what it stands on. After a change on purpose, raise `version` in the card and
run `python tests/unit/models/test_golden_models.py [MODEL …]`, which writes the file again.
"""

from __future__ import annotations

import atexit
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rsweep.models.card import ModelCard, Variant
from rsweep.models.protocol import Embedder, TileBatch
from rsweep.models.registry import families, find_card, network_module
from rsweep.models.weights import load_embedder
from rsweep.plan.nodes import build_nodes
from rsweep.plan.profiles import resolve
from rsweep.stages.prep.tiling import native_limit, native_step

GOLDEN = Path(__file__).parent / "golden_models.json"
WINDOW = {"start": "2022-06-01", "end": "2022-09-01"}
SOURCES = ("synthetic", "earthengine", "stac", "local")
NAMES = [
    *(f for f in families() if f not in ("timm", "dinov3")),
    "timm:vit_tiny_patch16_224",
    "timm:resnet18",
]
"""dinov3 is timm's network under another card."""
LARGE = 20
"""Millions of parameters above which a network is held with two blocks."""
WHOLE = ("agrifm",)
"""Networks whose depth is of stages of their own."""
TOLERANCE = 1e-3
"""Of an output's spread: another CPU or another torch rounds otherwise."""


def resolved(name: str, card: ModelCard) -> dict[str, Any]:
    """Settings of a small input of a model, from the first provider that serves it."""
    smallest = min(card.variants, key=lambda v: card.variants[v].parameters_m)
    frames = max(card.frames_range[0], min(2, card.frames_range[1]))
    own = {"model": name, "temporal": WINDOW, "variant": smallest, "frames": frames}
    own |= {"weights": "random"} if "random" in card.weights else {}
    errors: Any = []
    for provider in SOURCES:
        settings, errors = resolve({**own, "provider": provider, **extra(provider)}, {})
        if not errors:
            break
    assert not errors, errors
    limit = native_limit({**settings, "native_max_px": 96}, card)
    if limit:
        step = native_step(settings, card)
        fits = [
            s
            for s in range(2 * step, limit + 1, step)
            if not card.check({**settings, "image_size": s})
        ]
        settings["image_size"] = fits[0] if fits else limit
    return settings


MAPS = """
tessera_annual:
  files: 'tessera_(?P<date>\\d{4})_.+[.]tif'
  bands: in order
"""


@cache
def maps() -> Path:
    """A folder that has what no other provider has; nothing of it is read here."""
    folder = Path(tempfile.mkdtemp(prefix="rsweep-golden-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "layout.yaml").write_text(MAPS)
    (folder / "tessera_2022_a.tif").touch()
    return folder


def extra(provider: str) -> dict[str, Any]:
    if provider == "stac":
        return {"stac": {"url": "planetary-computer"}}
    return {"local": {"path": str(maps())}} if provider == "local" else {}


def batch_of(settings: dict[str, Any], bands: dict[str, list[str]]) -> TileBatch:
    """Two tiles of fixed noise, dated, placed, with a missing corner in the second."""
    rng = np.random.Generator(np.random.PCG64(7))
    frames, size = settings["frames"], settings["image_size"]
    frames = 1 if frames == "auto" else frames

    def pixels(count: int) -> torch.Tensor:
        raw = rng.integers(-1000, 1000, (2, frames, count, size, size)) / 500
        return torch.from_numpy(raw.astype(np.float32))

    valid = torch.ones(2, frames, size, size, dtype=torch.bool)
    valid[1, :, : size // 4, : size // 4] = False
    days = torch.arange(2 * frames).reshape(2, frames) * 30 + 10
    scale = float(settings["scale_m"])
    return TileBatch(
        pixels={s: pixels(len(b)) for s, b in bands.items()},
        valid={s: valid.clone() for s in bands},
        day_of_year=dict.fromkeys(bands, days),
        month=dict.fromkeys(bands, days // 31),
        year={s: torch.full_like(days, 2022) for s in bands},
        lonlat=torch.tensor([[8.7, 50.5], [-60.0, -12.0]], dtype=torch.float64),
        gsd=torch.tensor([scale, scale]),
    )


@contextmanager
def few_blocks(card: ModelCard) -> Iterator[None]:
    """The card with two blocks in its smallest variant, if that is large."""
    name = min(card.variants, key=lambda v: card.variants[v].parameters_m)
    before: Variant = card.variants[name]
    held: Any = card.variants
    if before.parameters_m > LARGE and card.id not in WHOLE:
        held[name] = replace(before, depth=2)
    try:
        yield
    finally:
        held[name] = before


def outputs(name: str) -> dict[str, list[float]]:
    """Output -> number of values and projections of them."""
    with few_blocks(find_card(name)):
        return _outputs(name)


def _outputs(name: str) -> dict[str, list[float]]:
    card = find_card(name)
    settings = resolved(name, card)
    node = build_nodes(settings).inputs["tokens"]
    given = {**node.settings, "image_size": settings["image_size"]}
    embedder: Embedder
    embedder, _ = load_embedder(given, {"weights": settings["weights"]})
    with torch.inference_mode():
        maps = embedder.embed(batch_of(settings, given["bands"]))
    found = {f"maps/{n}": sketch(t) for n, t in maps.maps.items()}
    return found | {f"vectors/{n}": sketch(t) for n, t in maps.vectors.items()}


def sketch(tensor: torch.Tensor) -> list[float]:
    """Number of values, known values, mean, deviation, and projections onto fixed directions."""
    values = tensor.numpy().astype(np.float64).ravel()
    known = np.isfinite(values)
    numbers = np.where(known, values, 0)
    waves = [np.cos((k + 1) * 2.399963 * np.arange(numbers.size)) for k in range(4)]
    found = [numbers.mean(), numbers.std(), *(float(w @ numbers) / np.sqrt(w.size) for w in waves)]
    return [numbers.size, int(known.sum()), *(float(f"{x:.6g}") for x in found)]


def agrees(one: list[float], other: list[float]) -> bool:
    spread = abs(one[3]) + 1e-9
    return one[:2] == other[:2] and bool(np.allclose(one[2:], other[2:], atol=TOLERANCE * spread))


@pytest.mark.parametrize("name", NAMES)
def test_a_network_makes_what_it_made_under_its_version(name):
    golden, version = json.loads(GOLDEN.read_text()), find_card(name).version
    how = f"run `python tests/unit/models/test_golden_models.py {name}`"
    assert name in golden, f"{name} is new: {how}"
    assert golden[name]["version"] == version, f"the version of {name} was raised: {how}"
    before, after = golden[name]["outputs"], outputs(name)
    other = [
        n
        for n in sorted({*before, *after})
        if n not in before or n not in after or not agrees(before[n], after[n])
    ]
    assert not other, (
        f"{name} makes other {', '.join(other)}. If on purpose, raise `version` in its card, so "
        f"that stores are not mixed, and {how}"
    )


def test_a_changed_network_is_noticed(monkeypatch):
    before = outputs("rcf")
    module = network_module("rcf")
    build = module.build

    def changed(settings):
        found = build(settings)
        embed = found.embed

        def shifted(batch):
            maps = embed(batch)
            first = next(iter(maps.maps))
            maps.maps[first] = maps.maps[first].flip(1)
            return maps

        found.embed = shifted
        return found

    monkeypatch.setattr(module, "build", changed)
    after = outputs("rcf")
    assert any(not agrees(before[name], after[name]) for name in before)


def test_the_first_version_is_in_no_key_and_later_ones_are(monkeypatch):
    from rsweep.stages.infer import spec

    settings, _ = resolve({"model": "rcf", "temporal": WINDOW}, {})
    first = build_nodes(settings)
    assert "model_version" not in first.inputs["tokens"].settings
    card = replace(find_card("rcf"), version=2)
    monkeypatch.setattr(spec, "find_card", lambda _: card)
    second = build_nodes(settings)
    assert second.inputs["tokens"].key != first.inputs["tokens"].key
    assert second.inputs["tiles"].key == first.inputs["tiles"].key


if __name__ == "__main__":
    held = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    for each in sys.argv[1:] or NAMES:
        held[each] = {"version": find_card(each).version, "outputs": outputs(each)}
        print(each, file=sys.stderr)
    GOLDEN.write_text(json.dumps(held, indent=1, sort_keys=True) + "\n")
