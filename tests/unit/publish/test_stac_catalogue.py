"""A study as a STAC catalogue, and what a GeoParquet's footer says of its embeddings."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pystac
import pytest
import rasterio
import shapely
from pystac.validation import validate_dict
from tinystudy import run_study, write_study

from rsweep.cli import main

OF_COLLECTIONS = {"emb:type", "emb:dimensions"}
OF_ITEMS = {"emb:runtime_parameters", "emb:preprocessing", "emb:postprocessing"}
"""Names that the extension's schema 0.0.1 takes; it refuses all other names that begin so."""


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    return run_study(write_study(tmp_path_factory.mktemp("stac")))


@pytest.fixture(scope="module")
def catalog(results, tmp_path_factory) -> pystac.Catalog:
    out = tmp_path_factory.mktemp("out") / "stac"
    assert main(["export", str(results), "--stac", str(out), "--anonymous"]) == 0
    return pystac.Catalog.from_file(str(out / "catalog.json"))


def test_the_command_says_where_it_is(results, tmp_path, capsys):
    words = ["export", str(results), "--stac", str(tmp_path / "out"), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out) == {"stac": f"{tmp_path}/out/catalog.json"}


def documents(catalog: pystac.Catalog) -> list[dict]:
    root = Path(catalog.get_self_href()).parent
    paths = (path for path in root.rglob("*.json") if path.name != "study.lock.json")
    return [json.loads(path.read_text()) for path in paths]


def test_every_document_is_valid_by_the_core_schemas(catalog):
    found = documents(catalog)
    assert sorted(d["type"] for d in found) == ["Catalog", *["Collection"] * 2, *["Feature"] * 4]
    for document in found:
        core = {**document, "stac_version": "1.1.0", "stac_extensions": []}  # those are at hand
        validate_dict(core)
    item = next(d for d in found if d["type"] == "Feature")
    with pytest.raises(pystac.STACValidationError):
        validate_dict({**item, "geometry": 1, "stac_version": "1.1.0", "stac_extensions": []})


def test_what_the_embedding_extension_requires_is_there_and_nothing_that_it_refuses(catalog):
    for document in documents(catalog):
        own = {name for name in document if name.startswith("emb:")}
        if document["type"] == "Collection":
            assert own == OF_COLLECTIONS
            assert {"emb:model", "emb:source-data"} <= {link["rel"] for link in document["links"]}
            assert document["data_type"] == "float32"
        if document["type"] == "Feature":
            names = {n for n in document["properties"] if n.startswith("emb:")}
            assert names == OF_ITEMS
            assert set(document["properties"]["emb:preprocessing"]) == {"format", "expression"}
            assert "embeddings" in document["assets"]


def test_items_lie_where_their_files_do(catalog):
    grid, pooled = catalog.get_child("grid"), catalog.get_child("pooled")
    assert (grid.extra_fields["emb:type"], pooled.extra_fields["emb:type"]) == ("pixel", "chip")
    assert grid.extra_fields["emb:dimensions"] == pooled.extra_fields["emb:dimensions"] == 8
    for item in grid.get_items():
        with rasterio.open(item.assets["embeddings"].get_absolute_href()) as raster:
            assert raster.res[0] == grid.extra_fields["gsd"]
            box = rasterio.warp.transform_bounds(raster.crs, 4326, *raster.bounds)
            assert shapely.box(*box).buffer(1e-6).contains(shapely.geometry.shape(item.geometry))
    (item,) = pooled.get_items()
    table = pq.read_table(item.assets["embeddings"].get_absolute_href())
    assert table["id"].to_pylist() == ["a", "b", "c"]


def test_every_link_leads_somewhere(catalog):
    root = Path(catalog.get_self_href()).parent
    for path in root.rglob("*.json"):
        for link in json.loads(path.read_text()).get("links", []):
            assert "://" in link["href"] or (path.parent / link["href"]).is_file(), link
    assert json.loads((root / "study.lock.json").read_text())["versions"]["commit"] == "anonymous"


def test_the_footer_of_a_table_says_what_its_vectors_are(results):
    for profile in ("pooled", "grid"):
        schema = pq.read_schema(results / "profiles" / profile / "embeddings.parquet")
        told = json.loads(schema.metadata[b"emb"])
        assert (told["version"], told["emb:type"], told["emb:dimensions"]) == ("0.0.1", "chip", 8)
        assert (told["model"], told["provider"], told["data_type"]) == (
            "rcf",
            "synthetic",
            "float32",
        )
        assert told["emb:preprocessing"]["expression"]["scale_m"] == 10
        assert b"geo" in schema.metadata
