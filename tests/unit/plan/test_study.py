"""Studies: what they become, and everything wrong with one at once."""

import pytest

from rsweep.core.errors import StudyError
from rsweep.core.knobs import Problem
from rsweep.plan.study import load_study


def problems(make, **sections) -> list[str]:
    with pytest.raises(StudyError) as error:
        make(**sections)
    return [str(problem) for problem in error.value.problems]


def names(study) -> list[str]:
    return [profile.name for profile in study.profiles]


class TestProfiles:
    def test_the_base_alone(self, study):
        found = study(base={"model": "rcf"})
        assert names(found) == ["base"]
        settings = found.profiles[0].settings
        assert (settings["image_size"], settings["scale_m"], settings["frames"]) == (64, 10.0, 1)

    def test_blocks_multiply_out_and_are_named_by_what_varies(self, study):
        found = study(
            sweep=[
                {"model": "rcf", "image_size": [32, 64], "input_prep": ["resize", "tile"]},
                {"model": "thor", "weights": "random", "variant": ["tiny"], "image_size": 96},
            ],
            profiles={"cheap": {"model": "rcf", "scale_m": 20}},
        )
        assert names(found) == [
            "rcf_image_size-32_resize",
            "rcf_image_size-32_tile",
            "rcf_image_size-64_resize",
            "rcf_image_size-64_tile",
            "thor_random_tiny_image_size-96",
            "cheap",
        ]

    def test_one_block_need_not_be_a_list(self, study):
        assert len(study(sweep={"image_size": [32, 64]}).profiles) == 2

    def test_a_list_of_bands_is_one_value_and_lists_of_lists_are_swept(self, study):
        found = study(base={"bands": ["B4", "B3"]}, sweep=[{"bands": [["B2"], "B8,B4", None]}])
        assert [p.settings["bands"] for p in found.profiles] == [["B2"], ["B8", "B4"], None]

    def test_one_profile_per_stitch_key_under_the_name_that_was_given(self, study):
        found = study(
            sweep=[{"image_size": [64, "64", 32]}], profiles={"mine": {"image_size": 64.0}}
        )
        assert names(found) == ["mine", "image_size-32"]

    def test_names_that_meet_are_told_apart(self, study):
        found = study(profiles={"a b": {"image_size": 32}, "a-b": {"image_size": 64}})
        assert len(set(names(found))) == 2
        same = study(sweep=[{"local": [{"path": "a"}, {"path": "b"}], "image_size": 32}])
        assert len(same.profiles) == 1

    def test_unset_takes_the_models_default_and_null_unsets_the_base(self, study):
        found = study(
            base={"image_size": 32},
            profiles={"a": {}, "b": {"image_size": None}, "c": {"model": None}, "d": None},
        )
        assert [p.settings["image_size"] for p in found.profiles] == [32, 64]

    def test_a_base_knob_that_a_model_lacks_is_left_out(self, study):
        found = study(
            base={"kernel_size": 5, "weights": "random", "image_size": 96},
            sweep=[{"model": ["rcf", "thor"]}],
        )
        rcf, thor = (p.settings for p in found.profiles)
        assert (rcf["kernel_size"], rcf["weights"]) == (5, "none")
        assert ("kernel_size" in thor, thor["weights"]) == (False, "random")

    def test_year_and_base_temporal(self, study):
        found = study(temporal={"year": "2022"}, base={})
        assert found.profiles[0].settings["temporal"] == {
            "start": "2022-01-01",
            "end": "2023-01-01",
        }
        found = study(base={"temporal": {"year": 2021}})
        assert found.profiles[0].settings["temporal"]["start"] == "2021-01-01"

    def test_windows_of_rois_stand_in_for_the_studys(self, study, tmp_path):
        rows = "id,lon,lat,buffer_m,start,end\na,8,50,100,2021-01-01,2021-02-01\nb,8,50,100,{}\n"
        (tmp_path / "rois.csv").write_text(rows.format("2021-01-01,2021-02-01"))
        assert study(temporal=None).profiles
        (tmp_path / "rois.csv").write_text(rows.format(","))
        (text,) = problems(study, temporal=None)
        assert text.endswith(
            "temporal: is missing, and 1 of 2 ROIs, b first, have no start and end of their own"
        )


class TestProblems:
    def test_all_at_once_with_place_value_and_what_would_be_right(self, study, tmp_path):
        (tmp_path / "rois.csv").write_text("id,lon,lat,buffer_m\na,8,91,100\n")
        found = problems(
            study,
            basis={},
            scale_m=20,
            on_invalid="ignore",
            study="a/b",
            base={
                "compositee": "mean",
                "composite": "medain",
                "image_size": [32, 64],
                "frames": 1.5,
            },
            sweep=[
                {"model": "thorr"},
                {"patchsize": 8},
                "x",
                {"image_size": []},
                {
                    "model": "thor",
                    "weights": "random",
                    "variant": ["tiny", "huge"],
                    "image_size": 96,
                },
            ],
            profiles={"p": {"edge": "mirror"}, "q": 3},
            retain={"stitch": "temp", "infer": "tmp"},
            evaluate={"label": "none"},
        )
        expected = [
            "study.yaml: basis: is not part of a study; did you mean 'base'?",
            "study.yaml: scale_m: is a knob, which belongs under base",
            "study.yaml: on_invalid: is 'ignore'; allowed: error, skip",
            "study.yaml: study: is 'a/b'; it names a folder",
            "line 2: latitude is 91",
            "study.yaml: base.compositee: is not a knob; did you mean 'composite'?",
            "study.yaml: base.composite: is 'medain'; allowed: median, mean, mosaic, least_cloudy",
            "study.yaml: base.image_size: is a list; lists belong under sweep",
            "study.yaml: base.frames: is 1.5; expected a whole number",
            "study.yaml: sweep[0].model: is 'thorr'; models: ",
            "study.yaml: sweep[1].patchsize: is not a knob; did you mean 'patch_size'?",
            "study.yaml: sweep[2]: is 'x'; expected a mapping",
            "study.yaml: sweep[3].image_size: is an empty list",
            "study.yaml: sweep[4].variant: is 'huge'; thor takes: base, tiny, small, large",
            "study.yaml: profiles.p.edge: is 'mirror'; allowed: reflect, fill",
            "study.yaml: profiles.q: is 3; expected a mapping",
            "study.yaml: retain.stitch: is 'temp'; expected one of fetch, composite, prep, infer",
            "study.yaml: retain.infer: is 'tmp'; expected",
        ]
        for text in expected:
            assert any(text in problem for problem in found), text
        assert len(found) == len(set(found))

    def test_a_mistake_in_the_base_is_said_once_and_there(self, study):
        found = problems(study, base={"mask_threshold": 400}, sweep=[{"image_size": [32, 64, 96]}])
        assert found == [
            "study.yaml: base.mask_threshold: is 400; expected a number from 0 to 100 (%)"
        ]
        (text,) = problems(study, base={"patch_size": 24}, sweep=[{"scale_m": [10, 20, 30]}])
        assert text.startswith("study.yaml: sweep[0].image_size: is 64, which is not a multiple")
        (text,) = problems(study, base={"image_size": 30}, sweep=[{"scale_m": [10, 20, 30]}])
        assert text.startswith("study.yaml: base.image_size: is 30, which is not a multiple")

    @pytest.mark.parametrize(
        "own, text",
        [
            ({"model": "rcf", "layer": "3"}, "layer: is not a knob of rcf"),
            (
                {"model": "rcf", "weights": "pretrained"},
                "weights: is 'pretrained'; rcf takes: none",
            ),
            (
                {"model": "thor", "weights": "none", "image_size": 96},
                "weights: is 'none'; thor takes: pretrained, random, a file, or a URL",
            ),
            (
                {"model": "thor", "weights": "gone.pt", "image_size": 96},
                "weights: is 'gone.pt', which",
            ),
            (
                {"model": "thor", "image_size": 96, "weights": "random", "layer": 13},
                "blocks are 1 to",
            ),
            ({"bands": ["B4", "B33"]}, "bands: has 'B33', which s2 lacks"),
            ({"pooling": "cls"}, "pooling: is 'cls'; rcf gives: mean, max, stats"),
            ({"frames": 3}, "frames: is 3; rcf takes 1"),
            ({"tile_overlap": 64}, "tile_overlap: is 64; it must be below tile_size (64)"),
            ({"tile_overlap": 20}, "whole tokens (16 px); nearest: 16, 32"),
            (
                {"lattice": "shared", "scale_m": 7},
                "lattice: is 'shared', but it needs a scale_m of which 60 m is a multiple, not 7",
            ),
            ({"provider": "synthetic", "synthetic": {"sed": 1}}, "synthetic: has no option 'sed'"),
            ({"collection": "x"}, "collection: collection 'x' is not one of synthetic's"),
            ({"modality": "s1", "provider": "local", "local": {"path": "none"}}, "not a folder"),
            ({"temporal": {"year": "soon"}}, "temporal: is 'soon'; expected a whole number"),
            ({"temporal": {"start": "2022-01-01"}}, "temporal: has start; expected start and end"),
            (
                {"temporal": {"start": "2022-05-01", "end": "May"}},
                "temporal: end is 'May'; expected a",
            ),
            ({"temporal": {"start": "2022-05-01", "end": "2022-05-01"}}, "is not before end"),
        ],
    )
    def test_a_combination_that_cannot_run(self, study, own, text):
        (found,) = problems(study, profiles={"p": own})
        assert found.startswith("study.yaml: profiles.p.")
        assert text in found

    def test_skip_lists_what_a_model_cannot_run_and_nothing_else(self, study):
        sweep = [{"model": ["rcf", "thor"], "weights": "random", "image_size": [64, 72]}]
        found = study(sweep=sweep, base={"patch_size": 8}, on_invalid="skip")
        assert names(found) == ["rcf_image_size-64", "rcf_image_size-72", "thor_image_size-64"]
        (skipped,) = found.skipped
        assert (skipped.settings["model"], skipped.settings["image_size"]) == ("thor", 72)
        assert "image_size is 72, which does not hold whole patches" in skipped.reason
        (text,) = problems(study, on_invalid="skip", sweep=[{"composite": ["mean", "medain"]}])
        assert "sweep[0].composite: is 'medain'" in text

    def test_nothing_left_to_run(self, study):
        (text,) = problems(study, on_invalid="skip", sweep=[{"frames": 2}])
        assert text == "study.yaml: has no profile that can run"

    @pytest.mark.parametrize("section", ["base", "profiles", "retain", "evaluate"])
    @pytest.mark.parametrize("value", [["x"], "x", 3])
    def test_a_section_of_another_kind(self, study, section, value):
        (text,) = problems(study, **{section: value})
        assert f"study.yaml: {section}: is {value!r}; expected a mapping" in text

    def test_what_is_missing(self, study):
        found = problems(study, study=None, rois=None)
        assert [text.split(": ")[1] for text in found] == ["study", "rois"]


class TestFiles:
    @pytest.mark.parametrize(
        "content, text",
        [
            (b"study: [", "is not YAML"),
            (b"", "is no mapping"),
            (b"- a", "is no mapping"),
            (b"study: \xff", "is not YAML"),
        ],
    )
    def test_unreadable(self, tmp_path, content, text):
        path = tmp_path / "s.yaml"
        path.write_bytes(content)
        with pytest.raises(StudyError, match=text) as error:
            load_study(path)
        assert str(path) in str(error.value)

    def test_absent(self, tmp_path):
        with pytest.raises(StudyError, match="No such file"):
            load_study(tmp_path / "none.yaml")

    def test_dates_as_yaml_has_them(self, study, tmp_path):
        study()
        path = tmp_path / "s.yaml"
        path.write_text(
            "\ufeffstudy: s\nrois: rois.csv\ntemporal: {start: 2022-06-01, end: 2022-09-01}\n"
        )
        assert load_study(path).profiles[0].node.key == study().profiles[0].node.key


def test_a_message_lists_the_first_of_very_many_problems():
    error = StudyError([Problem(f"line {i}", "is wrong") for i in range(150)])
    lines = str(error).splitlines()
    assert (lines[0], lines[-1]) == ("150 problems in the study", "  and 50 more")
    assert len(lines) == 102
