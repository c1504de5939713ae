"""Inputs that change between the steps of a run are noticed."""

import json
import os

import pytest

from lrp_domains.domain import DomainError, fingerprint, fingerprints, unchanged


def checked(path, **inputs):
    path.write_text(json.dumps({"inputs": fingerprints(inputs)}))
    return path


def rewritten(path, content):
    """Replace a content, so that its time of change differs even where clocks are coarse."""
    before = path.stat().st_mtime_ns
    path.write_bytes(content)
    os.utime(path, ns=(before + 1000, before + 1000))


@pytest.fixture
def cohort(tmp_path):
    (tmp_path / "cohort.h5ad").write_bytes(b"cells")
    return tmp_path / "cohort.h5ad"


def test_the_same_content_passes_at_any_time(cohort, tmp_path):
    check = checked(tmp_path / "check.json", cohort=cohort)
    unchanged({"cohort": cohort}, check)()
    rewritten(cohort, b"cells")
    unchanged({"cohort": cohort}, check)()


@pytest.mark.parametrize("content", [b"CELLS", b"more cells"])
def test_another_content_is_refused(cohort, tmp_path, content):
    check = checked(tmp_path / "check.json", cohort=cohort)
    rewritten(cohort, content)
    with pytest.raises(DomainError, match=r"the cohort '.*cohort.h5ad' has changed since it was checked .*; run again"):
        unchanged({"cohort": cohort}, check)


def test_equal_size_and_time_spare_the_hash(cohort, tmp_path, monkeypatch):
    check = checked(tmp_path / "check.json", cohort=cohort)
    monkeypatch.setattr("hashlib.file_digest", lambda *arguments: pytest.fail("hashed"))
    unchanged({"cohort": cohort}, check)


def test_a_change_during_a_computation_is_noticed(cohort):
    verify = unchanged({"cohort": cohort})
    verify()
    rewritten(cohort, b"CELLS")
    with pytest.raises(DomainError, match="has changed since it was read; run again"):
        verify()
    cohort.unlink()
    with pytest.raises(DomainError, match="has changed since it was read"):
        verify()


def test_a_folder_is_compared_by_the_names_sizes_and_contents_of_its_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "one.zarr" / name).mkdir(parents=True)
        (tmp_path / "one.zarr" / name / "0").write_text(name)
    before = fingerprint(tmp_path / "one.zarr")
    os.rename(tmp_path / "one.zarr", tmp_path / "two.zarr")
    assert fingerprint(tmp_path / "two.zarr") == before
    (tmp_path / "two.zarr" / "a" / "0").write_text("b")
    changed = fingerprint(tmp_path / "two.zarr")
    assert changed["sha256"] != before["sha256"] and changed["bytes"] == before["bytes"]
    os.rename(tmp_path / "two.zarr" / "a", tmp_path / "two.zarr" / "c")
    assert fingerprint(tmp_path / "two.zarr")["sha256"] != changed["sha256"]


def test_what_is_not_a_file_or_was_not_checked_is_ignored(cohort, tmp_path):
    check = checked(tmp_path / "check.json", model="some/model")
    assert json.loads(check.read_text()) == {"inputs": {}}
    unchanged({"cohort": cohort, "model": "some/model"}, check)()


def test_a_check_of_something_else_is_refused(cohort, tmp_path):
    check = checked(tmp_path / "check.json", model=cohort)
    with pytest.raises(DomainError, match=r"check.json' is the summary of a check of something else than a cohort"):
        unchanged({"cohort": cohort}, check, required="cohort")
    unchanged({"cohort": "the demo"}, check, required="cohort")
    unchanged({"cohort": cohort}, required="cohort")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: os.rename(folder / "a", folder / "c"),
        lambda folder: os.utime(folder / "a", ns=(5, 5)),  # the latest time is that of the other file
        lambda folder: os.truncate(folder / "a", 0),
        lambda folder: (folder / "new").write_text(""),
    ],
)
def test_any_change_in_a_folder_is_noticed(tmp_path, change):
    folder = tmp_path / "one.zarr"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_text(name)
    check, verify = checked(tmp_path / "check.json", cohort=folder), unchanged({"cohort": folder})
    change(folder)
    with pytest.raises(DomainError, match="has changed since it was read"):
        verify()
    recorded = json.loads(check.read_text())["inputs"]["cohort"]["mtime_ns"]
    assert fingerprint(folder)["mtime_ns"] != recorded  # so that contents are compared


def test_a_result_in_the_same_folder_is_no_change(tmp_path):
    verify = unchanged({"cohort": tmp_path})
    (tmp_path / ".out.h5ad.parts").mkdir()
    (tmp_path / ".out.h5ad.parts" / "cells.npz").write_text("a part")
    (tmp_path / ".out.h5ad.7.tmp").write_text("a part")
    verify()


NO_CHECKS = ["{", "[]", "null", "{}"] + [
    f'{{"inputs": {inputs}}}' for inputs in ("null", "[]", '{"cohort": 3}', '{"cohort": {"bytes": 5}}')
]


@pytest.mark.parametrize("content", NO_CHECKS)
def test_a_file_that_is_not_a_check_is_refused(cohort, tmp_path, content):
    with pytest.raises(DomainError, match=r"there is no file .*check.json'; write it with"):
        unchanged({"cohort": cohort}, tmp_path / "check.json")
    (tmp_path / "check.json").write_text(content)
    with pytest.raises(DomainError, match="is not a summary of a check"):
        unchanged({"cohort": cohort}, tmp_path / "check.json")


def test_what_importing_code_writes_beside_it_is_not_part_of_a_folder(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "code.py").write_text("x = 1")
    verify, before = unchanged({"code": package}), fingerprint(package)
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "code.cpython-311.pyc").write_bytes(b"made")
    verify()
    assert fingerprint(package) == before


def test_a_file_and_those_that_it_names_are_one_input(tmp_path):
    named = [tmp_path / "set.csv", tmp_path / "a.png", tmp_path / "within" / "a.png"]
    named[2].parent.mkdir()
    for number, path in enumerate(named):
        path.write_text(str(number))
    summary = tmp_path / "check.json"
    summary.write_text(json.dumps({"inputs": fingerprints({"pictures": named})}))
    unchanged({"pictures": named}, summary, required="pictures")()
    os.utime(named[1])  # only its time has changed
    verify = unchanged({"pictures": named}, summary)
    named[1].write_text("3")
    with pytest.raises(DomainError, match=r"the pictures of '.*set.csv', or what it names, have changed .* read; run"):
        verify()
    with pytest.raises(DomainError, match=r"what it names, have changed since they were checked \('.*check.json'\)"):
        unchanged({"pictures": named}, summary)
    named[1].write_text("1")
    with pytest.raises(DomainError, match="changed"):
        unchanged({"pictures": named[:2]}, summary)
    named[2].unlink()
    assert fingerprints({"pictures": named}) == {}
