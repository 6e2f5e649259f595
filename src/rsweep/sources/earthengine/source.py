"""Earth Engine opened for one collection."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from rsweep.core.grid import Grid
from rsweep.core.records import MaskRecord
from rsweep.sources.earthengine import collections, listing, pixels
from rsweep.sources.earthengine.client import Client
from rsweep.sources.protocol import Pixels, Scene

if TYPE_CHECKING:
    from rsweep.sources.earthengine.reduce import Frame

log = logging.getLogger(__name__)

_Answer = tuple[Future[list[Pixels]], bool]
"""A request on its way, and whether it has one of the source's slots."""


class EarthEngine:
    """A `protocol.Source` on Earth Engine.

    Attributes:
        quality_layers: layers that come with a scene.
        collection: what the table says of the collection.
        bands: the sensor's bands that are read, in order.
        client: the session, shared by sources of one account.
        workers: requests in flight at once, over all ROIs that read from it; what one job takes
            of the Snakemake resource `ee`.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        bands: Sequence[str],
        orbit: str = "any",
        parallel: int = 4,
        profile: str = "budget",
    ) -> None:
        self.collection = collections.find(name, bands)
        self.quality_layers = self.collection.quality_layers
        self.client, self.bands, self.workers = client, tuple(bands), parallel
        self._name, self._orbit, self._profile = name, orbit, profile
        self._pool = ThreadPoolExecutor(parallel)
        # Answers on their way or waiting to be taken. A reader that has none goes ahead without a
        # slot, so that readers never wait for each other.
        self._slots = threading.Semaphore(parallel)

    def meter(self, key: str, store: Path, budget: Mapping[str, float]) -> None:
        """Keep a store's ledger of what is asked for; see `sources.protocol.Metered`."""
        limit = budget.get("eecu_hours")
        asks = self._profile == "always" or (self._profile == "budget" and limit is not None)
        self.client.meter(key, store, limit, asks)

    @property
    def stats(self) -> dict[str, float]:
        """Requests, retries, splits, bytes and EECU-seconds of the session so far."""
        return {name: round(number, 6) for name, number in self.client.stats.items()}

    def scenes(self, grid: Grid, start: str, end: str) -> list[Scene]:
        """Scenes that touch the grid with start <= time < end, ordered by (time, id).

        Raises:
            RoiError: there are none, or the request is refused; the text names place and window.
            SourceError: the account or the collection is refused.
            TransientError: the service does not answer.
        """
        passes = "" if self._orbit in ("", "any") else f"{self._orbit} "
        what = f"{passes}{self._name} from {start} to {end} on {pixels.describe(grid)}"
        found = listing.list_scenes(
            self.client, self.collection, self.bands, self._orbit, grid, start, end, what
        )
        log.info("%d scenes of %s", len(found), what)
        return found

    def read(self, scenes: Sequence[Scene], grid: Grid) -> Iterator[Pixels]:
        """Pixels of each scene in the order given, on the grid.

        The next answers are fetched while one is used; all readers of a source together hold at
        most `workers` answers, and one more each, of 48 MiB or one scene.

        Raises:
            RoiError: a scene is gone or refused; the text names it.
            TransientError: the service does not answer.
        """
        waiting: deque[_Answer] = deque()
        try:
            for group in pixels.together(self.collection, self.bands, scenes, grid):
                ahead = self._slots.acquire(blocking=False)
                while waiting and not ahead:
                    yield from self._take(waiting.popleft())
                    ahead = self._slots.acquire(blocking=False)
                chosen = [scenes[i] for i in group]
                waiting.append((self._pool.submit(self._read_stack, chosen, grid), ahead))
            while waiting:
                yield from self._take(waiting.popleft())
            log.info("%d scenes read; Earth Engine so far: %s", len(scenes), self.stats)
        finally:
            for answer in waiting:
                answer[0].cancel()
                self._release(answer)

    def _take(self, answer: _Answer) -> list[Pixels]:
        try:
            return answer[0].result()
        finally:
            self._release(answer)

    def _release(self, answer: _Answer) -> None:
        if answer[1]:
            self._slots.release()

    def _read_stack(self, scenes: Sequence[Scene], grid: Grid) -> list[Pixels]:
        return pixels.read_stack(self.client, self.collection, self.bands, scenes, grid)

    def composites(
        self,
        frames: Sequence[Sequence[Scene]],
        grid: Grid,
        method: str,
        rules: Mapping[str, MaskRecord],
    ) -> Iterator[Frame]:
        """Each frame's scenes reduced by the service; see `reduce.composite_frames`."""
        from rsweep.sources.earthengine.reduce import Asked, composite_frames

        asked = Asked(self.client, self.collection, self.bands)
        return composite_frames(asked, frames, grid, method, rules)

    def check_pinned(self, scenes: Sequence[Scene]) -> list[str]:
        """What of listed scenes (id and version) is missing or changed: a line each, [] if none."""
        return listing.check_pinned(self.client, scenes)
