"""The study schema: in step with the tables, true to the studies, closed to misspellings."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from rsweep.core.knobs import Knob
from rsweep.plan.catalogue import cards, defaults
from rsweep.plan.schema import knob_schema, study_schema
from rsweep.plan.table import CORE

ROOT = Path(__file__).parents[3]
STUDIES = [ROOT / "config/config.yaml", *sorted((ROOT / "config/studies").glob("*.yaml"))]
SCHEMA = study_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def plain(value):
    """As an editor reads YAML: dates are strings."""
    return json.loads(json.dumps(value, default=str))


def study(**sections):
    return {"study": "s", "rois": "rois.csv", **sections}


def refused(value):
    return [error.json_path for error in VALIDATOR.iter_errors(plain(value))]


def test_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_committed_file_is_in_step():
    committed = json.loads((ROOT / "config/study.schema.json").read_text())
    assert committed == plain(SCHEMA), "run: rsweep schema > config/study.schema.json"


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_studies_validate_and_name_the_schema(path):
    assert refused(yaml.safe_load(path.read_text())) == []
    first = path.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    named = path.parent / first.partition("$schema=")[2]
    assert named.resolve() == ROOT / "config/study.schema.json"


@pytest.mark.parametrize(
    "wrong",
    [
        study(basis={}),
        study(base={"imagesize": 64}),
        study(base={"image_size": "large"}),
        study(base={"image_size": 0}),
        study(base={"image_size": [32, 64]}),
        study(base={"model": "thorr"}),
        study(base={"composite": "medain"}),
        study(base={"local": {"folder": "x"}}),
        study(base={"temporal": {"year": 2022, "start": "2022-01-01"}}),
        study(sweep=[{"image_sizes": [32]}]),
        study(sweep=[{"image_size": [32, "x"]}]),
        study(sweep=[{"model": "thor", "variant": ["huge"]}]),
        study(sweep=[{"model": "galileo", "patch_size": [8, 9]}]),
        study(profiles={"cheap": {"scale": 20}}),
        study(evaluate={"probes": ["knn"]}),
        study(evaluate={"label": "x", "probes": ["svm"]}),
        study(retain={"stitch": "temp"}),
        {"study": "s"},
    ],
    ids=repr,
)
def test_misspelt_is_refused(wrong):
    assert refused(wrong)


@pytest.mark.parametrize(
    "right",
    [
        study(base={"bands": "B4,B3,B2", "frames": "auto", "tile_size": None, "layer": -2}),
        study(base={"temporal": {"year": 2022}, "collection": ["a", "b"]}),
        study(sweep={"bands": ["B4,B3,B2", ["B8", "B4"]], "frames": ["auto", 4]}),
        study(sweep=[{"model": ["rcf", "thor"], "weights": "random", "tile_size": [None, 64]}]),
        study(sweep=[{"model": "anysat", "features": ["patch", "dense"]}]),
        study(sweep=[{"model": "rcf", "features": [64, 512]}]),
        study(profiles={"base": None, "cheap": {"scale_m": 20.5}}),
        study(evaluate={"label": "x", "probes": "knn"}, retain={"infer": "temp"}),
    ],
    ids=repr,
)
def test_what_runs_is_accepted(right):
    assert refused(right) == []


@pytest.mark.parametrize("card", cards(), ids=lambda card: card.id)
def test_every_default_of_every_model_is_accepted(card):
    settings = {k: v for k, v in defaults(card).items() if v is not None}
    assert refused(study(base=settings)) == []
    assert refused(study(sweep=[settings])) == []


def test_every_knob_is_described():
    for name in CORE:
        assert SCHEMA["$defs"][name]["description"].strip()
        assert name in SCHEMA["$defs"]["block"]["properties"]


def test_knob_becomes_schema():
    knob = Knob("n", "infer", "int", 3, "how many", minimum=1, maximum=9, unit="px")
    assert knob_schema(knob) == {
        "description": "how many (px)",
        "type": "integer",
        "minimum": 1,
        "maximum": 9,
        "default": 3,
    }
