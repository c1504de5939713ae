"""The report of explained samples: a page with one section per folder of results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files.arrays import SUFFIX
from ..messages import DomainError
from ..page import write_page
from .examples import choose_examples
from .outcomes import confusion, ledger_rows, overview, read_outcomes, warnings_of

if TYPE_CHECKING:
    import pandas as pd

NAME = "explained"  # of the files in a folder of results
LIBRARIES = ("lrp_domains", "torch", "pandas", "numpy")


def write_sections(
    folders: Iterable[str | Path], path: str | Path, packages: Sequence[str], *, title: str, **options: Any
) -> None:
    """Write one self-contained HTML report by the template ``report.html.j2`` of a domain.

    Parameters
    ----------
    folders, options
        As in `sections_of`.
    path
        The file to write.
    packages
        Those whose folders ``templates`` have the templates.
    title
        Of the page.
    """
    sections = sections_of(folders, **options)
    write_page(path, "report.html.j2", packages, libraries=LIBRARIES, title=title, sections=sections)


def sections_of(
    folders: Iterable[str | Path],
    *,
    show: Callable[[pd.DataFrame, dict[str, list[int]], Path], Mapping[str, Any]],
    unit: str,
    ledger: Mapping[str, str],
    examples: int,
) -> list[dict[str, Any]]:
    """Return what the template ``samples.html.j2`` shows of each folder.

    Parameters
    ----------
    folders
        Each with ``explained.parquet`` and ``explained.npz``.
    show
        From the outcomes, the numbers of the examples by kind, and the file of arrays, to what a domain shows itself.
    unit
        What samples are, in the plural.
    ledger
        Words for the ``"units"`` and the ``"rest"`` of a score.
    examples
        Number of samples of each kind.
    """
    sections = []
    for folder in map(Path, folders):
        table = folder / f"{NAME}.parquet"
        if not table.is_file():
            raise DomainError(f"'{folder}' is not a folder of results: it has no {table.name}, as 'explain' writes it")
        outcomes = read_outcomes(table)
        section = {
            "name": folder.resolve().name,
            "overview": overview(outcomes, unit),
            "warnings": warnings_of(outcomes, unit),
            "confusion": confusion(outcomes),
            "ledger": ledger_rows(outcomes, ledger),
        }
        sections.append(section | dict(show(outcomes, choose_examples(outcomes, examples), table.with_suffix(SUFFIX))))
    if not sections:
        raise DomainError("there are no results to report")
    return sections
