"""What a model was trained on, and the lines that say where a profile leaves it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from rsweep.cli import main
from rsweep.core.sensors import SENSORS
from rsweep.models.envelope import Envelope, departures
from rsweep.models.registry import find_card
from rsweep.plan.catalogue import cards
from rsweep.plan.departures import profile_departures
from rsweep.plan.nodes import build_nodes
from rsweep.plan.profiles import resolve
from rsweep.report import summary
from rsweep.sources.levels import LEVELS
from rsweep.sources.registry import find_provider

TRAINED = Envelope(
    source="a paper",
    levels={"s2": ("L1C",), "s1": ()},
    pixel_m={"s2": (10, 10)},
    image_px=(None, 96),
    image_m=(320, None),
    patch_px=(2, 8),
    frames=(3, 12),
    window_days=(90, 366),
    normalizations=("own",),
)
INSIDE = {
    "image_size": 96,
    "patch_size": 8,
    "scale_m": 10.0,
    "tile_size": None,
    "input_prep": "tile",
    "temporal": {"start": "2022-01-01", "end": "2023-01-01"},
    "normalization": "own",
}


def lines(envelope=TRAINED, levels=None, frames=3, **changed):
    levels = {"s2": "L1C"} if levels is None else levels
    found = departures({**INSIDE, **changed}, envelope, levels, frames)
    return [f"{knob} {what}" for knob, what in found]


def test_inside_says_nothing_and_its_ends_are_inside():
    assert lines() == lines(frames=12) == lines(image_size=32, patch_size=2) == []


def test_what_is_not_known_says_nothing():
    wild = {"image_size": 4096, "scale_m": 500.0, "patch_size": 64, "normalization": "other"}
    assert lines(Envelope(), {"s2": "L2A"}, 99, **wild) == []
    assert lines(levels={"s2": ""}) == lines(levels={"s1": "RTC"}) == lines(frames=None) == []
    assert lines(temporal=None) == []


@pytest.mark.parametrize(
    "changed, line",
    [
        ({"image_size": 256}, "image_size 256: trained on at most 96 px"),
        ({"patch_size": 1}, "patch_size 1: trained on 2 to 8 px"),
        ({"scale_m": 20.0}, "scale_m 20 m per pixel of s2: trained on 10 m"),
        ({"tile_size": 48}, "tile_size 5 m per pixel of s2: trained on 10 m"),
        ({"image_size": 16}, "image_size 160 m on the ground: trained on at least 320 m"),
        ({"frames": 2}, "frames 2: trained on 3 to 12 frames"),
        ({"frames": 13}, "frames 13: trained on 3 to 12 frames"),
        (
            {"temporal": {"start": "2022-01-01", "end": "2022-01-31"}},
            "temporal 30 days: trained on 90 to 366 days",
        ),
        ({"normalization": "raw"}, "normalization raw: trained with own"),
        ({"levels": {"s2": "L2A"}}, "collection s2 L2A: trained on L1C"),
        ({"levels": {"modis": ""}}, "modality modis: trained on s2, s1"),
    ],
)
def test_each_knob_that_leaves_is_a_line(changed, line):
    assert line in lines(**changed)


def test_a_roi_resized_as_a_whole_has_no_pixel_of_its_own():
    assert lines(scale_m=20.0, input_prep="resize") == []


def test_frames_auto_are_those_of_the_window():
    settings, errors = resolve(
        {"model": "galileo", "temporal": {"start": "2022-01-01", "end": "2022-03-05"}}, {}
    )
    assert not errors
    assert "frames 2: trained on 3 to 12 frames" in profile_departures(settings)


def test_cards_name_their_own_normalisations_and_say_where_it_is_from():
    for card in cards():
        told = card.envelope
        assert set(told.normalizations) <= set(card.normalizations), card.id
        assert told == Envelope() or told.source, card.id
        for limits in (
            told.image_px,
            told.image_m,
            told.patch_px,
            told.frames,
            told.window_days,
            *told.pixel_m.values(),
        ):
            assert limits is None or None in limits or limits[0] <= limits[1], card.id


def test_levels_are_of_collections_that_there_are():
    served = {
        name
        for provider in ("synthetic", "stac", "earthengine")
        for sensor in SENSORS
        for name in find_provider(provider).collections.get(sensor, ())
    }
    assert set(LEVELS) <= served


def test_the_envelope_is_in_no_key(monkeypatch):
    settings, _ = resolve({"model": "galileo", "weights": "random"}, {})
    settings["temporal"] = {"start": "2022-01-01", "end": "2022-06-01"}
    before = build_nodes(settings).key
    other = replace(find_card("galileo"), envelope=TRAINED)
    monkeypatch.setattr("rsweep.plan.nodes.find_card", lambda model: other)
    assert build_nodes(settings).key == before


def test_validate_says_each_departure_once_with_its_profiles(tmp_path, capsys):
    study = tmp_path / "study.yaml"
    study.write_text(
        "study: t\nrois: config/rois/demo.csv\n"
        "temporal: {start: 2022-03-01, end: 2022-09-01}\n"
        "base: {provider: synthetic, model: galileo, weights: random, variant: nano}\n"
        "sweep: [{image_size: [64, 128, 256], frames: 3}]\n"
    )
    assert main(["validate", str(study)]) == 0
    said = capsys.readouterr().out
    assert said.count("outside training: ") == 3
    assert "galileo, image_size 256: trained on at most 96 px (image_size-256)" in said
    assert "galileo, collection s2 L2A: trained on L1C (3 profiles, " in said


def test_a_run_says_some_departures_and_where_the_others_are(monkeypatch):
    plan = SimpleNamespace(study=SimpleNamespace(profiles=[]))
    for count, told in ((0, 0), (8, 8), (11, 9)):
        found = [f"model, knob {i}" for i in range(count)]
        monkeypatch.setattr(summary, "departure_lines", lambda profiles, found=found: found)
        said = summary._outside(plan)
        assert len(said) == told
        assert said[:1] == (["outside training: model, knob 0"] if count else [])
        assert ("and 3 more" in "".join(said)) == (count == 11)
