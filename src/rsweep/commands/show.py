"""An embedding to look at."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsweep.commands.output import answer, make_console
from rsweep.core.errors import RsweepError

if TYPE_CHECKING:
    from rsweep.library.picture import Embedding

ABOUT = "an embedding: its numbers, in colour in a terminal, or as a PNG"
KINDS = ("profiles", "given")
"""Folders of a study's results that hold embeddings: its own, and those of others."""
LINES = 24
"""Lines of a terminal that an image takes at the most."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "profile",
        help="results/study:profile, its folder, or the profile alone where only one study in "
        "results/ has it; embeddings of others count as profiles",
    )
    parser.add_argument("roi", nargs="?", help="id of a ROI; unset: the first with an embedding")
    parser.add_argument("--png", type=Path, metavar="FILE", help="write a picture to this file")


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.library.picture import find_embedding, write_png
    from rsweep.library.results import open_results

    folder, profile = find_profile(given.profile, Path("results"))
    shown = find_embedding(open_results(folder), profile, given.roi)
    facts = shown.facts()
    if given.png:
        write_png(shown, given.png)
        facts["png"] = str(given.png)
    answer(given.json, _data(shown, facts), _lines(facts, shown.others))
    if sys.stdout.isatty() and not given.json and not given.png:
        _draw(shown)
    return 0


def find_profile(text: str, results: Path) -> tuple[Path, str]:
    """Folder of results and name of the profile that a text means.

    Args:
        text: `folder:profile`, the profile's own folder, or a name alone.
        results: folder of all results, where a name alone is looked for.

    Raises:
        RsweepError: there is none, or there are several.
    """
    folder, _, name = text.rpartition(":")
    if folder:
        return Path(folder), name
    if Path(text, "meta.json").is_file() and Path(text).parent.name in KINDS:
        return Path(text).parents[1], Path(text).name
    places = (path for kind in KINDS for path in results.glob(f"*/{kind}/{text}"))
    found = sorted(path.parents[1] for path in places if path.is_dir())
    if len(found) == 1:
        return found[0], text
    if found:
        which = " or ".join(f"{path}:{text}" for path in found)
        raise RsweepError(f"{text}: several studies have this profile; say {which}")
    raise RsweepError(
        f"{text}: no study in {results}/ has this profile; say results/STUDY:PROFILE "
        "(`rsweep keys STUDY` lists profiles)"
    )


def _data(shown: Embedding, facts: dict[str, Any]) -> dict[str, Any]:
    values = {} if shown.is_grid else {"vector": [float(v) for v in shown.values]}
    return {"kind": "grid" if shown.is_grid else "pooled", **facts, **values}


def _lines(facts: dict[str, Any], others: int) -> Iterator[str]:
    more = f" (and {others} more ROIs)" if others else ""
    yield f"{facts['profile']}, ROI {facts['roi']}{more}"
    size = f"{facts['dimensions']} dimensions"
    if "rows" in facts:
        yield (
            f"  grid        {facts['rows']} x {facts['columns']} cells of {facts['cell_m']:g} m "
            f"in {facts['crs']}, {size}, {facts['missing_cells']} cells missing"
        )
    else:
        yield f"  vector      {size}"
    yield f"  seen        {100 * facts['valid_share']:.0f} % of the ground"
    if "mean" in facts:
        yield (
            f"  values      {facts['least']:.4g} to {facts['largest']:.4g}, mean "
            f"{facts['mean']:.4g}, deviation {facts['deviation']:.4g}"
        )
        yield f"  norm        {facts['norm']:.4g}"
    if "png" in facts:
        yield f"  picture     {facts['png']}"


def _draw(shown: Embedding) -> None:
    from rsweep.commands.half_blocks import half_blocks
    from rsweep.library.picture import colours

    what = (
        "three principal components as red, green, blue"
        if shown.is_grid
        else "values by dimension, in rows: blue below 0, red above"
    )
    size = shutil.get_terminal_size()
    console = make_console()
    console.print(f"\n{what}")
    console.print(half_blocks(colours(shown), size.columns, min(LINES, size.lines - 8)), end="")
