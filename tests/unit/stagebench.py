"""Stages run as jobs run them, over scenes made in memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsweep.core.errors import RoiError
from rsweep.core.files import get_json
from rsweep.core.grid import Grid
from rsweep.core.nodes import Node
from rsweep.core.roi import Roi
from rsweep.core.sensors import SENSORS
from rsweep.core.shards import Shard
from rsweep.core.store import Store
from rsweep.jobs.runner import run_job
from rsweep.plan.nodes import build_nodes, node_options
from rsweep.plan.profiles import resolve
from rsweep.sources.protocol import Pixels, Scene
from rsweep.sources.registry import find_provider
from rsweep.stages.job import Job

WINDOW = {"start": "2022-06-01", "end": "2022-07-01"}
BASE = {"model": "rcf", "temporal": WINDOW, "context_m": 160}
"""With surroundings of its own: the same pixels whatever the tiles."""


def place(name: str, buffer_m: float = 100, lon: float = 8.7, **extra: Any) -> Roi:
    """A square of 2 `buffer_m`, not aligned with any grid."""
    shape = {"type": "point", "lon": lon, "lat": 50.5, "buffer_m": buffer_m}
    return Roi(name, shape, **extra)


@dataclass
class FakeSource:
    """A source whose pixels are a function: `image(scene, grid) -> Pixels`."""

    listed: Sequence[Scene]
    image: Callable[[Scene, Grid], Pixels]
    reads: list[str] = field(default_factory=list)
    grids: list[Grid] = field(default_factory=list)
    quality_layers: tuple[str, ...] = ()
    workers: int = 1

    def scenes(self, grid: Grid, start: str, end: str) -> list[Scene]:
        self.grids.append(grid)
        found = [s for s in self.listed if start <= s.time[:10] < end]
        if not found:
            raise RoiError("no scene in the window")
        return found

    def read(self, scenes: Sequence[Scene], grid: Grid) -> Iterator[Pixels]:
        for scene in scenes:
            self.reads.append(scene.id)
            yield self.image(scene, grid)


class Bench:
    """A store in a folder, and a source in place of provider `synthetic`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.monkeypatch = Store(folder / "store"), monkeypatch

    def use(self, source: FakeSource, bands: Sequence[str] = ()) -> FakeSource:
        real = find_provider("synthetic")

        def available(options: Any, collection: str) -> tuple[str, ...]:
            return tuple(bands) or real.available_bands(options, collection)

        fake = replace(real, available_bands=available, open_source=lambda *_: source)
        self.monkeypatch.setattr("rsweep.stages.fetch.run.find_provider", lambda _: fake)
        return source

    def node(self, stage: str = "stitch", **own: Any) -> Node:
        """The (first) node of a stage of a profile; rcf unless it says otherwise."""
        settings, errors = resolve({**BASE, **own}, {})
        assert not errors, errors
        node = build_nodes(settings)
        self.options = node_options(settings, node)
        return next(n for n in node.upstream() if n.stage == stage)

    def run(
        self, rois: Sequence[Roi], stage: str = "stitch", on_roi_error: str = "record", **own: Any
    ) -> tuple[Node, Shard]:
        """Run a stage anew, and those before it that the store lacks."""
        node, shard = self.node(stage, **own), Shard("shard", tuple(rois))
        self.store.discard(node, "shard")
        run_job(Job(node, shard, self.store, self.options, on_roi_error))
        return node, shard

    def open(self, node: Node):
        return self.store.read(node, "shard")

    def rois(self, node: Node) -> list[dict[str, Any]]:
        with self.open(node) as file:
            return get_json(file, "rois")


def scenes(*days: str, **more: Any) -> list[Scene]:
    return [Scene(f"scene{i}", f"2022-{day}T10:00:00Z", **more) for i, day in enumerate(days)]


def noise(scene: Scene, grid: Grid, sensor: str = "s2", bands: int = 12) -> np.ndarray:
    """Values that any two scenes differ in, the same whenever asked for."""
    rng = np.random.default_rng(list(scene.id.encode()))
    values = rng.integers(1, 6000, (bands, grid.height, grid.width))
    values = values / 200 - 30 if sensor == "s1" else values
    return values.astype(SENSORS[sensor].dtype)
