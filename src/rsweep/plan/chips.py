"""A study on chips: its ROI table follows from its data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsweep.core.errors import StudyError
from rsweep.core.knobs import Problem
from rsweep.plan.table import CORE
from rsweep.sources.registry import check_options, parse_options

if TYPE_CHECKING:
    from rsweep.sources.chips.table import ChipTable


def table_of_study(config: Mapping[str, Any], where: str) -> ChipTable:
    """The ROI table of the data set that a study's base names.

    Raises:
        StudyError: the base names none, or something about it is wrong.
        SourceError: a chip cannot be read.
    """
    base = config.get("base")
    if not isinstance(base, Mapping) or base.get("provider") != "chips":
        found = base.get("provider") if isinstance(base, Mapping) else base
        raise StudyError([Problem(f"{where}: base.provider", f"is {found!r}; expected 'chips'")])
    try:
        options = parse_options("chips", base.get("chips") or {})
    except ValueError as error:
        raise StudyError([Problem(f"{where}: base.chips", str(error))]) from None
    _load(options, where)
    problems = [
        Problem(f"{where}: base.{p.where}", p.what) for p in check_options("chips", options)
    ]
    if problems:
        raise StudyError(problems)
    from rsweep.sources.chips.table import chip_table  # projections, which no plan needs

    return chip_table(options, _scale_m(base, where))


def _load(options: Mapping[str, Any], where: str) -> None:
    """Have a package's data set written, where the study names a loader."""
    loader, path = options["loader"], options["path"]
    if not loader or not path:
        return
    from rsweep.sources.chips.loader_option import check_loader
    from rsweep.sources.chips.loaders import load

    if wrong := check_loader(loader):
        raise StudyError([Problem(f"{where}: base.chips.loader", wrong)])
    if "torchgeo" in loader:
        from rsweep.models.torchvision_shim import ensure_torchvision

        ensure_torchvision()
    load(loader, Path(path))


def _scale_m(base: Mapping[str, Any], where: str) -> float:
    knob = CORE["scale_m"]
    try:
        given = base.get("scale_m")
        return float(knob.otherwise if given is None else knob.parse(given))
    except ValueError as error:
        raise StudyError([Problem(f"{where}: base.scale_m", str(error))]) from None


def missing_table(config: Mapping[str, Any], table: str, where: str) -> list[Problem]:
    """What to do where the ROI table of a study on chips is not there yet."""
    base = config.get("base")
    if not isinstance(base, Mapping) or base.get("provider") != "chips":
        return []
    return [Problem(table, f"is not there yet; `rsweep chips {where}` writes it")]
