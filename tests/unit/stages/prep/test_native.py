"""`input_prep: native`: a ROI's own pixels in one pass, by whole patches, within limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stagebench import FakeSource, noise, place, scenes

from rsweep.models.registry import families, find_card
from rsweep.plan.profiles import resolve
from rsweep.sources.protocol import Pixels
from rsweep.stages.prep.format import blocks
from rsweep.stages.prep.geometry import Span, native_lattice
from rsweep.stages.prep.tiling import native_limit

WINDOW = {"start": "2022-06-01", "end": "2022-07-01"}
RCF = {"patch_size": 8, "features": 8, "bands": "B4"}
SMALL = {
    "rcf": RCF,
    "dofa": {"patch_size": 8},
    "galileo": {"variant": "nano", "frames": 1},
    "thor": {"variant": "tiny", "patch_size": 4},
    "timm:vit_tiny_patch16_224": {},
}


@pytest.fixture
def source(bench):
    return bench.use(FakeSource(scenes("06-05"), lambda s, g: Pixels(noise(s, g))))


@given(
    st.floats(50, 90),
    st.floats(50, 90),
    st.floats(1, 300),
    st.floats(1, 300),
    st.sampled_from([1, 8, 14, 96]),
    st.sampled_from([1, 2, 6]),
)
def test_a_native_tile_is_whole_patches_around_the_roi(top, left, height, width, step, align):
    span = Span(top, left, top + height, left + width)
    tile = native_lattice(span, step, align, 900, 900)
    assert tile.count == 1
    assert tile.size % step == 0
    (first_row, first_col), size = tile.starts()[0], tile.size
    assert first_row % align == first_col % align == 0
    assert first_row <= top + 1e-6
    assert first_row + size >= top + height - 1e-6
    assert first_col <= left + 1e-6
    assert first_col + size >= left + width - 1e-6
    assert size < max(height, width) + 2 + align + step  # no patch in vain


@pytest.mark.parametrize("model", SMALL)
def test_native_is_what_a_tile_of_that_size_gives(bench, model):
    """Same pixels, same network, whatever side the ROI has: against a tile of exactly that side."""
    own = {"model": model, "output": "grid", "synthetic": {"cloudiness": 0}, **SMALL[model]}
    if model != "rcf":
        own["weights"] = "random"
    rois = [place("a", 250), place("b", 420)]
    native, _ = bench.run(rois, input_prep="native", **own)
    sides = [roi["side"] for roi in bench.rois(native)]
    assert len(set(sides)) == 2
    for index, side in enumerate(sides):
        tiled, _ = bench.run(rois, input_prep="tile", image_size=side, **own)
        assert bench.rois(tiled)[index]["tiles"] == 1
        with bench.open(native) as a, bench.open(tiled) as b:
            for name in ("grid", "valid_share", "real_share"):
                one, other = a[f"{index}/{name}"][()], b[f"{index}/{name}"][()]
                np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_rois_of_one_side_are_in_one_block(bench, source):
    rois = [place("a", 100), place("b", 250), place("c", 104)]
    node, _ = bench.run(rois, "infer", input_prep="native", **RCF)
    sides = [roi["side"] for roi in bench.rois(node.inputs["tiles"])]
    assert sides[0] == sides[2] < sides[1]
    with bench.open(node.inputs["tiles"]) as file:
        assert {side: list(b.roi) for side, b in blocks(file).items()} == {
            sides[0]: [0, 2],
            sides[1]: [1],
        }
        assert all(b.sensors["s2"].pixels.shape[-1] == side for side, b in blocks(file).items())


def test_every_pixel_of_a_native_input_is_real(bench):
    own = {"input_prep": "native", "cloud_mask": "none", "synthetic": {"cloudiness": 0}, **RCF}
    node, _ = bench.run([place("a", 93), place("b", 251)], context_m=None, **own)
    assert [roi["real_share"] for roi in bench.rois(node)] == [1, 1]


@pytest.mark.parametrize(
    "limit, what",
    [
        ({"native_max_px": 40}, "takes 56 px in one piece, more than native_max_px 40"),
        ({"native_max_tokens": 48}, "takes 49 tokens in one piece, more than native_max_tokens 48"),
    ],
)
def test_above_a_limit_is_an_error_or_tiled_as_the_study_says(bench, source, limit, what):
    rois, own = [place("small", 100), place("large", 250)], {"input_prep": "native", **RCF, **limit}
    refused, _ = bench.run(rois, **own)
    small, large = bench.rois(refused)
    assert (small["error"], small["mode"]) == (None, "native")
    assert what in large["error"]
    tiled, _ = bench.run(rois, native_above="tile", image_size=16, **own)
    assert [(r["mode"], r["tiles"]) for r in bench.rois(tiled)] == [("native", 1), ("tile", 16)]


@pytest.mark.parametrize("family", [f for f in families() if f != "timm"])
def test_every_network_whose_size_is_free_takes_native(family):
    card = find_card(family)
    settings, errors = resolve({"model": family, "temporal": WINDOW}, {})
    if errors:
        pytest.skip(f"its defaults need a source: {errors[0]}")
    limit = native_limit(settings, card)
    if card.allowed.get("image_size"):
        assert limit == 0
    else:
        assert 64 <= limit <= settings["native_max_px"]
        assert not card.check({**settings, "image_size": limit})


def test_a_network_of_one_size_refuses_native():
    own: dict[str, Any] = {"model": "timm:mixer_b16_224", "temporal": WINDOW, "weights": "random"}
    _, errors = resolve({**own, "input_prep": "native"}, {})
    assert "timm:mixer_b16_224 takes inputs of one size only" in dict(errors)["input_prep"]


@pytest.mark.parametrize("above", ["error", "tile"])
def test_the_memory_of_every_stage_is_known_for_native(above):
    from rsweep.core.shards import Shard
    from rsweep.plan.estimates import memory_mb, seconds_of
    from rsweep.plan.nodes import build_nodes

    own = {"model": "rcf", "temporal": WINDOW, "input_prep": "native", "native_above": above}
    settings, errors = resolve(own, {})
    assert not errors
    shard = Shard("s", (place("a", 400),))
    for node in build_nodes(settings).upstream():
        assert memory_mb(node, [shard], 1) > 0
        assert seconds_of(node, shard, 2, 0) > 0
