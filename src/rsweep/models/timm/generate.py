"""Make `models.json` from the installed timm: `python -m rsweep.models.timm.generate`.

Every network is built without memory (torch's meta device) and run at its own image size and one
other; those whose outputs are not maps on a regular lattice are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import itertools
import json
import logging
import warnings
from collections.abc import Iterable
from dataclasses import MISSING, asdict, fields
from typing import Any

import torch

from rsweep.models.timm.network import convert, create
from rsweep.models.timm.table import PATH, Entry, Tag
from rsweep.models.torchvision_shim import ensure_torchvision

ensure_torchvision()

import timm  # noqa: E402

log = logging.getLogger(__name__)
Runs = tuple[tuple[int, int, int], ...]
Norms = list[list[list[float]]]

LATTICES = (32, 64)
"""Strides of the last stage of nearly all convolutional networks."""


def make(names: Iterable[str]) -> dict[str, Any]:
    """The table of the named architectures, without those that cannot be used."""
    norms: Norms = [[list(timm.data.IMAGENET_DEFAULT_MEAN), list(timm.data.IMAGENET_DEFAULT_STD)]]
    networks = {}
    for name in names:
        try:
            entry = describe(name, norms)
        except Exception as error:  # whatever a network does on probing, it is not for us
            log.info("%s: left out: %s", name, str(error).partition("\n")[0][:150])
        else:
            networks[name] = compact(entry)
    return {"timm": timm.__version__, "norms": norms, "networks": networks}


def describe(name: str, norms: Norms) -> Entry:
    """The table's entry of one architecture.

    Raises:
        ValueError: its outputs are no maps on a regular lattice.
    """
    with torch.device("meta"):
        network: Any = create(name).eval()
    about, sized = network.pretrained_cfg, accepts_size(name)
    if about["input_size"][0] != 3:
        raise ValueError(f"it reads {about['input_size'][0]} channels")
    stages, pooled = settle(network, about["input_size"][1], sized)
    stride = 1 if sized else max(run[1] for run in stages)
    size = on_lattice(about["input_size"][1], stride)
    return Entry(
        name=name,
        stages=stages,
        size=size,
        width=pooled,
        heads=heads(network) if len(stages) == 1 else 0,
        parameters_m=round(sum(p.numel() for p in network.parameters()) / 1e6, 1),
        sized=sized,
        fixed=not resizes(name, stages, size, sized),
        cls=has_class_token(network),
        bare=not norms_stages(network, size),
        norm=_index(about, norms),
        interpolation=_interpolation(about),
        tags=tags(name, size, stride, norms),
    )


def heads(network: Any) -> int:
    """Attention heads of the first block; 0 if there are none."""
    found = (m.num_heads for m in network.modules() if hasattr(m, "num_heads"))
    return int(next(found, 0) or 0)


def on_lattice(size: int, stride: int) -> int:
    """The size, or the next that whole tokens fit: convolutions were trained at sizes like 300."""
    return -(-size // stride) * stride


def settle(network: Any, size: int, sized: bool) -> tuple[Runs, int]:
    """What `probe` says at the network's size, or, of a convolutional one, near it."""
    sizes = [size] if sized else [on_lattice(size, stride) for stride in LATTICES]
    for tried in sizes[:-1]:
        with contextlib.suppress(ValueError):
            return probe(network, tried)
    return probe(network, sizes[-1])


def has_class_token(network: Any) -> bool:
    """True if the first prefix token is a class token, and the network hands it out."""
    token = getattr(network, "cls_token", None)
    given = inspect.signature(network.forward_intermediates).parameters
    return token is not None and "return_prefix_tokens" in given


def norms_stages(network: Any, size: int) -> bool:
    """True if the network can norm its intermediate outputs."""
    images = torch.empty(1, 3, size, size, device="meta")
    try:
        with torch.no_grad(), torch.device("meta"):
            network.forward_intermediates(images, norm=True)
    except AssertionError:
        return False
    return True


def published(name: str) -> Any:
    """What timm says of an architecture's default weights, or of those of `arch.tag`."""
    about = timm.get_pretrained_cfg(name)
    if about is None:
        raise ValueError("timm says nothing of its input")
    return about


def accepts_size(name: str) -> bool:
    """True if the network is built for one image size."""
    try:
        with torch.device("meta"):
            create(name, image_size=published(name).input_size[1])
    except TypeError:
        return False
    return True


def probe(network: Any, size: int) -> tuple[Runs, int]:
    """Stages as runs of (width, stride, count), and the width of the pooled output."""
    images = torch.empty(2, 3, size, size, device="meta")
    prefix = {"return_prefix_tokens": True} if has_class_token(network) else {}
    with torch.no_grad(), torch.device("meta"):
        end, found = network.forward_intermediates(images, **prefix)
        pooled = network.forward_head(end, pre_logits=True)
    maps = [item[0] for item in found] if prefix else found
    stages = [_stage(grid, size) for grid in maps]
    if any(after[1] % before[1] for before, after in itertools.pairwise(stages)):
        raise ValueError(f"{size} px give tokens of {', '.join(str(s[1]) for s in stages)} px")
    if pooled.ndim != 2 or len(pooled) != 2:
        raise ValueError(f"its pooled output is {tuple(pooled.shape)}")
    runs = ((*stage, len(list(same))) for stage, same in itertools.groupby(stages))
    return tuple(runs), int(pooled.shape[1])


def _stage(grid: Any, size: int) -> tuple[int, int]:
    _, width, rows, columns = grid.shape
    if rows != columns or size % rows:
        raise ValueError(f"{size} px give {rows} x {columns} tokens")
    return width, size // rows


def resizes(name: str, stages: Runs, size: int, sized: bool) -> bool:
    """True if the network runs at other sizes than its own, and published weights fit it there."""
    stride = max(run[1] for run in stages)
    try:
        with torch.device("meta"):
            state = timm.create_model(name, pretrained=False).state_dict()
            other = (5 if size != 5 * stride else 7) * stride
            network: Any = create(name, image_size=other if sized else None).eval()
        return probe(network, other)[0] == stages and _fits(name, network, state)
    except Exception as error:  # each network refuses in its own way
        log.info("%s: one size only: %s", name, str(error).partition("\n")[0][:150])
        return False


def _fits(name: str, network: Any, state: dict[str, Any]) -> bool:
    own = {k: t.shape for k, t in network.state_dict().items()}
    converted = {k: t.shape for k, t in convert(name, network, state).items()}
    if own != converted:
        odd = [k for k in own | converted if own.get(k) != converted.get(k)]
        log.info("%s: published weights do not fit another size: %s", name, ", ".join(odd[:3]))
    return own == converted


def tags(name: str, size: int, stride: int, norms: Norms) -> dict[str, Tag]:
    """Published weights that the hub has in a form that loads by key, timm's default first."""
    found = {}
    for full in timm.list_pretrained(f"{name}.*"):
        about = published(full).to_dict()
        if (
            about.get("hf_hub_id")
            and about.get("custom_load") != "hf"
            and about["input_size"][0] == 3
        ):
            own = on_lattice(about["input_size"][1], stride)
            found[full.partition(".")[2]] = Tag(
                repository=about["hf_hub_id"],
                file=about.get("hf_hub_filename") or "model.safetensors",
                licence=about.get("license") or "not stated",
                norm=_index(about, norms),
                size=0 if own == size else own,
                interpolation=_interpolation(about),
            )
    default = published(name).tag
    return dict(sorted(found.items(), key=lambda item: item[0] != default))


def _interpolation(about: dict[str, Any]) -> str:
    return "bilinear" if about.get("interpolation") in ("bilinear", "random") else "bicubic"


def _index(about: dict[str, Any], norms: Norms) -> int:
    pair = [list(about["mean"]), list(about["std"])]
    if pair not in norms:
        norms.append(pair)
    return norms.index(pair)


def compact(entry: Entry) -> dict[str, Any]:
    """An entry as it is written: what has the default value, or is its name, is left out."""
    row = _differing(entry) | {"stages": entry.stages}
    row["tags"] = {name: _tag(entry.name, name, tag) for name, tag in entry.tags.items()}
    return {k: v for k, v in row.items() if k != "name" and v != {}}


def _tag(architecture: str, name: str, tag: Tag) -> dict[str, Any]:
    row = _differing(tag)
    return {k: v for k, v in row.items() if v != f"timm/{architecture}.{name}"}


def _differing(item: Entry | Tag) -> dict[str, Any]:
    defaults = {f.name: f.default for f in fields(item)}
    row = asdict(item)
    return {k: v for k, v in row.items() if defaults[k] is MISSING or v != defaults[k]}


def main() -> None:
    """Write the table; with names, print their entries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="architectures to print instead of all")
    names = parser.parse_args().names
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("timm").setLevel(logging.WARNING)
    warnings.simplefilter("ignore")
    table = make(names or timm.list_models())
    rows = (
        f"  {json.dumps(n)}: {json.dumps(r, separators=(',', ':'))}"
        for n, r in sorted(table["networks"].items())
    )
    head = json.dumps({"timm": table["timm"], "norms": table["norms"]})[:-1]
    text = f'{head}, "networks": {{\n' + ",\n".join(rows) + "\n}}\n"
    print(text) if names else PATH.write_text(text)


if __name__ == "__main__":
    main()
