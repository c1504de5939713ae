"""Room on disk: checked before long computations, and told plainly where it runs out."""

import errno
import os
import shutil
from pathlib import Path

from ..messages import DomainError

# A full disk, an exhausted quota, a file that is larger than its file system or a limit allows.
FULL = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f), or write to another file system",
}
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


class NotWritten(DomainError):
    """A file couldn't be written: its path, why and what to do, and whether finished parts of it are kept."""

    def __init__(self, path: Path, why: str, *, kept: bool = False) -> None:
        remedy = (
            "What is finished so far is kept; rerun the same command to resume"
            if kept
            else "Then rerun the same command"
        )
        super().__init__(f"'{path}' could not be written: {why}. {remedy}")
        self.path, self.why = path, why


def require_space(path: str | Path, needed: int = 0, *, is_folder: bool = False) -> None:
    """Raise if a file or folder can't be written, or if its disk has less than `needed` bytes free.

    Call it before the work whose result it is; `needed` is an estimate. Only a folder (`is_folder`, ``.zarr``) may
    replace a folder, and it can't replace a file.
    """
    path = Path(path).absolute()
    if is_folder and path.is_file():
        raise DomainError(f"'{path}' is a file; name a folder to write")
    if path.is_dir() and not is_folder and path.suffix != ".zarr":
        raise DomainError(f"'{path}' is a folder; name a file to write")
    folder = _existing(path.parent)
    if not folder.is_dir():
        raise DomainError(f"'{path}' can't be written, because '{folder}' is not a folder; name another")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DomainError(f"no permission to write to '{folder}'; name another folder than for '{path}'")
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DomainError(
            f"'{path}' would need about {_size(needed)}, but '{folder}' has {_size(free)} free; free some space, or "
            "write to another disk"
        )


def not_written(path: Path, temporary: Path, error: BaseException) -> NotWritten | None:
    """Return the error for a file that couldn't be written to `temporary`; None if `error` has another cause.

    Libraries hide the system's error in a chain, or only quote its message.
    """
    if isinstance(error, NotWritten):  # a file that is written within another's block
        return None
    causes = _chain(error)
    for cause in causes:
        number = getattr(cause, "errno", None)
        if number in REFUSED and str(temporary) in str(cause):
            return NotWritten(path, f"{os.strerror(number)}; fix the permissions of '{path.parent}'")
    messages = " ".join(map(str, causes)).casefold()
    for number, remedy in FULL.items():
        quoted = os.strerror(number).casefold() in messages or f"os error {number}" in messages
        if quoted or any(getattr(cause, "errno", None) == number for cause in causes):
            free = _size(shutil.disk_usage(temporary.parent).free)
            return NotWritten(path, f"{os.strerror(number)} ({free} free in '{temporary.parent}'); {remedy}")
    return None


def size_on_disk(path: str | Path) -> int:
    """Return the bytes of a file, or of all files in a folder; 0 if there is none."""
    path = Path(path)
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _existing(folder: Path) -> Path:
    """Return a folder, or the nearest of its parents that exists."""
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


def _chain(error: BaseException | None) -> list[BaseException]:
    causes = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes


def _size(count: int) -> str:
    """Return a number of bytes in words."""
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1000:.0f} kB"
