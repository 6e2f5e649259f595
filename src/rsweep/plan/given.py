"""Embeddings that others computed, as the section `given` of a study names them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rsweep.core.canonical import digest
from rsweep.core.digests import digests, known_sha256, walk
from rsweep.core.knobs import Option, Problem, nearest
from rsweep.core.names import slug
from rsweep.stages.stitch.spec import TOKEN_POOLINGS

TABLES = (".parquet", ".geoparquet", ".npz", ".zarr")
"""Endings of files with a vector per ROI."""
RASTERS = (".tif", ".tiff")
"""Endings of files with a vector per pixel."""
EACH_ROI = "{id}"
"""In a path, what stands for the id of a ROI: a raster per ROI."""

OPTIONS: dict[str, Option] = {
    k.name: k
    for k in (
        Option("name", "str", None, "what the results call it"),
        Option(
            "path",
            "str",
            None,
            "Parquet, GeoParquet, NPZ or Zarr with a vector per ROI; a GeoTIFF with a band per "
            "dimension, out of which each ROI is cut; or, with {id} in it, a GeoTIFF per ROI, "
            "which is taken whole",
        ),
        Option("id_column", "str", "id", "column or array with the ids of the ROI table"),
        Option(
            "pooling",
            "str",
            "mean",
            "how the pixels of a GeoTIFF become a vector; a list gives one set of each",
            allowed=TOKEN_POOLINGS,
        ),
        Option(
            "decode",
            "str",
            "none",
            "how numbers of a GeoTIFF become the embedding: alphaearth squares int8 over 127.5 "
            "with its sign, -128 being missing; tessera takes int8 [H, W, D] of NAME.npy times "
            "NAME_scales.npy [H, W], and of the GeoTIFF, NAME.tif, only where its pixels lie",
            allowed=("none", "alphaearth", "tessera"),
        ),
        Option("paper", "str", None, "whom to cite for it: goes into the exported citations"),
        Option("licence", "str", None, "under which terms it is: goes into the exported licences"),
    )
}
CITED = ("paper", "licence")
"""Options that say whose it is, and not what it holds."""
"""None of them is in the key of a stage."""


@dataclass(frozen=True)
class GivenSet:
    """One set of embeddings that somebody else computed.

    Attributes:
        name: of it in the results.
        section: what the study calls the entry; several sets may come of one.
        path, id_column, pooling, decode: see `OPTIONS`; pooling is "" for a vector per ROI.
        sha256: of its file, or of the list of its files.
        paper, licence: whom to cite, and the terms; in no identity.
    """

    name: str
    section: str
    path: str
    id_column: str
    pooling: str
    decode: str
    sha256: str
    paper: str | None = None
    licence: str | None = None

    @property
    def settings(self) -> dict[str, str]:
        """What may differ between sets and is shown as settings are."""
        pooling = {"pooling": self.pooling} if self.pooling else {}
        return {"given": self.section, **pooling}

    def identity(self) -> dict[str, str]:
        """What it is, as JSON."""
        return {name: value for name, value in asdict(self).items() if name not in CITED}

    def record(self) -> dict[str, str]:
        """What it is and, as far as it was said, whose."""
        return {n: v for n, v in asdict(self).items() if v is not None or n not in CITED}


def read_given(
    section: Any, taken: Collection[str], where: str
) -> tuple[list[GivenSet], list[Problem]]:
    """The sets of a study, and everything wrong with its section `given`.

    Args:
        section: what the study says; nothing at all means none.
        taken: names of the study's profiles.
        where: the study file, for messages.
    """
    if not section:
        return [], []
    if not isinstance(section, list):
        return [], [
            Problem(
                f"{where}: given",
                f"is {section!r}; expected a list of mappings, each with name and path",
            )
        ]
    found: list[GivenSet] = []
    problems: list[Problem] = []
    for number, entry in enumerate(section, start=1):
        place = f"{where}: given {number}"
        own = list(_entry(entry, place, problems))
        names = {*taken, *(other.name for other in found)}
        problems += [
            Problem(f"{place}.name", f"is {each.name!r}, which a profile or another set is called")
            for each in own
            if each.name in names
        ]
        found += own
    return found, problems


def _entry(entry: Any, place: str, problems: list[Problem]) -> Iterator[GivenSet]:
    """The sets of one entry: one, or one for each pooling of a list."""
    if not isinstance(entry, Mapping):
        problems.append(Problem(place, f"is {entry!r}; expected a mapping with name and path"))
        return
    before = len(problems)
    problems += [
        Problem(f"{place}.{name}", f"is not an option{nearest(name, OPTIONS)}")
        for name in entry
        if name not in OPTIONS
    ]
    poolings = entry.get("pooling")
    listed = poolings if isinstance(poolings, list) else [poolings]
    sets = [_parsed({**entry, "pooling": each}, place, problems) for each in listed]
    if len(problems) == before:
        problems += _check(sets[0], "pooling" in entry, place)
    if len(problems) > before:
        return
    sha256 = _digest(Path(sets[0]["path"]), sets[0]["decode"])
    for own in sets:
        raster = _ending(own["path"]) in RASTERS
        name = f"{own['name']}_{own['pooling']}" if len(sets) > 1 else own["name"]
        pooling = own["pooling"] if raster else ""
        yield GivenSet(
            name,
            own["name"],
            own["path"],
            own["id_column"],
            pooling,
            own["decode"],
            sha256,
            own["paper"],
            own["licence"],
        )


def _parsed(entry: Mapping[str, Any], place: str, problems: list[Problem]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, option in OPTIONS.items():
        if entry.get(name) is None:
            found[name] = option.default
            if name in ("name", "path"):
                problems.append(Problem(f"{place}.{name}", f"is missing: {option.meaning}"))
            continue
        try:
            found[name] = option.parse(entry[name])
        except ValueError as error:
            problems.append(Problem(f"{place}.{name}", str(error)))
    return found


def _check(own: Mapping[str, Any], pooled: bool, place: str) -> Iterator[Problem]:
    path, ending = own["path"], _ending(own["path"])
    if slug(own["name"]) != own["name"]:
        yield Problem(
            f"{place}.name",
            f"is {own['name']!r}; it names a folder: letters, digits and . _ = + - only",
        )
    if ending not in (*TABLES, *RASTERS):
        yield Problem(
            f"{place}.path",
            f"is {path!r}; expected a file that ends in {', '.join((*TABLES, *RASTERS))}",
        )
    elif ending in TABLES and (pooled or own["decode"] != "none"):
        unread = "pooling" if pooled else "decode"
        yield Problem(f"{place}.{unread}", f"is read of a GeoTIFF only, and path is {path!r}")
    elif ending in TABLES and EACH_ROI in path:
        yield Problem(f"{place}.path", f"is {path!r}; {EACH_ROI} is for a GeoTIFF per ROI")
    else:
        for read in read_places(path, own["decode"]):
            if not read.exists():
                yield Problem(f"{place}.path", f"is {path!r}; {read} is not there")


def _ending(path: str) -> str:
    return Path(path).suffix.lower()


def read_places(path: str, decode: str) -> tuple[Path, ...]:
    """The files or folder whose content decides what is read: of a path with {id}, the folder."""
    if EACH_ROI in path:
        return (Path(path.partition(EACH_ROI)[0] + "x").parent,)
    return (Path(path), *(tessera_files(Path(path)) if decode == "tessera" else ()))


def tessera_files(path: Path) -> tuple[Path, Path]:
    """The numbers and their scales, which lie beside the GeoTIFF that says where they are."""
    return path.with_suffix(".npy"), path.with_name(f"{path.stem}_scales.npy")


def _digest(path: Path, decode: str) -> str:
    """sha256 of a file, or of the names and digests of all files of a folder or set."""
    place, *beside = read_places(str(path), decode)
    if beside:
        return digest([known_sha256(each) for each in (place, *beside)])
    return known_sha256(place) if place.is_file() else digest(digests(place, walk(place)))
