"""The `layer` knob: which blocks' outputs become the embedding."""

from __future__ import annotations


def chosen(layer: str, depth: int) -> tuple[int, ...]:
    """Blocks named by a `layer` setting, counted from 1: "last", "6", "-2", or several as "4+8+12".

    Several are taken in one pass and concatenated along the channels, in the order given.

    Raises:
        ValueError: a block that the network does not have, or a word that is none of these.
    """
    numbers = [depth if part.strip() == "last" else _number(part) for part in layer.split("+")]
    blocks = tuple(n + depth + 1 if n < 0 else n for n in numbers)
    if not all(1 <= n <= depth for n in blocks):
        raise ValueError(f"is {layer!r}; blocks are 1 to {depth}, -{depth} to -1, or last")
    return blocks


def _number(part: str) -> int:
    try:
        return int(part)
    except ValueError:
        raise ValueError(
            f"has {part!r}; expected last, a block number, or several joined by +"
        ) from None
