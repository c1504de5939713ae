"""Parts of an interrupted run: kept only for the same request, by one process at a time."""

import multiprocessing
import os

import pytest

from lrp_domains.domain import DomainError, locked, resumable


def compute(out, key="request", stop_at=3, **options):
    """Square three numbers, one part each; return how many were computed now."""
    computed = 0
    with resumable(out, key, **options) as folder:
        for number in range(3):
            part = folder / str(number)
            if part.exists():
                continue
            if number == stop_at:
                raise KeyboardInterrupt
            part.write_text(str(number**2))
            computed += 1
        out.write_text(" ".join((folder / str(number)).read_text() for number in range(3)))
    return computed


def test_an_interrupted_run_resumes_and_leaves_nothing_but_its_result(tmp_path):
    out = tmp_path / "squares.txt"
    with pytest.raises(KeyboardInterrupt):
        compute(out, stop_at=2)
    assert compute(out) == 1
    assert out.read_text() == "0 1 4"
    assert os.listdir(tmp_path) == ["squares.txt"]


@pytest.mark.parametrize("options", [{"key": "another"}, {"resume": False}])
def test_another_request_starts_from_the_beginning(tmp_path, options):
    out = tmp_path / "squares.txt"
    with pytest.raises(KeyboardInterrupt):
        compute(out, stop_at=2)
    assert compute(out, **options) == 3


def test_what_a_killed_process_was_writing_is_removed(tmp_path):
    (tmp_path / ".squares.txt.123.tmp").write_text("half")
    compute(tmp_path / "squares.txt")
    assert os.listdir(tmp_path) == ["squares.txt"]


def hold(folder, locked_now, done):
    with locked(folder):
        locked_now.set()
        done.wait(60)


def test_a_folder_that_another_process_uses_is_refused_until_it_is_free(tmp_path):
    context = multiprocessing.get_context("spawn")
    out, locked_now, done = tmp_path / "squares.txt", context.Event(), context.Event()
    holder = context.Process(target=hold, args=(tmp_path / ".squares.txt.parts", locked_now, done))
    holder.start()
    try:
        assert locked_now.wait(60)
        with pytest.raises(DomainError, match=r"another process is using '.*\.parts' for the same result"):
            compute(out)
    finally:
        done.set()
        holder.join()
    assert compute(out) == 3


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "unmounted").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    for folder in ("unmounted", "file"):
        with pytest.raises(OSError, match=folder), resumable(tmp_path / folder / "out.parquet", "key"):
            pass


def test_a_killed_process_leaves_no_lock(tmp_path):
    context = multiprocessing.get_context("spawn")
    out, locked_now, done = tmp_path / "squares.txt", context.Event(), context.Event()
    holder = context.Process(target=hold, args=(tmp_path / ".squares.txt.parts", locked_now, done))
    holder.start()
    assert locked_now.wait(60)
    holder.kill()
    holder.join()
    assert compute(out) == 3


def own(out, owners, log):
    """Use the folder of a result again and again, and note how many processes own it at once."""
    for number in range(200):
        try:
            with resumable(out, "key") as folder:
                with owners.get_lock():
                    owners.value += 1
                    log.append(owners.value)
                (folder / "part").write_text(str(number))
                assert (folder / "part").read_text() == str(number)
                with owners.get_lock():
                    owners.value -= 1
        except DomainError:
            pass


def test_a_folder_that_is_removed_has_never_two_owners(tmp_path):
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        owners, log = context.Value("i", 0), manager.list()
        processes = [context.Process(target=own, args=(tmp_path / "out", owners, log)) for _ in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert all(process.exitcode == 0 for process in processes)
        assert set(log) == {1}
