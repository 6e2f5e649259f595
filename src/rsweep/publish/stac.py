"""A study's embeddings as a static STAC catalogue with the extension `emb:`.

A collection per profile. A grid profile has an item per ROI, whose asset is its GeoTIFF; a pooled
profile has one item, whose asset is the table of all ROIs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pystac
import shapely

from rsweep.core.errors import RsweepError
from rsweep.core.files import write_json
from rsweep.core.redact import portable
from rsweep.models.registry import find_card
from rsweep.publish.files import nameless
from rsweep.results.conventions import EMB_VERSION, embedding_facts
from rsweep.results.lock import read_whole

EMB = f"https://stac-extensions.github.io/embeddings/v{EMB_VERSION}/schema.json"
PROCESSING = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"
STAC_VERSION = "1.0.0"
"""The version that the schema of `emb:` is written for."""
TABLE_TYPE = "application/vnd.apache.parquet"
OF_ITEMS = (
    "emb:runtime_parameters",
    "emb:preprocessing",
    "emb:postprocessing",
    "processing:version",
)


@dataclass(frozen=True)
class Place:
    """A ROI of a profile: polygon in degrees, window (end exclusive), its grid's file if any."""

    id: str
    shape: shapely.Geometry
    start: date
    end: date
    grid: str | None


def write_stac(results: Path, out: Path, licence: str, anonymous: bool = False) -> None:
    """Write the catalogue of a folder of results, with copies of the files, to a new folder.

    Raises:
        RsweepError: the folder is there already, or the results have no embeddings.
    """
    if out.exists() and any(out.iterdir()):
        raise RsweepError(f"{out} is not empty; name a new folder")
    lock = portable(read_whole(results / "study.lock.json"))
    catalog = pystac.Catalog(results.name, f"Embeddings of study {results.name}")
    for folder in sorted(path.parent for path in results.glob("profiles/*/meta.json")):
        places = list(_places(folder / "embeddings.parquet"))
        if places:
            catalog.add_child(_collection(results, folder, out, places, licence))
    if not list(catalog.get_children()):
        raise RsweepError(f"{results} has no embeddings")
    write_json(out / "study.lock.json", nameless(lock) if anonymous else lock)
    pystac.set_stac_version(STAC_VERSION)
    try:
        catalog.normalize_and_save(str(out), pystac.CatalogType.SELF_CONTAINED)
    finally:
        pystac.set_stac_version(None)


def _places(table: Path) -> Iterator[Place]:
    """The ROIs that have an embedding and a place on the map."""
    found = pq.read_table(table)
    names = ["id", "geometry", "start", "end", "error"]
    names += ["grid"] if "grid" in found.column_names else []
    for row in found.select(names).to_pylist():
        if not row["error"] and row["geometry"]:
            shape = shapely.from_wkb(row["geometry"])
            yield Place(row["id"], shape, row["start"], row["end"], row.get("grid"))


def _collection(
    results: Path, folder: Path, out: Path, places: list[Place], licence: str
) -> pystac.Collection:
    meta = json.loads((folder / "meta.json").read_text())
    width = pq.read_schema(folder / "embeddings.parquet").field("embedding").type.list_size
    key = next(stage["key"] for stage in meta["stages"][::-1])
    facts = portable(embedding_facts(meta["settings"], key, width))
    grids = [folder / place.grid for place in places if place.grid]
    gsd = {"gsd": _cell_m(grids[0])} if grids else {}
    box = [*shapely.total_bounds([place.shape for place in places]).tolist()]
    extent = pystac.Extent(
        pystac.SpatialExtent([box]),
        pystac.TemporalExtent(
            [[_midnight(min(p.start for p in places)), _midnight(max(p.end for p in places))]]
        ),
    )
    found = pystac.Collection(
        folder.name,
        f"Profile {folder.name} of study {results.name}",
        extent,
        license=licence or "other",
        stac_extensions=[EMB],
        extra_fields=gsd | {name: value for name, value in facts.items() if name not in OF_ITEMS},
    )
    card = find_card(meta["settings"]["model"])
    address = next((word for word in card.paper.split() if word.startswith("http")), None)
    found.add_link(pystac.Link("emb:model", address or "../study.lock.json", title=card.title))
    found.add_link(
        pystac.Link(
            "emb:source-data", "../study.lock.json", "application/json", "the scenes of each ROI"
        )
    )
    for item in _items(folder, out, places, {name: facts[name] for name in OF_ITEMS}):
        found.add_item(item)
    return found


def _cell_m(path: Path) -> float:
    """Metres per side of a grid's cell."""
    import rasterio

    with rasterio.open(path) as raster:
        return float(raster.res[0])


def _items(
    folder: Path, out: Path, places: list[Place], facts: Mapping[str, Any]
) -> Iterator[pystac.Item]:
    if any(place.grid for place in places):
        for place in places:
            if place.grid:
                path = folder / place.grid
                yield _item(Path(path).stem, [place], path, out / folder.name / path.stem, facts)
        return
    table = folder / "embeddings.parquet"
    yield _item("embeddings", places, table, out / folder.name / "embeddings", facts)


def _item(
    name: str, places: list[Place], path: Path, to: Path, facts: Mapping[str, Any]
) -> pystac.Item:
    """An item with its file, copied beside it."""
    shutil.copyfile(path, _parent(to / path.name))
    shapes = [place.shape for place in places]
    shape = shapes[0] if len(shapes) == 1 else shapely.box(*shapely.total_bounds(shapes))
    start, end = (
        _midnight(days) for days in (min(p.start for p in places), max(p.end for p in places))
    )
    item = pystac.Item(
        name,
        json.loads(shapely.to_geojson(shape)),
        [*shape.bounds],
        None,
        dict(facts),
        start,
        end,
        stac_extensions=[EMB, PROCESSING],
    )
    kind = TABLE_TYPE if path.suffix == ".parquet" else pystac.MediaType.COG
    item.add_asset("embeddings", pystac.Asset(f"./{path.name}", media_type=kind, roles=["data"]))
    return item


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
