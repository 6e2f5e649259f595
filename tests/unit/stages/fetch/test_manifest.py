"""A lock's fetch entries, packed and given back."""

import json

from hypothesis import given
from hypothesis import strategies as st

from rsweep.stages.fetch.manifest import pack, unpack

SCENES = st.lists(
    st.fixed_dictionaries({"id": st.sampled_from("abcd"), "gain": st.just(1.0)}), max_size=4
)
GOOD = st.fixed_dictionaries(
    {
        "error": st.none(),
        "bands": st.just(["B4"]),
        "scenes": SCENES,
        "sha256": st.text(max_size=3),
    }
)
FAILED = st.fixed_dictionaries({"error": st.text(min_size=1, max_size=3)})
ENTRIES = st.dictionaries(st.text(max_size=3), st.one_of(GOOD, FAILED), max_size=5)


@given(ENTRIES)
def test_what_is_packed_is_given_back(entries):
    packed = json.loads(json.dumps(pack(entries)))
    assert unpack(packed) == entries


def test_scenes_and_what_all_share_are_said_once():
    one = {"error": None, "bands": ["B4"], "scenes": [{"id": "a"}, {"id": "b"}], "sha256": "x"}
    packed = pack({"r1": one, "r2": {**one, "sha256": "y"}})
    assert packed["scenes"] == [{"id": "a"}, {"id": "b"}]
    assert packed["common"] == {"error": None, "bands": ["B4"]}
    assert packed["rois"]["r2"] == {"scenes": [0, 1], "sha256": "y"}


def test_a_lock_that_packed_nothing_is_given_as_it_is():
    rois = {"r1": {"error": None, "scenes": [{"id": "a"}]}}
    assert unpack({"settings": {}, "rois": rois}) == rois
