"""Links between files of results, relative to the page that has them."""

import os
from pathlib import Path
from urllib.parse import quote


def link(target: str | Path, page: str | Path) -> str:
    """Return the relative address of a file; a name such as ``a:b`` is no protocol in it, because all is quoted."""
    relative = os.path.relpath(os.path.abspath(target), os.path.dirname(os.path.abspath(page)))
    return quote(os.fsencode(Path(relative).as_posix()))
