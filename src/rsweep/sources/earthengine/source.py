"""Earth Engine opened for one collection."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from rsweep.grid import Grid
from rsweep.sources.earthengine import collections, listing, pixels
from rsweep.sources.earthengine.client import Client
from rsweep.sources.protocol import Pixels, Scene

log = logging.getLogger(__name__)


class EarthEngine:
    """A `protocol.Source` on Earth Engine.

    Attributes:
        quality_layers: layers that come with a scene.
        collection: what the table says of the collection.
        bands: the sensor's bands that are read, in order.
        client: the session, shared by sources of one account.
        parallel: requests in flight at once; what one job takes of the resource `ee`.
    """

    def __init__(
        self, client: Client, name: str, bands: Sequence[str], orbit: str = "any", parallel: int = 4
    ) -> None:
        self.collection = collections.find(name, bands)
        self.quality_layers = self.collection.quality_layers
        self.client, self.bands, self.parallel = client, tuple(bands), parallel
        self._name, self._orbit = name, orbit

    @property
    def stats(self) -> dict[str, int]:
        """Requests, retries, splits and bytes of the session so far."""
        return dict(self.client.stats)

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

        At most `parallel` requests, and as many answers, are held at once.

        Raises:
            RoiError: a scene is gone or refused; the text names it.
            TransientError: the service does not answer.
        """
        groups = pixels.together(self.collection, self.bands, scenes, grid)
        waiting: deque[Future[list[Pixels]]] = deque()
        with ThreadPoolExecutor(self.parallel) as pool:
            try:
                for group in groups:
                    chosen = [scenes[i] for i in group]
                    waiting.append(pool.submit(self._read_stack, chosen, grid))
                    if len(waiting) == self.parallel:
                        yield from waiting.popleft().result()
                while waiting:
                    yield from waiting.popleft().result()
            finally:
                for request in waiting:
                    request.cancel()
        log.info("Earth Engine so far: %s", self.stats)

    def _read_stack(self, scenes: Sequence[Scene], grid: Grid) -> list[Pixels]:
        return pixels.read_stack(self.client, self.collection, self.bands, scenes, grid)

    def check_pinned(self, scenes: Sequence[Scene]) -> list[str]:
        """What of listed scenes (id and version) is missing or changed: a line each, [] if none."""
        return listing.check_pinned(self.client, scenes)
