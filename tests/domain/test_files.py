"""Files that appear whole or not at all."""

import os

import pytest

from lrp_domains.domain import remove_abandoned, whole_file


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


def test_a_folder_replaces_a_folder(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    with whole_file(tmp_path / "out") as temporary:
        temporary.mkdir()
        (temporary / "new").write_text("new")
    assert os.listdir(tmp_path / "out") == ["new"]


def test_only_files_abandoned_while_writing_this_one_are_removed(tmp_path):
    for name in (".a.txt.1.tmp", ".b.txt.1.tmp", "a.txt"):
        (tmp_path / name).write_text("")
    remove_abandoned(tmp_path / "a.txt")
    assert sorted(os.listdir(tmp_path)) == [".b.txt.1.tmp", "a.txt"]
