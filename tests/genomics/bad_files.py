"""A folder with a small genome to write bad files to, and the one clear error that each must raise."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lrp_domains.domain import DomainError

GOOD = "ACGTACGTACGTACGTACGTACGT"


@dataclass(frozen=True)
class Files:
    """A folder; its genome has two chromosomes of `GOOD`."""

    folder: Path

    @property
    def genome(self) -> Path:
        path = self.folder / "genome.fa"
        if not path.exists():
            path.write_text(f">chr1\n{GOOD}\n>chr2\n{GOOD}\n")
        return path

    def write(self, name: str, text: str = "") -> Path:
        path = self.folder / name
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text)
        return path


def raises_one_error(run: Callable[[Files], Any], message: str, files: Files) -> None:
    """Check that a case raises one error of one line."""
    with pytest.raises(DomainError, match=message) as raised:
        run(files)
    assert "\n" not in str(raised.value).strip()
