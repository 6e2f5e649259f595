"""The table of timm's networks, `models.json`: what a card must know, without torch or timm."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsweep.core.knobs import nearest

PATH = Path(__file__).with_name("models.json")


@dataclass(frozen=True)
class Tag:
    """One set of published weights of an architecture; the defaults are not written to the table.

    Attributes:
        norm: index of its mean and standard deviation in the table.
        size: side of the images that it was trained on, where not the architecture's own.
    """

    repository: str
    file: str = "model.safetensors"
    licence: str = "apache-2.0"
    norm: int = 0
    size: int = 0
    interpolation: str = "bicubic"


@dataclass(frozen=True)
class Entry:
    """One architecture.

    Attributes:
        name: as timm names it.
        stages: runs of (width, stride in pixels, count): a transformer has one run.
        size: side of its input by default.
        width: width of its pooled output.
        heads: attention heads of its first block, 0 if it has none.
        parameters_m: millions of parameters without a classifier, for three bands.
        sized: it is built for one image size (`img_size`).
        fixed: no other size than `size` works, or none that published weights fit.
        cls: it has a class token.
        bare: its intermediate outputs cannot be normed.
        norm: as a tag's, for weights that are not published.
        tags: name -> published weights; the first is timm's default.
    """

    name: str
    stages: tuple[tuple[int, int, int], ...]
    size: int
    width: int
    heads: int = 0
    parameters_m: float = 0.0
    sized: bool = False
    fixed: bool = False
    cls: bool = False
    bare: bool = False
    norm: int = 0
    interpolation: str = "bicubic"
    tags: dict[str, Tag] = field(default_factory=dict)

    @property
    def tokens(self) -> bool:
        """True if all blocks give one kind of token, as in a plain vision transformer."""
        return len(self.stages) == 1

    @property
    def strides(self) -> list[int]:
        """Pixels per token of each stage or block."""
        return [stride for _, stride, count in self.stages for _ in range(count)]


@functools.cache
def load() -> dict[str, Any]:
    """The table: {"timm": version, "norms": [[mean, std], …], "networks": {name: entry}}."""
    table: dict[str, Any] = json.loads(PATH.read_text())
    return table


def norm(index: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel, of values 0..1."""
    mean, std = load()["norms"][index]
    return tuple(mean), tuple(std)


@functools.cache
def find(name: str) -> tuple[Entry, Tag | None]:
    """The architecture and published weights (if any) of a name: `arch`, or `arch.tag`.

    Raises:
        ValueError: there is no such network; the text has the nearest names.
    """
    networks = load()["networks"]
    architecture, _, tag = name.partition(".")
    if architecture not in networks:
        raise ValueError(
            f"is 'timm:{name}', which is none of the {len(networks)} networks of timm "
            f"{load()['timm']} that give token maps{nearest(architecture, networks)}"
        )
    entry = _entry(architecture, networks[architecture])
    if not tag:
        return entry, next(iter(entry.tags.values()), None)
    if tag not in entry.tags:
        options = ", ".join(entry.tags) or "none"
        raise ValueError(
            f"is 'timm:{name}'; published weights of {architecture}: {options}"
            f"{nearest(tag, entry.tags)}"
        )
    return entry, entry.tags[tag]


def _entry(name: str, row: dict[str, Any]) -> Entry:
    tags = {
        tag: Tag(**{"repository": f"timm/{name}.{tag}", **own})
        for tag, own in row.get("tags", {}).items()
    }
    stages = tuple((width, stride, count) for width, stride, count in row["stages"])
    return Entry(**{**row, "name": name, "stages": stages, "tags": tags})
