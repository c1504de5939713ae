"""Room on disk: checked before long work; where it runs out, the error names the file that was being written."""

import errno
import os
import subprocess
import sys
from collections import namedtuple

import pytest

from lrp_domains.domain import DomainError, NotWritten, require_space, resumable, size_on_disk, whole_file

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "input.h5ad")


def hidden():
    """An error of a library that only follows from that of the system."""
    try:
        raise FULL
    except OSError:
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 640 vs 534")  # noqa: B904


def quoted():
    raise RuntimeError("I/O error: No space left on device (os error 28)")


def plain():
    raise FULL


@pytest.mark.parametrize("fail", [plain, hidden, quoted])
def test_a_full_disk_names_what_was_written_and_what_to_do(tmp_path, fail):
    message = r"out.txt' could not be written: No space left on device \(.* free in '.*'\); free some space. Then rerun"
    with pytest.raises(NotWritten, match=message), whole_file(tmp_path / "out.txt") as temporary:
        temporary.write_text("half")
        fail()
    assert os.listdir(tmp_path) == []


def test_other_errors_are_not_of_the_disk(tmp_path):
    with pytest.raises(RuntimeError, match="bug"), whole_file(tmp_path / "out.txt"):
        raise RuntimeError("bug")
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "out.txt"):
        (tmp_path / "missing").read_text()


@pytest.mark.parametrize("parts, kept", [(["part"], "What is finished so far is kept"), ([], "Then rerun")])
def test_a_part_that_is_not_written_is_told_as_the_result(tmp_path, parts, kept):
    with pytest.raises(NotWritten, match=rf"/out.h5ad' could not be written: .*{kept}"):  # noqa: SIM117
        with resumable(tmp_path / "out.h5ad", "key") as folder:
            for name in parts:
                (folder / name).write_text("")
            with whole_file(folder / "next"):
                plain()
    assert (tmp_path / ".out.h5ad.parts").exists() == bool(parts)


def test_space_is_checked_before_the_work(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10, 5, 2_000_000))
    require_space(tmp_path / "folder" / "out.h5ad", 2_000_000)
    message = r"out.h5ad' would need about 3.0 MB, but '.*' has 2.0 MB free; free some space, or write to another disk"
    with pytest.raises(DomainError, match=message):
        require_space(tmp_path / "folder" / "out.h5ad", 3_000_000)


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(DomainError, match="is not a folder; name another"):
        require_space(tmp_path / "file" / "out.h5ad")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(DomainError, match="no permission to write to"):
        require_space(tmp_path / "folder" / "out.h5ad")


def test_the_size_of_files_and_folders(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_text("four")
    assert size_on_disk(tmp_path / "a") == size_on_disk(tmp_path / "a" / "b" / "c") == 4
    assert size_on_disk(tmp_path / "missing") == 0


def test_a_save_of_torch_that_does_not_fit(tmp_path):
    """The error that it raises by itself is of an enforced condition, without the system's."""
    program = """
import resource, signal, torch
from lrp_domains.domain import NotWritten, whole_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    with whole_file("model.pt") as temporary, temporary.open("wb") as file:
        torch.save(torch.zeros(10_000), file)
except NotWritten as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.startswith("'model.pt' could not be written: File too large"), done.stderr
    assert os.listdir(tmp_path) == []


def test_a_folder_in_the_place_of_a_file_is_told_before_the_work(tmp_path):
    for folder in (tmp_path, "/", "."):
        with pytest.raises(DomainError, match="' is a folder; name a file to write"):
            require_space(folder)
    (tmp_path / "out.zarr").mkdir()
    require_space(tmp_path / "out.zarr")
    require_space(tmp_path, is_folder=True)


def test_a_file_in_the_place_of_a_folder_is_told_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DomainError, match="/file' is a file; name a folder to write"):
        require_space(tmp_path / "file", is_folder=True)
    require_space(tmp_path / "file")


def test_a_file_replaces_no_folder(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(DomainError, match="/out' is a folder"), whole_file(tmp_path / "out") as temporary:
        temporary.write_text("text")
    assert os.listdir(tmp_path) == ["out"]
