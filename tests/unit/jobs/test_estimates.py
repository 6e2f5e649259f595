"""Memory that jobs ask for follows the work."""

from pathlib import Path

import pytest

from rsweep.plan.workflow import Plan

STAGES = ("fetch", "composite", "prep", "infer", "stitch")


@pytest.fixture
def asked(tmp_path: Path):
    """Stage -> MB of a job, for a ROI of so many metres and knobs."""

    def ask(half_m: int, attempt: int = 1, **own) -> dict[str, int]:
        rois = tmp_path / f"{half_m}.csv"
        rois.write_text(f"id,lon,lat,buffer_m\na,8.7,50.5,{half_m}\n")
        base = {
            "model": "galileo",
            "weights": "random",
            "variant": "nano",
            "frames": 12,
            "frame_policy": "month",
            "image_size": 64,
            "patch_size": 8,
            "max_tiles": 10**6,
            "output": "grid",
            **own,
        }
        plan = Plan(
            {
                "study": "s",
                "rois": str(rois),
                "results": str(tmp_path / "results"),
                "temporal": {"year": 2022},
                "base": base,
            }
        )
        return {
            node.stage: plan.memory_mb(key, attempt, next(iter(plan.shards)))
            for key, node in plan.nodes.items()
        }

    return ask


def test_small_rois_ask_for_what_their_stages_say(asked):
    small = asked(500)
    assert small == asked(1000)
    assert all(1000 <= small[stage] <= 4000 for stage in STAGES)
    assert asked(500, attempt=2) == {stage: 2 * mb for stage, mb in small.items()}


def test_a_large_roi_asks_for_more_and_20_km_stays_under_2_gb(asked):
    large, larger = asked(10_000), asked(40_000)
    assert all(large[stage] <= 2000 for stage in ("fetch", "composite", "prep", "stitch"))
    for stage in ("fetch", "composite", "stitch"):
        assert larger[stage] > large[stage], stage
    assert larger["prep"] == large["prep"]  # which holds a row of tiles


def test_frames_do_not_multiply_what_composite_holds(asked):
    few, many = asked(40_000, frames=2)["composite"], asked(40_000, frames=12)["composite"]
    assert many < 1.5 * few


def test_wide_tokens_on_small_patches_ask_for_more(asked):
    wide = asked(40_000, variant="base", patch_size=4)["stitch"]
    assert wide > 4 * asked(40_000)["stitch"]
