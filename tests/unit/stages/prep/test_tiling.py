"""What is read around a ROI follows from the study's tiles, and profiles agree on it."""

from __future__ import annotations

from typing import Any

import pytest

from rsweep.models.registry import find_card
from rsweep.plan.profiles import resolve
from rsweep.plan.sweep import expand
from rsweep.stages.prep.geometry import Span, Tiling, tile_lattice
from rsweep.stages.prep.tiling import (
    needed_surroundings,
    settle_lattices,
    settle_surroundings,
    start_step,
    tile_align,
    tile_snap,
    why_not_shared,
)

WINDOW = {"start": "2022-06-01", "end": "2022-09-01"}


def resolved(**own: Any) -> dict[str, Any]:
    settings, errors = resolve({"temporal": WINDOW, "weights": "random", **own}, {})
    assert not errors, errors
    return settings


def fetches(*blocks: dict[str, Any], **base: Any) -> list[Any]:
    config = {"base": {"temporal": WINDOW, "weights": "random", **base}, "sweep": list(blocks)}
    problems: list[Any] = []
    profiles, _ = expand(config, "study", False, problems)
    assert not problems
    return [next(n for n in p.node.upstream() if n.stage == "fetch") for p in profiles]


def test_models_of_other_tiles_share_what_is_fetched():
    small, large = fetches({"model": "rcf"}, {"model": "thor", "variant": "tiny"})
    assert small.key == large.key
    assert small.settings["least_side_m"] == 10 * (288 + 4)
    (alone,) = fetches({"model": "rcf"})
    assert alone.settings["least_side_m"] == 10 * (64 + 12)


def test_profiles_at_another_scale_read_what_their_own_tiles_need():
    fine, coarse = fetches({"model": "rcf", "scale_m": [10, 20]})
    assert (fine.settings["least_side_m"], coarse.settings["least_side_m"]) == (760, 1400)


def test_numbers_of_the_study_are_kept_whatever_else_is_swept():
    blocks = ({"model": "rcf"}, {"model": "thor", "variant": "tiny"})
    for node in fetches(*blocks, context_m=160):
        assert (node.settings["context_m"], node.settings["least_side_m"]) == (160, 0)
    for node in fetches(*blocks, context_m=0, least_side_m=3000):
        assert (node.settings["context_m"], node.settings["least_side_m"]) == (0, 3000)


def test_a_study_without_tiles_reads_nothing_around():
    (node,) = fetches({"model": "rcf", "input_prep": "resize"})
    assert (node.settings["context_m"], node.settings["least_side_m"]) == (0, 0)


def test_settling_again_changes_nothing():
    once = settle_surroundings([resolved(model="rcf"), resolved(model="galileo")])
    assert settle_surroundings(once) == once


def settled(*owns: dict[str, Any]) -> list[str]:
    return [one["lattice"] for one in settle_lattices([resolved(**own) for own in owns])]


def test_a_model_with_a_grid_has_a_shared_lattice_and_others_keep_their_own():
    """Of one model all profiles: pooled and grid share inference, and differ in nothing else."""
    found = settled(
        {"model": "rcf"},
        {"model": "rcf", "image_size": 32, "output": "grid"},
        {"model": "rcf", "input_prep": "resize"},
        {"model": "galileo"},
    )
    assert found == ["shared", "shared", "shared", "roi"]
    assert settled({"model": "rcf"}, {"model": "galileo"}) == ["roi", "roi"]


def test_a_grid_of_resized_rois_makes_no_lattice_shared():
    own = {"model": "rcf", "input_prep": "resize", "output": "grid"}
    assert settled(own, {"model": "rcf"}) == ["roi", "roi"]


def test_pixels_that_do_not_nest_have_a_lattice_of_their_own():
    grid = {"model": "rcf", "output": "grid"}
    assert settled(grid | {"scale_m": 7}, grid) == ["roi", "shared"]


def test_where_nothing_is_read_around_rois_tiles_stay_on_them():
    grid = {"model": "rcf", "output": "grid"}
    assert settled(grid | {"context_m": 0}, {"model": "galileo"}) == ["roi", "roi"]
    assert settled(grid | {"context_m": 0, "least_side_m": 900}) == ["shared"]


def test_images_that_are_rois_have_pixels_of_their_own():
    chips = resolved(model="rcf", output="grid") | {"provider": "chips"}
    assert [one["lattice"] for one in settle_lattices([chips])] == ["roi"]
    assert why_not_shared(chips) == "chips has each image on pixels of its own"


def test_a_lattice_that_a_study_names_is_kept():
    grid = {"model": "rcf", "output": "grid"}
    assert settled(grid | {"lattice": "roi"}, {"model": "rcf", "lattice": "shared"}) == [
        "roi",
        "shared",
    ]


@pytest.mark.parametrize("patches", [(4, 8), (1, 2)])
def test_patch_sizes_share_tiles(patches):
    card = find_card("galileo")
    snaps = {tile_snap(resolved(model="galileo", patch_size=p), card) for p in patches}
    assert snaps == {32}


@pytest.mark.parametrize(
    "bands, scale, pixels",
    [
        ("B4,B3", 10, 1),
        ("B4,B5", 10, 2),
        ("B4,B5", 20, 1),
        ("B4,B1", 10, 6),
        ("B4,B5", 15, 1),
    ],
)
def test_tiles_start_on_the_coarsest_native_pixel(bands, scale, pixels):
    settings = resolved(model="rcf", bands=bands, scale_m=scale)
    assert tile_align(settings, find_card("rcf")) == pixels


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"patch_size": 4},
        {"image_size": 96, "tile_overlap": 16},
        {"bands": "B4,B5,B1,B9", "normalization": "unit", "image_size": 96, "patch_size": 4},
    ],
)
@pytest.mark.parametrize("lattice", ["roi", "shared"])
def test_no_tile_of_thor_straddles_a_native_pixel(own, lattice):
    """Wherever a ROI lies, all its tiles start at a multiple of the network's own averaging."""
    settings = resolved(model="thor", variant="tiny", lattice=lattice, **own)
    card = find_card("thor")
    ratio = max(g.patch_px for g in card.groups(settings)) // settings["patch_size"]
    size, stride = settings["image_size"], settings["image_size"] - settings["tile_overlap"]
    tiling = Tiling(size, stride, tile_snap(settings, card), start_step(settings, card))
    for first in range(40, 80):
        for length in (31, 90, 150, 287, 299, 411):
            tiles = tile_lattice(
                Span(first, first, first + length, first + length), tiling, 900, 900
            )
            assert all(start % ratio == 0 for start in tiles.tops)
    assert needed_surroundings(settings)[1] >= 10 * size
