"""More tiles than max_tiles is said before anything is fetched."""

import pytest

from rsweep.core.errors import StudyError


def rois(folder, *rows):
    path = folder / "sizes.csv"
    path.write_text(
        "id,lon,lat,buffer_m\n" + "".join(f"r{i},8.7,50.5,{half}\n" for i, half in enumerate(rows))
    )
    return str(path)


def base(**own):
    return {"model": "rcf", "image_size": 32, **own}


def test_rois_that_are_too_large_are_counted(study, tmp_path):
    table = rois(tmp_path, 100, 10_000, 12_000)
    with pytest.raises(StudyError) as error:
        study(rois=table, base=base())
    (problem,) = error.value.problems
    assert str(problem).startswith(
        "study.yaml: base.max_tiles: is 1024, and 2 of 3 ROIs, r1 first, need more: that one "
        "3,969 tiles of 32 px"
    )


@pytest.mark.parametrize(
    "own",
    [
        {"max_tiles": 10_000},
        {"tile_size": 256, "image_size": 256},
        {"input_prep": "resize"},
        {"input_prep": "auto"},
        {"scale_m": 100},
    ],
    ids=str,
)
def test_what_the_message_advises_helps(study, tmp_path, own):
    assert study(rois=rois(tmp_path, 10_000), base=base(**own)).profiles


def test_a_few_may_fail(study, tmp_path):
    table = rois(tmp_path, *[100] * 9, 10_000)
    assert study(rois=table, base=base()).profiles
    with pytest.raises(StudyError):
        study(rois=table, base=base(), max_failed=0.05)


def test_a_long_narrow_roi_is_not_taken_for_a_square(study, tmp_path):
    path = tmp_path / "road.csv"
    path.write_text("id,minlon,minlat,maxlon,maxlat\nroad,8.0,50.500,9.0,50.501\n")
    assert study(rois=str(path), base=base()).profiles
