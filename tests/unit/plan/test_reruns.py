"""What a change reruns: found from keys, and so right for each model."""

import pytest

from rsweep.models.registry import find_card
from rsweep.plan.profiles import knobs_of
from rsweep.plan.reruns import reruns
from rsweep.plan.table import CORE
from rsweep.stages.registry import STAGES

NAMES = list(STAGES)


@pytest.mark.parametrize("model", ["rcf", "thor", "galileo"])
def test_every_knob_has_an_answer_that_ends_with_the_last_stage(model):
    found = reruns(model)
    assert list(found) == list(knobs_of(find_card(model)))
    for stages in found.values():
        assert stages == tuple(NAMES[len(NAMES) - len(stages) :])


@pytest.mark.parametrize(
    "knob, first",
    [
        ("model", "fetch"),
        ("modality", "fetch"),
        ("scale_m", "fetch"),
        ("synthetic", "fetch"),
        ("orbit", "fetch"),
        ("composite", "composite"),
        ("mask_threshold", "composite"),
        ("normalization", "prep"),
        ("edge", "prep"),
        ("resample", "prep"),
        ("precision", "infer"),
        ("weights", "infer"),
        ("weights_sha256", "infer"),
        ("layer", "infer"),
        ("output", "stitch"),
        ("group_merge", "stitch"),
        ("blend", "stitch"),
    ],
)
def test_a_change_reruns_from_the_first_stage_whose_key_it_changes(knob, first):
    assert reruns("thor")[knob][0] == first


def test_what_a_model_leaves_unread_reruns_nothing():
    assert reruns("thor")["frames"] == ()  # it takes one
    assert reruns("galileo")["frames"][0] == "composite"
    assert reruns("rcf")["group_merge"] == ()  # it has one group
    assert reruns("rcf")["earthengine"] == ()  # an account changes no pixel


def test_a_knob_that_cannot_be_tried_without_data_is_taken_by_its_stage():
    assert reruns("rcf")["local"] == tuple(NAMES)
    assert CORE["local"].stage == NAMES[0]
