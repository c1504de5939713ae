"""Small tables that commands write."""

from pathlib import Path


def write_tsv(table, path: Path) -> None:
    """Write a small table, with six digits."""
    from ...domain.files import tsv

    tsv.write_tsv(table, path, float_format="%.6g")
