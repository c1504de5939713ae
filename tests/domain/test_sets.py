"""Sets of samples in files: folders, and tables of paths and labels."""

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


def test_files_by_name():
    assert read_set(["a.x", "b"], ()) == SampleFiles([Path("a.x"), Path("b")], ["a.x", "b"])
    assert read_set("a.png", ()) == SampleFiles([Path("a.png")], ["a.png"])
