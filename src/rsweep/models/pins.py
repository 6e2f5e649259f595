"""Which file a published checkpoint is: a table in the store, written when it is first looked at.

A repository's branch may move and a URL may serve another file tomorrow. A checkpoint whose card
has no sha256 is pinned to the commit and content that it has when a study with it is first planned;
from then on its digest is in the key of inference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rsweep.core.errors import RsweepError
from rsweep.core.writers import turn
from rsweep.models.card import Checkpoint


@dataclass(frozen=True)
class Pin:
    """Content of a checkpoint, and the commit of its repository (None of a URL)."""

    sha256: str
    commit: str | None = None


def checkpoint_name(checkpoint: Checkpoint) -> str:
    """What a checkpoint is called in the table: where it is published."""
    if checkpoint.url:
        return checkpoint.url
    return f"{checkpoint.repository}@{checkpoint.revision}/{checkpoint.file}"


def pins_file(store: str | Path) -> Path:
    """The table of a store."""
    return Path(store) / "weights.json"


def read_pins(path: Path) -> dict[str, Pin]:
    """Checkpoint -> its pin, of a table or of a lock's part `pins`; empty if there is no table.

    Raises:
        RsweepError: the file is damaged.
    """
    try:
        return parse_pins(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise RsweepError(
            f"{path}: is no table of weights ({error}); restore it, or remove it to pin anew"
        ) from None


def parse_pins(found: Mapping[str, Mapping[str, str | None]]) -> dict[str, Pin]:
    """Pins as JSON has them."""
    return {name: Pin(str(pin["sha256"]), pin.get("commit")) for name, pin in found.items()}


def add_pins(path: Path, new: Mapping[str, Pin]) -> None:
    """Add to a table; a checkpoint that is pinned already stays as it is."""
    from rsweep.core.files import explained, write_json  # which planning by itself does not need

    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with turn(path):
            pins = {**new, **read_pins(path)}
            write_json(path, {name: asdict(pin) for name, pin in sorted(pins.items())})
