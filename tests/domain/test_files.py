"""Files that appear whole or not at all."""

import os

import pytest

from lrp_domains.domain import DomainError, remove_abandoned, whole_file


def test_a_file_appears_when_all_went_well(tmp_path):
    with whole_file(tmp_path / "folder" / "out.txt") as temporary:
        temporary.write_text("whole")
        assert not (tmp_path / "folder" / "out.txt").exists()
    assert os.listdir(tmp_path / "folder") == ["out.txt"]


def test_a_failure_leaves_what_was_there_before(tmp_path):
    (tmp_path / "out.txt").write_text("before")
    with pytest.raises(RuntimeError), whole_file(tmp_path / "out.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert (tmp_path / "out.txt").read_text() == "before"
    assert os.listdir(tmp_path) == ["out.txt"]


@pytest.mark.parametrize("name, before, after", [("out", "model", "model"), ("out.zarr", "old", "new")])
def test_a_folder_replaces_a_folder(tmp_path, name, before, after):
    (tmp_path / name).mkdir()
    (tmp_path / name / before).write_text("old")
    with whole_file(tmp_path / name) as temporary:
        temporary.mkdir()
        (temporary / after).write_text("new")
    assert os.listdir(tmp_path / name) == [after]
    assert (tmp_path / name / after).read_text() == "new"


def test_only_files_abandoned_while_writing_this_one_are_removed(tmp_path):
    for name in (".a.txt.1.tmp", ".b.txt.1.tmp", "a.txt"):
        (tmp_path / name).write_text("")
    remove_abandoned(tmp_path / "a.txt")
    assert sorted(os.listdir(tmp_path)) == [".b.txt.1.tmp", "a.txt"]


def test_a_folder_with_files_of_others_is_not_replaced(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(DomainError, match=r"'.*mine' has other files, 'thesis.txt', that would be lost"):  # noqa: SIM117
        with whole_file(tmp_path / "mine") as temporary:
            temporary.mkdir()
            (temporary / "model").write_text("new")
    assert os.listdir(tmp_path / "mine") == ["thesis.txt"]
    assert os.listdir(tmp_path) == ["mine"]
