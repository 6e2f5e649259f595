"""Whole studies on services at the loopback interface: killed, refused, repeated from a lock."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import pytest
from conftest import ENVIRONMENT, Workplace
from pyproj import Transformer

sys.path.insert(0, str(Path(__file__).parents[1] / "unit/sources"))
import ee_store as made
from ee_server import StandIn, serve
from test_stac import X, Y, make_item, noise

from rsweep.core.files import get_json, is_sealed
from rsweep.stages.fetch.manifest import unpack

FROZEN = ("--config", "frozen=true")
VALUES, PIXELS = "value:compute", "computePixels"


def rois(x: float, y: float, count: int, buffer_m: float) -> list[dict[str, Any]]:
    """Places in UTM zone 33, each with a grid of its own."""
    lonlat = Transformer.from_crs(32633, 4326, always_xy=True)
    rows = []
    for i in range(count):
        lon, lat = lonlat.transform(x + 65 * (i % 4), y - 125 * (i // 4))
        rows.append({"id": f"r{i}", "lon": lon, "lat": lat, "buffer_m": buffer_m})
    return rows


def fetched(workplace: Workplace) -> dict[str, bytes]:
    store = workplace.folder / "results/store"
    return {p.name: p.read_bytes() for p in store.glob("fetch/*/*.h5")}


def forget(workplace: Workplace) -> Path:
    """Leave of a run its lock alone, as somebody else has it."""
    lock = workplace.folder / "results/tiny/study.lock.json"
    kept = lock.read_bytes()
    shutil.rmtree(workplace.folder / "results")
    lock.parent.mkdir(parents=True)
    lock.write_bytes(kept)
    return lock


def place(entry: dict[str, Any]) -> tuple[float, float]:
    affine = entry["grid"]["affineTransform"]
    return affine["translateX"], affine["translateY"]


class Study:
    """A study of eight ROIs on the stand-in, and what was asked of it in each run."""

    def __init__(self, folder: Path) -> None:
        builder = made.Builder(folder / "ee")
        made._sentinel2(builder)
        self.at: StandIn = serve(builder.root)
        self.workplace = Workplace(folder)
        self.workplace.write_rois(rois(made.GRID.x0 + 80, made.GRID.y0 - 100, 8, 50))
        self.workplace.write_study(
            base={
                "provider": "earthengine",
                "context_m": 0,
                "bands": ["B4", "B3", "B2"],
                "earthengine": {"url": self.at.url, "project": "test", "parallel": 1},
            }
        )

    def killed(self) -> list[dict[str, Any]]:
        """Start the study on a slow service, kill it, and say which ROIs were complete."""
        self.at.latency_s = 0.5
        process = subprocess.Popen(
            self.workplace.command(),
            cwd=self.workplace.folder,
            env=ENVIRONMENT,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 200
        while self.at.count(PIXELS, 200) < 4 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(1)  # the answer to who is no longer there
        parts = self.workplace.folder.glob("results/store/fetch/*/.*.parts/*.h5")
        complete = [path for path in parts if is_sealed(path)]
        self.at.latency_s = 0.0
        self.workplace.run("--unlock")
        found = []
        for path in complete:
            with h5py.File(path) as file:
                found.append(get_json(file, "roi"))
        return found

    def asked(self, path: str) -> list[dict[str, Any]]:
        return [entry for entry in self.at.log if path in entry["path"]]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    study = Study(tmp_path_factory.mktemp("earthengine"))
    yield study
    study.at.close()


def test_a_killed_study_goes_on_and_asks_for_nothing_twice(study: Study) -> None:
    complete = study.killed()
    assert 2 <= len(complete) < 8
    before = Counter(place(entry) for entry in study.asked(PIXELS))
    study.at.log.clear()
    study.at.faults = [{"path": "compute", "code": 429, "times": 6}]
    study.workplace.ran()

    again = Counter(place(entry) for entry in study.asked(PIXELS) if entry["code"] == 200)
    done = {(roi["grid"]["x0"], roi["grid"]["y0"]) for roi in complete}
    assert done <= set(before)
    assert not done & set(again)
    assert len(done) + len(again) == 8
    assert set(again.values()) == {1}
    assert study.at.count("compute", 429) == 6

    meta = json.loads((study.workplace.folder / "results/tiny/profiles/base/meta.json").read_text())
    (run,) = meta["runs"][meta["keys"]["fetch"]].values()
    assert run["reused_rois"] == len(done)
    assert (run["retries"], run["requests"]) == (6, study.at.count("compute"))
    assert run["bytes"] >= sum(entry["received"] for entry in study.asked("compute"))
    lock = json.loads((study.workplace.folder / "results/tiny/study.lock.json").read_text())
    (locked,) = lock["fetch"].values()
    assert locked["endpoint"] == study.at.url
    first = unpack(locked)["r0"]["scenes"][0]
    assert first["properties"]["version"] == made.VERSION + 3
    assert lock["quality_rules"][meta["keys"]["composite"]]["scl"]["classes"]


def test_a_frozen_study_gives_the_same_bytes_and_lists_nothing(study: Study) -> None:
    held, keys = fetched(study.workplace), study.workplace.keys()
    lock = forget(study.workplace)
    state = lock.stat()
    study.at.log.clear()
    # A scene that came since, which a listing would find.
    made_up = study.at.store.root / made.SR / f"{made.index(5)}.tif"
    _copy_scene(made_up, made.index(made.DAYS[0]))
    run = study.workplace.run(*FROZEN)
    assert run, run.output
    assert fetched(study.workplace) == held
    assert study.at.count(VALUES) == 1  # the pins of all ROIs
    assert study.at.count(PIXELS) == 8
    now = lock.stat()
    assert (now.st_mtime_ns, now.st_ino) == (state.st_mtime_ns, state.st_ino)
    assert study.workplace.keys() == keys


def _copy_scene(path: Path, index: str) -> None:
    for suffix in (".tif", ".json"):
        shutil.copy(path.with_name(index + suffix), path.with_suffix(suffix))
    told = json.loads(path.with_suffix(".json").read_text())
    told |= {
        "system:time_start": told["system:time_start"] + 2 * made.DAY_MS,
        "DATATAKE_IDENTIFIER": "another",
        "DATASTRIP_ID": "another",
    }
    path.with_suffix(".json").write_text(json.dumps(told))


def test_a_frozen_study_says_what_has_changed_before_it_reads_a_pixel(study: Study) -> None:
    images = study.at.store.root / made.SR
    sidecar = images / f"{made.index(made.DAYS[0])}.json"
    told = json.loads(sidecar.read_text())
    sidecar.write_text(json.dumps({**told, "system:version": 99}))
    (images / f"{made.index(made.DAYS[2])}.tif").unlink()
    lock = forget(study.workplace)
    before = lock.read_bytes()
    study.at.log.clear()
    run = study.workplace.run(*FROZEN)
    assert not run
    assert f"{made.index(made.DAYS[0])}: changed: version" in run.output
    assert f"{made.index(made.DAYS[2])}: missing" in run.output
    assert study.at.count(PIXELS) == 0
    assert fetched(study.workplace) == {}
    assert lock.read_bytes() == before


def test_a_frozen_study_on_a_stac_service(tmp_path: Path) -> None:
    """The same scenes though there are more; an item that was made again is named."""
    from stac_server import StacServer

    workplace = Workplace(tmp_path)
    workplace.write_rois(rois(X + 130, Y - 130, 2, 50))
    assets = ("red", "green", "blue", "scl")

    def item(day: int) -> dict[str, Any]:
        values = {a: noise(day + k) // (2000 if a == "scl" else 1) for k, a in enumerate(assets)}
        return make_item(tmp_path, f"day{day}", f"2022-06-{day:02d}T10:00:00Z", values)

    with StacServer(tmp_path, [item(3), item(13)]) as server:
        workplace.write_study(
            base={
                "provider": "stac",
                "stac": {"url": server.url},
                "context_m": 0,
                "fetch_bands": "model",
                "bands": ["B4", "B3", "B2"],
                "cloud_mask": "none",
            }
        )
        workplace.ran()
        held = fetched(workplace)
        target = next((tmp_path / "results/store").glob("fetch/*/*.h5")).relative_to(tmp_path)
        forget(workplace)
        server.items.append(item(23))
        run = workplace.run(str(target), *FROZEN)
        assert run, run.output
        assert fetched(workplace) == held
        forget(workplace)
        server.items[0]["properties"]["s2:processing_baseline"] = "05.11"
        server.requests.clear()
        run = workplace.run(str(target), *FROZEN)
        assert not run
        assert "day3: changed: baseline 05.09 is now 05.11" in run.output
        assert not [r for r in server.requests if ".tif" in r.path]
