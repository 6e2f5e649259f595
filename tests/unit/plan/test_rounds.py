"""A race in a study file, and which files its rounds leave a study in need of."""

import json
from dataclasses import asdict

import pytest
from test_study import problems

from rsweep.core.errors import RsweepError
from rsweep.plan.planning import find_plan, read_plan
from rsweep.plan.race import Race
from rsweep.plan.rounds import (
    Round,
    Stopped,
    finished,
    left_after,
    only,
    out_of_race,
    round_file,
    rounds_so_far,
    wanted_shards,
)

RACE = {"design": "race", "parts": [0.3, 0.6]}
PROFILES = {"small": {"image_size": 32}, "large": {"image_size": 64}, "other": {"scale_m": 20}}


@pytest.fixture
def table(tmp_path):
    """Twelve labelled places, each a shard of its own."""
    rows = "".join(f"r{i},{8.6 + 0.01 * i},50.5,90,{'ab'[i % 2]}\n" for i in range(12))
    (tmp_path / "labelled.csv").write_text("id,lon,lat,buffer_m,crop\n" + rows)
    return {
        "rois": str(tmp_path / "labelled.csv"),
        "shard_size": 1,
        "profiles": PROFILES,
        "base": {"model": "rcf"},
        "evaluate": {"label": "crop"},
    }


def decide(study, number, shards, going, *stopped):
    path = round_file(study, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    out = [Stopped(name, going[0], 0.5, 0.3, 0.2, 0.4) for name in stopped]
    names = [shard.name for shard in study.shards[:shards]]
    found = Round(number, names, shards, shards, 12.0, 0.975, 0.01, list(going), out, 5.0, 15.0)
    path.write_text(json.dumps(asdict(found)))
    return found


def test_a_race_is_read_with_its_defaults(study, table):
    assert study(**table, sweep={"design": "race"}).race == Race((0.25, 0.5), 0.95)
    assert study(**table, sweep={**RACE, "confidence": "0.9"}).race == Race((0.3, 0.6), 0.9)
    assert study(**table, sweep={**RACE, "parts": 0.5}).race == Race((0.5,), 0.95)
    assert study(**table).race is None


def test_blocks_of_a_design_are_those_of_a_list(study, table):
    del table["profiles"]
    blocks = [{"image_size": [32, 64], "input_prep": ["resize", "tile"]}]
    plain = study(**table, sweep=blocks)
    for design in ("race", "grid"):
        found = study(**table, sweep={"design": design, "blocks": blocks})
        assert [p.node.key for p in found.profiles] == [p.node.key for p in plain.profiles]
        assert [p.name for p in found.profiles] == [p.name for p in plain.profiles]
    assert len(study(**table, sweep={"design": "grid", "blocks": blocks[0]}).profiles) == 4


@pytest.mark.parametrize(
    ("wrong", "where", "what"),
    [
        ({"design": "rce"}, "sweep.design", "did you mean 'race'?"),
        ({**RACE, "part": 1}, "sweep.part", "did you mean 'parts'?"),
        ({**RACE, "parts": [0.5, 0.25]}, "sweep.parts", "rising shares below 1"),
        ({**RACE, "parts": [0.5, 1.0]}, "sweep.parts", "0.01 to 0.99"),
        ({**RACE, "parts": []}, "sweep.parts", "rising shares below 1"),
        ({**RACE, "confidence": 1}, "sweep.confidence", "0.5 to 0.999"),
        ({**RACE, "blocks": [{"image_siz": 32}]}, "sweep.blocks[0].image_siz", "is not a knob"),
    ],
)
def test_what_is_wrong_with_a_design_is_named(study, table, wrong, where, what):
    (found,) = problems(study, **table, sweep=wrong)
    assert f"{where}: " in found
    assert what in found


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"evaluate": {}}, "needs an evaluate section"),
        ({"profiles": {"small": {"image_size": 32}}}, "has 1 profile"),
        ({"shard_size": 1000}, "3 rounds need as many shards"),
    ],
)
def test_what_a_race_lacks_is_named(study, table, change, what):
    (found,) = problems(study, **{**table, **change}, sweep=RACE)
    assert "sweep.design: is race" in found
    assert what in found


def test_a_plan_keeps_the_race(table, tmp_path):
    config = {
        **table,
        "study": "s",
        "results": str(tmp_path / "results"),
        "sweep": RACE,
        "temporal": {"year": 2022},
    }
    assert read_plan(find_plan(config))[0].race == Race((0.3, 0.6), 0.95)


def test_what_rounds_have_decided(study, table, tmp_path):
    made = study(**table, sweep=RACE, results=str(tmp_path / "r"))
    everywhere = {shard.name for shard in made.shards}
    assert len(everywhere) == 12
    assert rounds_so_far(made) == []
    assert all(shards == everywhere for shards in wanted_shards(made).values())
    with pytest.raises(RsweepError, match=r"round-2\.json is not there"):
        finished(made)

    first = decide(made, 1, 4, ["small", "large"], "other")
    assert rounds_so_far(made) == [first]
    assert left_after(made, 0) is made
    assert [p.name for p in left_after(made, 1).profiles] == ["small", "large"]
    decide(made, 2, 8, ["small"], "large")
    assert [p.name for p in finished(made).profiles] == ["small"]
    assert [(p.name, r.number) for p, _, r in out_of_race(made)] == [("other", 1), ("large", 2)]


def test_a_node_is_needed_as_far_as_any_of_its_profiles_came(study, table, tmp_path):
    made = study(**table, sweep=RACE, results=str(tmp_path / "r"))
    decide(made, 1, 4, ["small", "large"], "other")
    decide(made, 2, 8, ["small"], "large")
    wanted, of = wanted_shards(made), {p.name: p.node for p in made.profiles}
    assert [len(wanted[of[name].key]) for name in ("other", "large", "small")] == [4, 8, 12]
    shared = [n.key for n in of["large"].upstream() if n.key in only(made, ["small"]).nodes()]
    assert shared
    assert {len(wanted[key]) for key in shared} == {12}


def test_a_study_that_does_not_race_needs_everything(study, table):
    made = study(**table)
    assert finished(made) is made
    assert {len(shards) for shards in wanted_shards(made).values()} == {12}
