"""Sets of samples in files: folders, and tables of paths and labels."""

import os
from pathlib import Path

import pytest

from lrp_domains.domain import DomainError
from lrp_domains.domain.files.sets import SampleFiles, read_set


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("c.png", "a.PNG", "b/d.png", "notes.txt"):
        (tmp_path / name).touch()
    return tmp_path


def test_a_folder_with_its_subfolders(folder):
    files = read_set(folder, (".png",))
    assert files.paths == [folder / "a.PNG", folder / "b/d.png", folder / "c.png"] and files.labels is None
    assert files.names == ["a.PNG", "b/d.png", "c.png"]
    with pytest.raises(DomainError, match=r"no clips in the folder .*: \.wav"):
        read_set(folder, (".wav",), unit="clips")


@pytest.mark.parametrize(("name", "separator"), [("set.tsv", "\t"), ("set.csv", ",")])
def test_a_table_whose_paths_are_relative_to_it(folder, name, separator):
    rows = [("path", "label", "kind"), ("c.png", "01", "x"), ("/d.png", "NA", "y")]
    (folder / name).write_text("\n".join(separator.join(row) for row in rows))
    files = read_set(folder / name, (".png",))
    assert [str(path) for path in files.paths] == [str(folder / "c.png"), "/d.png"] and files.labels == ["01", "NA"]
    assert files.names == ["c.png", "/d.png"]
    assert read_set(str(folder / name), (".png",), label_column="kind").labels == ["x", "y"] and files.beside is None
    assert read_set(folder / name, (".png",), file_column="kind").beside == [folder / "x", folder / "y"]


def test_a_column_is_named_once(folder):
    (folder / "set.csv").write_text("path,label,label,other,other\nc.png,a,b,c,d\n")
    with pytest.raises(DomainError, match=r"set.csv' has 2 columns 'label': rename all but one"):
        read_set(folder / "set.csv", (".png",))
    assert read_set(folder / "set.csv", (".png",), label_column="path").labels == ["c.png"]
    (folder / "set.csv").write_text("path,label,path\nc.png,a,b\n")
    with pytest.raises(DomainError, match="2 columns 'path'"):
        read_set(folder / "set.csv", (".png",))


def test_a_list_holds_paths_alone():
    with pytest.raises(DomainError, match="there are no clips: the list of paths is empty"):
        read_set([], (".wav",), unit="clips")
    with pytest.raises(DomainError, match="a set of clips is a folder, a table or paths, not a list of int"):
        read_set(["a.wav", 1], (".wav",), unit="clips")
    for column in ("label_column", "file_column"):
        with pytest.raises(DomainError, match=r"a list of paths is not a table .* no column 'kind'"):
            read_set(["a.wav"], (".wav",), **{column: "kind"})


def test_names_that_are_not_utf8(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xc3\xa4.png"))
    path.touch()
    assert read_set(tmp_path, (".png",)) == SampleFiles([path], ["\\xffä.png"])
    assert read_set(path, (".png",)).names == read_set([path], (".png",)).names == [f"{tmp_path}/\\xffä.png"]


def test_files_by_name():
    assert read_set(iter(["a.x", "b"]), ()) == SampleFiles([Path("a.x"), Path("b")], ["a.x", "b"])
    assert read_set("a.png", ()) == SampleFiles([Path("a.png")], ["a.png"])


def test_spaces_around_the_names_of_columns_are_ignored(tmp_path):
    (tmp_path / "set.csv").write_text("path, label , mask\na.png,cat,a.npy\n")
    files = read_set(tmp_path / "set.csv", (), file_column="mask")
    assert files.labels == ["cat"] and files.beside == [tmp_path / "a.npy"]
    (tmp_path / "set.csv").write_text("path,label, label\na.png,cat,dog\n")
    with pytest.raises(DomainError, match="2 columns 'label'"):
        read_set(tmp_path / "set.csv", ())
