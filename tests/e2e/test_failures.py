"""What goes wrong for users: each case ends in a clear message or a row with a reason."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from conftest import ENVIRONMENT, Workplace

BANDS = ("B2", "B3", "B4")


def write_scene(folder: Path, day: str) -> Path:
    """A scene of 100 x 100 pixels of 10 m in UTM zone 32, three bands and a classification."""
    path = folder / f"S2_{day}.tif"
    path.unlink(missing_ok=True)
    x, y = 478000, 5595000
    profile = {
        "driver": "GTiff",
        "dtype": "uint16",
        "count": 4,
        "height": 100,
        "width": 100,
        "crs": "EPSG:32632",
        "transform": rasterio.Affine(10, 0, x, 0, -10, y),
        "nodata": 0,
        "tiled": True,
        "blockxsize": 16,
        "blockysize": 16,
    }
    rng = np.random.default_rng(int(day))
    data = rng.integers(1000, 1500, (4, 100, 100)).astype("uint16")
    data[3] = 4
    with rasterio.open(path, "w", **profile) as file:
        file.write(data)
        for index, name in enumerate((*BANDS, "SCL"), start=1):
            file.set_band_description(index, name)
    return path


LAYOUT = """
s2:
  files: 'S2_(?P<date>\\d{8})\\.tif'
  bands: {B2: 1, B3: 2, B4: 3}
  quality: {scl: {band: 4}}
"""


@pytest.fixture
def local(workplace: Workplace) -> Workplace:
    """Three scenes in a folder, and a study that reads it."""
    scenes = workplace.folder / "scenes"
    scenes.mkdir()
    for day in ("20220605", "20220615", "20220625"):
        write_scene(scenes, day)
    (scenes / "layout.yaml").write_text(LAYOUT)
    lon, lat = 8.694, 50.500
    workplace.write_rois(
        [
            {"id": "inside", "lon": lon, "lat": lat, "buffer_m": 100},
            {"id": "elsewhere", "lon": 12.0, "lat": 45.0, "buffer_m": 100},
            {"id": "pole", "lon": 0.0, "lat": 89.0, "buffer_m": 100},
        ]
    )
    workplace.write_study(
        base={
            "provider": "local",
            "local": {"path": "scenes"},
            "bands": ["B4", "B3", "B2"],
            "context_m": 0,
        },
        max_failed=0.7,
    )
    return workplace


def rows(workplace: Workplace, profile: str = "base") -> dict[str, dict[str, object]]:
    path = workplace.folder / f"results/tiny/profiles/{profile}/embeddings.parquet"
    return {row["id"]: row for row in pq.read_table(path).to_pylist()}


def test_rois_without_imagery_are_rows_with_a_reason(local: Workplace) -> None:
    run = local.ran()
    found = rows(local)
    assert found["inside"]["error"] is None
    assert np.isfinite(found["inside"]["embedding"]).all()
    for roi, reason in (("elsewhere", "touches the ROI"), ("pole", "latitude 89")):
        assert reason in str(found[roi]["error"])
        assert np.isnan(found[roi]["embedding"]).all()
        assert reason in local.table()["base"]["reason"]
    assert "2 of 3 ROIs have no embedding" in run.output


def test_a_run_in_which_too_many_rois_failed_ends_in_an_error_with_its_results(
    local: Workplace,
) -> None:
    text = (local.folder / "study.yaml").read_text()
    (local.folder / "study.yaml").write_text(text.replace("max_failed: 0.7\n", ""))
    run = local.run()
    assert not run
    assert "1 of 1 profiles lack too many embeddings (max_failed: 0.25)" in run.output
    assert "2 of 3 ROIs have no embedding" in run.output
    assert rows(local)["inside"]["error"] is None
    assert (local.folder / "results/tiny/report.html").exists()
    assert not local.run()  # nothing is made again, and it is an error all the same
    (local.folder / "study.yaml").write_text(text)
    assert "Nothing to be done" not in local.ran().output
    assert "Nothing to be done" in local.ran().output


def test_on_roi_error_fail_stops_with_the_roi_and_the_reason(local: Workplace) -> None:
    text = (local.folder / "study.yaml").read_text()
    (local.folder / "study.yaml").write_text(text + "on_roi_error: fail\n")
    run = local.run()
    assert not run
    assert "ROI elsewhere" in run.output


def test_a_truncated_scene_fails_only_the_rois_that_need_it(local: Workplace) -> None:
    path = local.folder / "scenes/S2_20220615.tif"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "all have an embedding" not in local.run().output
    assert "S2_20220615.tif" in str(rows(local)["inside"]["error"])
    write_scene(local.folder / "scenes", "20220615")
    local.ran()  # the content is the identity, so a mended file is read
    assert rows(local)["inside"]["error"] is None


def test_windows_without_scenes_and_clouds_everywhere_are_said(local: Workplace) -> None:
    local.write_rois(
        [
            {
                "id": "winter",
                "lon": 8.694,
                "lat": 50.5,
                "buffer_m": 100,
                "start": "2022-01-01",
                "end": "2022-02-01",
            },
            {
                "id": "cloudy",
                "lon": 8.694,
                "lat": 50.5,
                "buffer_m": 120,
                "start": "2022-06-01",
                "end": "2022-06-10",
            },
            {
                "id": "clear",
                "lon": 8.694,
                "lat": 50.5,
                "buffer_m": 140,
                "start": "2022-06-10",
                "end": "2022-07-01",
            },
        ]
    )
    with rasterio.open(local.folder / "scenes/S2_20220605.tif", "r+") as file:
        file.write(np.full((100, 100), 9, "uint16"), 4)
    local.ran()
    found = rows(local)
    assert "2022" in str(found["winter"]["error"])
    assert "cloud" in str(found["cloudy"]["error"])
    assert found["clear"]["error"] is None


def test_every_problem_of_a_study_is_said_before_any_work(workplace: Workplace) -> None:
    workplace.write_rois(
        [
            {"id": "a", "lon": 8.7, "lat": 50.5, "buffer_m": 100},
            {"id": "a", "lon": 8.8, "lat": 50.5, "buffer_m": -1},
        ]
    )
    workplace.write_study(base={"composit": "mean", "model": "rfc", "cloudy_pct": 120})
    run = workplace.run()
    assert not run
    for part in ("composit", "did you mean 'composite'", "did you mean 'rcf'", "buffer_m is -1"):
        assert part in run.output
    assert not (workplace.folder / "results").exists()


def test_a_damaged_file_is_said_and_rebuilt(workplace: Workplace) -> None:
    workplace.write_study()
    workplace.ran()
    before = workplace.state()
    damaged = next(n for n in before if n.startswith("composite/"))
    path = workplace.folder / "results/store" / damaged
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    workplace.write_study(base={"edge": "fill"})  # reads the composite again
    run = workplace.ran()
    logs = "".join(p.read_text() for p in (workplace.folder / "results/logs/prep").rglob("*.log"))
    assert "damaged" in logs, run.output
    assert "rebuilt" in logs
    after = workplace.state()
    assert {n: after[n][0] for n in before} == {n: d for n, (d, _) in before.items()}


def test_a_killed_run_goes_on_from_what_is_there(workplace: Workplace) -> None:
    workplace.write_study(sweep=[{"image_size": [16, 32, 48], "output": ["pooled", "grid"]}])
    process = subprocess.Popen(
        workplace.command(),
        cwd=workplace.folder,
        env=ENVIRONMENT,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    store = workplace.folder / "results/store"
    deadline = time.monotonic() + 120
    while not list(store.glob("prep/*/*.h5")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    there = workplace.state()
    assert there
    assert not list((workplace.folder / "results/tiny").glob("sweep.csv"))
    again = workplace.ran()  # the same command: no --unlock
    assert "its lock is removed" in again.output
    left = [*store.rglob(".*"), *(workplace.folder / "results/tiny").rglob(".*.tmp")]
    assert not left
    after = workplace.state()
    finished = {n: s for n, s in there.items() if n.startswith(("fetch/", "composite/"))}
    assert {n: after[n][0] for n in finished} == {n: d for n, (d, _) in finished.items()}
    assert len(workplace.table()) == 6


def test_a_read_only_store_is_said(workplace: Workplace) -> None:
    workplace.write_study()
    (workplace.folder / "results").mkdir()
    (workplace.folder / "results/store").write_text("a file where the store should be")
    run = workplace.run()
    assert not run


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_is_said_and_leaves_nothing_half_written(workplace: Workplace) -> None:
    store = workplace.folder / "store"
    store.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(store)])
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a file system")
    try:
        workplace.write_study(store=str(store), base={"context_m": 900})
        run = workplace.run()
        assert not run
        assert "cannot write" in run.output
        assert "No space left" in run.output
        assert not list(store.rglob("*.h5"))
    finally:
        subprocess.run(["umount", str(store)], check=True)


def test_two_studies_make_one_store_at_once(tmp_path: Path) -> None:
    store = tmp_path / "store"
    places = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        places.append(Workplace(tmp_path / name))
        places[-1].write_study(store=str(store))
    runs = [
        subprocess.Popen(
            place.command(),
            cwd=place.folder,
            env=ENVIRONMENT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for place in places
    ]
    said = [run.communicate(timeout=580)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], "\n".join(said)
    assert len(list(store.rglob("*.h5"))) == 5
    assert not list(store.rglob(".*"))
    tables = [place.folder / "results/tiny/profiles/base/embeddings.parquet" for place in places]
    assert tables[0].read_bytes() == tables[1].read_bytes()


def test_results_of_a_profile_that_left_are_moved_aside(workplace: Workplace) -> None:
    workplace.write_study(profiles={"one": {}, "two": {"features": 16}})
    workplace.ran()
    workplace.write_study(profiles={"one": {}})
    assert "no longer in the study" in workplace.ran().output
    results = workplace.folder / "results/tiny"
    assert [p.name for p in (results / "profiles").iterdir()] == ["one"]
    assert (results / "left/two/embeddings.parquet").exists()
