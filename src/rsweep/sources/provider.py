"""What a provider is: all that planning and fetching ask of it, as declared members."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsweep.core.knobs import Option, Problem

if TYPE_CHECKING:  # planning needs no numpy
    from rsweep.sources.held import Held
    from rsweep.sources.protocol import Source

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Provider:
    """Where scenes come from: `PROVIDER` of the package `rsweep.sources.<name>`.

    Attributes:
        name: what a study calls it.
        options: what its section of a study may say.
        collections: sensor -> the collections that it serves, the first being the default.
        identity: of options and collection, what of the options and the data changes pixels, for
            the key of fetch: never a path, a URL or an account.
        available_bands: of options and collection, what `fetch_bands: all` reads.
        cloud_layers: of options and collection, what tells of clouds in its scenes: quality layers,
            and "scene" where a whole scene's cloud share is known.
        open_source: the provider opened for one collection, some bands and an orbit.
        about, needs: what it is, and what it takes to use it, a line each.
        composites: methods by which the opened source's `composites(frames, grid, method, rules)`
            reduces the scenes of each frame itself, giving `values` [C, H, W] in the sensor's unit
            with NaN where missing and `count` [H, W].
        check: what is wrong with options, at a place of the study file; no service is asked.
        address: where it is, without account, for the lock; "" of one that is on no network.
        planning_reads: files and folders that planning looks at.
        held: of options and collection, the scenes that lie on a disk, whose content says what was
            fetched; nothing of a service, whose name is in `identity`.
        own_grid: its images are the ROIs, on pixels of their own (`protocol.SourceOfRois`): nothing
            around them is read, and there is one of each.
        cores: that reading keeps busy: more than one where several answers are decoded at a time.
    """

    name: str
    options: tuple[Option, ...]
    collections: Mapping[str, tuple[str, ...]]
    identity: Callable[[Options, str], dict[str, Any]]
    available_bands: Callable[[Options, str], tuple[str, ...]]
    cloud_layers: Callable[[Options, str], tuple[str, ...]]
    open_source: Callable[[Options, str, Sequence[str], str], Source]
    about: str = ""
    needs: str = ""
    composites: tuple[str, ...] = ()
    check: Callable[[Options, str], list[Problem]] = lambda options, where: []
    address: Callable[[Options], str] = lambda options: ""
    planning_reads: Callable[[Options], Iterable[Path]] = lambda options: ()
    held: Callable[[Options, str], Sequence[Held]] = lambda options, collection: ()
    own_grid: bool = False
    cores: int = 1
