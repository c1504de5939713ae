"""The folders of the text adapter, lowest first: each imports only from those before it. Read from the imports."""

import pytest

from tests.test_dependencies import PACKAGE, imports

TEXT = PACKAGE / "text"
BOTTOM = {"errors", "arguments"}
FOLDERS = ("tokens", "heads", "models", "loading", "results", "running")
SETTINGS = "settings"  # above tokens, below heads
ON_TOP = ("corpora", "report", "evaluation")
FILES = {path.stem for path in TEXT.glob("*.py")} - {"__init__"}


def parts_imported_by(path):
    """Return the folders and top-level files of the adapter that a file imports from."""
    names = [name.split(".") for name in imports(path) if name.startswith("lrp_domains.text.")]
    return {name[2] for name in names} & {*FOLDERS, *ON_TOP, *FILES}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_only_from_those_before_it(folder):
    allowed = {*BOTTOM, *FOLDERS[: FOLDERS.index(folder) + 1]} | ({SETTINGS} if folder != "tokens" else set())
    allowed |= {"chats"} if folder == "running" else set()
    for path in (TEXT / folder).rglob("*.py"):
        assert parts_imported_by(path) <= allowed, path.name


@pytest.mark.parametrize("folder", ON_TOP)
def test_a_folder_on_top_imports_no_later_one(folder):
    later = set(ON_TOP[ON_TOP.index(folder) + 1 :])
    for path in (TEXT / folder).rglob("*.py"):
        assert not parts_imported_by(path) & later, path.name


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_next_to_the_folders_imports_none_on_top(name):
    allowed = BOTTOM if name in BOTTOM else {*BOTTOM, "tokens"} if name == SETTINGS else {*BOTTOM, *FOLDERS, *FILES}
    assert parts_imported_by(TEXT / f"{name}.py") <= allowed


def test_every_folder_has_its_place():
    folders = {path.name for path in TEXT.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == {*FOLDERS, *ON_TOP}
