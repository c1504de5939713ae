"""Finished parts of a long computation, kept on disk so that an interrupted run resumes."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ..files.space import NotWritten
from ..files.whole import remove_abandoned, whole_file
from ..messages import DomainError

ATTEMPTS = 1000  # to make a folder that another process is removing


@contextmanager
def resumable(out: Path, key: str, *, resume: bool = True) -> Iterator[Path]:
    """Yield the hidden folder for the finished parts of a result; it is removed when the block succeeds.

    Parameters
    ----------
    out
        The file or folder that the result is written to.
    key
        Identifies the request: data, model and settings. Parts of a request with another key are removed.
    resume
        Keep the parts of an interrupted run; otherwise start from the beginning.

    Raises
    ------
    DomainError
        Another process is computing the same result.
    NotWritten
        A part, or the result, can't be written.
    """
    folder = out.with_name(f".{out.name}.parts")
    with locked(folder):
        remove_abandoned(out)
        known = folder / "key.txt"
        try:
            if not resume or not known.is_file() or known.read_text() != key:
                clear(folder)
                with whole_file(known) as temporary:
                    temporary.write_text(key)
            yield folder
        except BaseException as error:
            if {path.name for path in folder.iterdir()} <= {"lock", known.name}:
                _remove(folder)  # no part was finished
            if isinstance(error, NotWritten):
                raise NotWritten(out, error.why, kept=folder.exists()) from error
            raise
        _remove(folder)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make a folder and lock it for this process; raise `DomainError` if another process holds the lock."""
    failures = 0
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / "lock").open("w")
        except (FileNotFoundError, FileExistsError):  # the last owner is just removing the folder
            failures += 1
            if failures == ATTEMPTS:  # or there can't be one, as behind a link to nowhere
                raise
            continue
        with lock:  # the system releases the lock of a process, even after a kill
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DomainError(f"another process is using '{folder}' for the same result; wait for it") from None
            if _is_at(lock, folder / "lock"):
                yield
                return


def _is_at(file: IO, path: Path) -> bool:
    """Return whether an open file is still the one at a path, not one removed in the meantime."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _remove(folder: Path) -> None:
    """Remove a locked folder; its lock last, for another process may take the folder over from then on."""
    clear(folder)
    (folder / "lock").unlink()
    with suppress(OSError):  # another process has taken it over
        folder.rmdir()


def clear(folder: Path) -> None:
    """Remove all parts from a locked folder."""
    for path in folder.iterdir():
        if path.name != "lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
