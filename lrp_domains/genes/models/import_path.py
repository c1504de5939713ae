"""A folder that modules can be imported from, for a while."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def on_the_path(folder: Path) -> Iterator[None]:
    """Let modules be imported from a folder."""
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)
