"""What a recipe says, and getting what it needs."""

import functools
import hashlib
import http.server
import threading
import zipfile
from pathlib import Path

import pytest
import yaml

from rsweep.core.errors import RsweepError
from rsweep.recipes.obtain import obtain
from rsweep.recipes.recipe import read_recipe

TOLD = {
    "title": "A table",
    "paper": "arXiv 0000.00000",
    "bibtex": "@misc{a}",
    "needs": "nothing",
    "verified": "in a test",
    "not_run": "",
    "studies": ["study.yaml"],
}


def write(folder: Path, *data, **other) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "study.yaml").write_text("study: a\n")
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**TOLD, "data": list(data), **other}))
    return folder


def source(**other):
    return {
        "name": "yields",
        "to": "yields.csv",
        "licence": "theirs",
        "where": "the ministry",
        **other,
    }


@pytest.fixture
def server(tmp_path):
    """A web server of a folder: the folder, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


@pytest.mark.parametrize(
    "other, reason",
    [
        ({"titel": "x"}, "titel is not a part of it; did you mean 'title'"),
        ({"needs": None}, "lacks needs"),
        ({"studies": ["none.yaml"]}, "none.yaml is not there"),
        ({"studies": []}, "at least one study"),
        ({"prepare": "make.py"}, "make.py is not there"),
        ({"data": [source(to="../x")]}, "expected a path below"),
        ({"data": [source(url="http://a", hub="b/c")]}, "both url and hub"),
        ({"data": [{"name": "x"}]}, "data.0: lacks to, licence, where"),
        ({"data": "all"}, "expected a list"),
    ],
)
def test_a_recipe_that_says_too_little_is_refused_by_part(tmp_path, other, reason):
    write(tmp_path / "r", **other)
    with pytest.raises(RsweepError, match=reason):
        read_recipe(tmp_path / "r")
    with pytest.raises(RsweepError, match="is not there"):
        read_recipe(tmp_path / "elsewhere")


def test_what_a_person_must_supply_is_asked_for_by_name_and_place(tmp_path):
    recipe = read_recipe(write(tmp_path / "r", source(), source(name="map", to="map.tif")))
    with pytest.raises(RsweepError) as caught:
        obtain(recipe)
    text = str(caught.value)
    assert "2 of 2 things" in text
    for words in ("yields", "map", "the ministry", str(tmp_path / "r/data/map.tif"), "may not"):
        assert words in text
    (tmp_path / "r/data").mkdir()
    (tmp_path / "r/data/yields.csv").write_text("id\n")
    with pytest.raises(RsweepError, match="1 of 2 things"):
        obtain(recipe)
    (tmp_path / "r/data/map.tif").write_text("")
    obtain(recipe)


def test_a_supplied_file_must_be_the_one_that_the_recipe_means(tmp_path):
    right = hashlib.sha256(b"right").hexdigest()
    recipe = read_recipe(write(tmp_path / "r", source(sha256=right)))
    (tmp_path / "r/data").mkdir()
    path = tmp_path / "r/data/yields.csv"
    path.write_bytes(b"wrong")
    start = read_recipe(write(tmp_path / "r", source(sha256_starts=right[:8])))
    with pytest.raises(RsweepError, match=f"expected sha256 {right[:8]}, found"):
        obtain(start)
    with pytest.raises(RsweepError, match=f"expected sha256 {right}, found"):
        obtain(recipe)
    path.write_bytes(b"right")
    obtain(recipe)


def test_files_are_fetched_checked_and_unpacked(tmp_path, server):
    folder, address = server
    with zipfile.ZipFile(folder / "chips.zip", "w") as archive:
        archive.writestr("a/1.txt", "one")
    digest = hashlib.sha256((folder / "chips.zip").read_bytes()).hexdigest()
    (folder / "yields.csv").write_text("id\n")
    chips = source(name="chips", to="chips", url=f"{address}/chips.zip", unpack=True, sha256=digest)
    recipe = read_recipe(write(tmp_path / "r", chips, source(url=f"{address}/yields.csv")))
    with pytest.raises(RsweepError, match="2 of 2 things"):
        obtain(recipe, offline=True)
    obtain(recipe)
    assert (tmp_path / "r/data/chips/a/1.txt").read_text() == "one"
    assert (tmp_path / "r/data/yields.csv").read_text() == "id\n"
    (folder / "yields.csv").unlink()
    obtain(recipe, offline=True)  # all is in place


def test_a_fetched_file_of_other_content_leaves_nothing(tmp_path, server):
    folder, address = server
    (folder / "yields.csv").write_text("id\n")
    recipe = read_recipe(
        write(tmp_path / "r", source(url=f"{address}/yields.csv", sha256="0" * 64))
    )
    with pytest.raises(RsweepError, match="not the expected file"):
        obtain(recipe)
    assert not (tmp_path / "r/data/yields.csv").exists()


def test_the_hub_is_named_where_it_cannot_be_asked(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no route")

    monkeypatch.setattr("rsweep.recipes.obtain.snapshot_download", refuse)
    recipe = read_recipe(write(tmp_path / "r", source(to="set", hub="a/b")))
    with pytest.raises(RsweepError, match=r"a/b cannot be fetched from the hub: no route"):
        obtain(recipe)
    assert not (tmp_path / "r/data/set").exists()


def test_a_data_set_of_the_hub_lands_whole(tmp_path, monkeypatch):
    asked = {}

    def download(name, **options):
        asked.update(options, name=name)
        (options["local_dir"] / ".cache").mkdir()
        (options["local_dir"] / "x.tif").write_text("x")

    monkeypatch.setattr("rsweep.recipes.obtain.snapshot_download", download)
    told = source(to="set", hub="a/b", revision="c0ffee", files=["*.tif"])
    recipe = read_recipe(write(tmp_path / "r", told))
    obtain(recipe)
    assert [p.name for p in (tmp_path / "r/data/set").iterdir()] == ["x.tif"]
    assert (asked["name"], asked["revision"], asked["allow_patterns"], asked["repo_type"]) == (
        "a/b",
        "c0ffee",
        ["*.tif"],
        "dataset",
    )
