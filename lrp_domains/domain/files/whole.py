"""Files that appear whole or not at all."""

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..messages import DomainError, listed
from .space import not_written


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path to write to; it is renamed to `path` only if the block succeeds.

    The temporary file is in the same folder because a rename is atomic only within one file system.

    Raises
    ------
    NotWritten
        The disk is full, or the folder can't be written to; the error names `path`, whatever library was writing.
    """
    shown, path = Path(path), Path(path).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        if temporary.is_dir():
            _remove_replaced(path, temporary)
        else:
            if path.is_dir():
                raise DomainError(f"'{shown}' is a folder; name a file to write")
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
        os.replace(temporary, path)
    except Exception as error:
        if failure := not_written(shown, temporary, error):
            raise failure from error
        raise
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)


def _remove_replaced(path: Path, temporary: Path) -> None:
    """Remove a folder that another one is about to replace.

    A folder with a suffix, such as ``.zarr``, is replaced like a file; any other only if no file would be lost.
    """
    if not path.is_dir():
        return
    lost = sorted(file.name for file in path.iterdir() if not (temporary / file.name).exists())
    if lost and not path.suffix:
        raise DomainError(f"'{path}' has other files, {listed(lost, 3)}, that would be lost: name a new folder")
    shutil.rmtree(path)


def remove_abandoned(path: Path) -> None:
    """Remove temporary files of processes that were killed while writing `path`; no other process may be writing it."""
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        shutil.rmtree(temporary) if temporary.is_dir() else temporary.unlink()
