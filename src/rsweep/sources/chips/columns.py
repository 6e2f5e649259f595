"""What data sets call the label, the split, … of a chip in their columns, arrays and JSON."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from rsweep.core.errors import SourceError
from rsweep.sources.chips.splits import split_named

ROLES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "key", "name"),
    "file": ("file", "file_name", "filename", "path", "image_path"),
    "image": ("image", "images", "x", "img", "patch"),
    "label": ("label", "labels", "y", "class", "category", "target"),
    "split": ("split", "fold", "subset"),
    "lon": ("lon", "longitude"),
    "lat": ("lat", "latitude"),
    "date": ("date", "datetime", "timestamp", "acquired"),
}
"""Role -> usual names, in any case; the option `columns` says others."""
SAYS = ("id", "label", "split", "lon", "lat", "date")


def column_of(role: str, there: Collection[str], asked: Mapping[str, Any]) -> str | None:
    """The column that plays a role: the one that is asked for, or one with a usual name.

    Raises:
        SourceError: the column that is asked for is not there.
    """
    if asked.get(role) is not None:
        name = str(asked[role])
        if name not in there:
            raise SourceError(
                f"chips: columns.{role} is {name!r}, which is not among {', '.join(sorted(there))}"
            )
        return name
    plain = {name.lower(): name for name in there}
    return next((plain[usual] for usual in ROLES[role] if usual in plain), None)


def row_says(
    row: Mapping[str, Any], asked: Mapping[str, Any], where: str, required: str = ""
) -> dict[str, Any]:
    """What a row says of its chip, by role; what it leaves empty is left out.

    Raises:
        SourceError: it lacks what is required; `where` names it.
    """
    found: dict[str, Any] = {}
    for role in (*SAYS, *((required,) if required else ())):
        column = column_of(role, row, asked)
        value = None if column is None else plain(row[column])
        if value is not None:
            found[role] = split_named(value) if role == "split" else value
    if required and required not in found:
        raise SourceError(
            f"chips: {where} has no {required}: it has {', '.join(row)}; `columns` "
            f"says which one it is"
        )
    return found


def plain(value: Any) -> Any:
    """A value as JSON and CSV have it; None where it is empty."""
    value = value.decode() if isinstance(value, bytes) else value
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return None if value is None or str(value).strip() == "" else value
