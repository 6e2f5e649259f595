"""Reproducible sweeps of remote-sensing foundation-model embeddings."""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own takes longer to import than a client of a worker may
if TYPE_CHECKING:
    from typing import Any

    from rsweep.library.embed import embed
    from rsweep.library.results import open_results as open

__version__ = "0.1.0"
__all__ = ["__version__", "embed", "open"]

_HOMES = {
    "embed": ("rsweep.library.embed", "embed"),
    "open": ("rsweep.library.results", "open_results"),
}


def __getattr__(name: str) -> Any:
    """Import what a notebook calls only when it is asked for: planning needs none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
