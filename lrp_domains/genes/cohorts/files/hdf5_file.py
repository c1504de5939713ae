"""HDF5 files that are written without a crash where the disk is full."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py


@contextmanager
def hdf5_file(path: Path, mode: str) -> Iterator[h5py.File]:
    """Open an HDF5 file to write (``"w"``) or to change (``"r+"``); raise `OSError` at the end if a write failed.

    The HDF5 library writes again while it closes a file, and the process crashes if that fails too. So it never
    hears of a failed write: what comes after one is dropped, and the first error is raised once the file is closed.
    """
    target = _Target(path, mode)
    try:
        with target, h5py.File(target, mode) as file:
            yield file
    except Exception:
        if target.error is None:
            raise  # otherwise it follows from the failed write, which is raised below
    if target.error is not None:
        raise target.error


class _Target(io.RawIOBase):
    """A file that keeps its first failed write as `error`, and drops the later ones."""

    def __init__(self, path: Path, mode: str) -> None:
        self.file = open(path, "w+b" if mode == "w" else "r+b", buffering=0)  # noqa: SIM115 (closed by `close`)
        self.error: OSError | None = None

    def write(self, data) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while len(rest) and self.error is None:
                rest = rest[self.file.write(rest) :]
        except OSError as error:
            self.error = error
        return size

    def readinto(self, buffer) -> int:
        """Read as from a file that never ends: HDF5 may allocate space that it writes later."""
        view = memoryview(buffer).cast("B")
        size = 0
        while size < len(view) and (count := self.file.readinto(view[size:])):
            size += count
        view[size:] = bytes(len(view) - size)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return self.file.truncate(size)
        except OSError as error:
            self.error = self.error or error
            return self.file.tell() if size is None else size

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def close(self) -> None:
        try:
            self.file.close()
        except OSError as error:
            self.error = self.error or error
        super().close()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
