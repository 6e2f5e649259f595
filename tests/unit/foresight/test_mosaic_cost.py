"""What grids that join cost is told before it is spent, and is what tiles there will be."""

import json
import random

import pytest

from rsweep.cli import main
from rsweep.core.grid import roi_grid
from rsweep.foresight.mosaic import mosaic_cost
from rsweep.plan.estimates import tiles_of
from rsweep.plan.study import load_study
from rsweep.stages.prep.cut import cut
from rsweep.stages.prep.spec import prep_settings


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study of 150 places of a size, under some settings."""
    monkeypatch.chdir(tmp_path)

    def write(buffer_m, **config):
        draw = random.Random(0)
        rows = [
            f"r{i},{draw.uniform(8.6, 8.7)},{draw.uniform(50.5, 50.6)},{buffer_m}"
            for i in range(150)
        ]
        (tmp_path / "rois.csv").write_text("id,lon,lat,buffer_m\n" + "\n".join(rows))
        config = {
            "study": "s",
            "rois": "rois.csv",
            "temporal": {"year": 2022},
            **config,
            "base": {"model": "rcf", **config.get("base", {})},
        }
        (tmp_path / "study.yaml").write_text(json.dumps(config))
        return load_study(tmp_path / "study.yaml")

    return write


def tiles(study, profile):
    """Tiles that prep will cut."""
    own = profile.settings
    prep = next(n for n in profile.node.upstream() if n.stage == "prep")
    found = 0
    for roi in study.rois:
        grid, polygon = roi_grid(roi, own["scale_m"], own["context_m"], own["least_side_m"])
        found += cut(prep_settings(prep), grid, polygon.wkt)[1].count
    return found


@pytest.mark.parametrize("buffer_m, ratio", [(100, 1), (285, 2.3), (900, 1.1)])
def test_the_tiles_that_are_told_are_those_that_are_cut(study, buffer_m, ratio):
    asked = study(buffer_m, base={"output": "grid"})
    told = mosaic_cost(asked)
    assert told.shared == pytest.approx(tiles(asked, asked.profiles[0]), rel=0.15)
    own = study(buffer_m, base={"output": "grid", "lattice": "roi"})
    assert told.own == pytest.approx(tiles(own, own.profiles[0]), rel=0.15)
    assert told.shared / told.own == pytest.approx(ratio, rel=0.3)


@pytest.mark.parametrize("lattice", ["auto", "roi"])
@pytest.mark.parametrize("buffer_m", [100, 315, 900])
def test_a_job_asks_for_time_for_all_its_tiles(study, buffer_m, lattice):
    asked = study(buffer_m, base={"output": "grid", "lattice": lattice})
    infer = next(n for n in asked.profiles[0].node.upstream() if n.stage == "infer")
    assert sum(tiles_of(infer, s) for s in asked.shards) >= tiles(asked, asked.profiles[0])


def test_one_network_is_counted_once(study):
    one = mosaic_cost(study(300, base={"output": "grid"}))
    both = mosaic_cost(study(300, sweep=[{"output": ["grid", "pooled"], "pooling": "max"}]))
    assert both == one


def test_where_no_lattice_is_shared_nothing_is_told(study):
    assert mosaic_cost(study(300)) is None


@pytest.mark.parametrize("buffer_m, said", [(100, False), (285, True)])
def test_the_plan_says_it_where_it_costs_something(study, capsys, buffer_m, said):
    study(buffer_m, base={"output": "grid"})
    main(["plan", "study.yaml"])
    assert ("grids of neighbours join (lattice: shared)" in capsys.readouterr().out) is said
    main(["plan", "study.yaml", "--json"])
    assert json.loads(capsys.readouterr().out)["mosaic_tiles"]["own"] == 150
