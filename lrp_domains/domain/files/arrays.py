"""Arrays by name in one file, as `numpy.savez_compressed` writes them, one at a time: memory doesn't grow with them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..messages import DomainError, choices, reason
from .whole import whole_file

SUFFIX = ".npz"


@contextmanager
def writing_arrays(path: str | Path) -> Iterator[Callable[[str, np.ndarray], None]]:
    """Yield a function that adds an array to a file, ``.npz``; the file appears whole or not at all."""
    if Path(path).suffix != SUFFIX:
        raise DomainError(f"'{path}': arrays are written as {SUFFIX}")
    with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, array: np.ndarray) -> None:
            # A fixed time, so that equal arrays make equal files.
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)

        yield add


def read_arrays(path: str | Path, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Read arrays by their names; all of them without names."""
    if names is None:
        with _opened(path) as archive:
            names = archive.files
    with reading_arrays(path) as read:
        return {name: read(name) for name in names}


@contextmanager
def reading_arrays(path: str | Path) -> Iterator[Callable[[str], np.ndarray]]:
    """Yield a function that reads an array of a file by its name."""
    with _opened(path) as archive:
        known = dict.fromkeys(archive.files)  # numpy looks names up in a list

        def read(name: str) -> np.ndarray:
            if name not in known:
                raise DomainError(f"'{path}' has no array '{name}'; {choices(name, known)}")
            try:
                with archive.zip.open(f"{name}.npy") as file:
                    return np.lib.format.read_array(file, allow_pickle=False)
            except (ValueError, zipfile.BadZipFile, EOFError) as error:
                raise DomainError(f"'{path}' could not be read: {reason(error)}") from error

        yield read


def write_stacked(arrays: Iterable[np.ndarray], shape: tuple[int, ...], path: str | Path) -> None:
    """Write arrays of one shape as one, float32, stacked to `shape`, to a file that calls it ``arr_0``."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with (
        whole_file(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("arr_0.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array_header_1_0(file, header)
        for array in arrays:
            file.write(np.ascontiguousarray(array, "<f4").tobytes())


def gather_arrays(paths: Iterable[str | Path], out: str | Path) -> int:
    """Write the arrays of several files to one; return their number. A name may be in one of the files only."""
    seen: set[str] = set()
    with writing_arrays(out) as add:
        for path in paths:
            with _opened(path) as archive:
                for name in archive.files:
                    if name in seen:
                        raise DomainError(f"'{path}' has an array '{name}', and so has a file before it")
                    seen.add(name)
                    add(name, archive[name])
    return len(seen)


def _opened(path: str | Path) -> np.lib.npyio.NpzFile:
    """Open a file of arrays, none of which is unpickled."""
    if not Path(path).is_file():
        raise DomainError(f"there is no file '{path}'")
    try:
        archive = np.load(path, allow_pickle=False)
    except (ValueError, OSError, zipfile.BadZipFile, EOFError) as error:
        raise DomainError(f"'{path}' could not be read as {SUFFIX}: {reason(error)}") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise DomainError(f"'{path}' is a single array, not a file of arrays by name ({SUFFIX})")
    return archive
