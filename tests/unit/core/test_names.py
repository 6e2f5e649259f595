"""Names of files: readable, short, and one for each id."""

from hypothesis import given
from hypothesis import strategies as st

from rsweep.core.names import LONGEST, clash, file_names

IDS = ["DE/1", "DE 1", "DE-1", "Ä1", "Ö1", "北京", "上海", "..", "/", "a" * 300, "北" * 300]


def test_ids_that_are_file_names_keep_them_and_no_two_share_one():
    names = file_names(IDS)
    assert len({name.casefold() for name in names.values()}) == len(IDS)
    for kept in ("DE-1", "Ä1", "北京"):
        assert names[kept] == kept
    assert names["DE/1"].startswith("DE-1-")
    assert all(len(name.encode()) <= LONGEST + 9 for name in names.values())


def test_ids_that_differ_in_case_alone_are_two_files_everywhere():
    names = file_names(["site", "Site", "other"])
    assert len({name.casefold() for name in names.values()}) == 3
    assert names["other"] == "other"


def test_another_roi_does_not_rename_one():
    assert file_names(["DE-1"])["DE-1"] == file_names(["DE-1", "DE/1"])["DE-1"]


def test_names_that_cannot_be_told_apart_are_found():
    assert clash(IDS) is None
    assert clash(["DE/1", file_names(["DE/1"])["DE/1"]])


@given(st.lists(st.text(min_size=1), unique=True, max_size=30))
def test_a_name_is_one_file_in_the_folder(ids):
    for name in file_names(ids).values():
        assert name
        assert not set(name) & set('/\\\0:*?"<>|\n')
        assert not name.startswith((".", "-"))
        assert len(name.encode()) < 250
