"""Gene sets and markers from .gmt files and from tables of cell types and genes."""

from pathlib import Path

import pandas as pd

from ...domain import reason
from ..errors import CohortError, choices, listed


def read_gene_sets(path: str | Path) -> dict[str, list[str]]:
    """Read a ``.gmt`` file: one set per line, with its name, a description and its genes, separated by tabs."""
    sets: dict[str, list[str]] = {}
    for number, line in enumerate(_text(path, "gene sets", ".gmt").splitlines(), 1):
        if not line.strip():
            continue
        name, *rest = (part.strip() for part in line.split("\t"))
        genes = [gene for gene in dict.fromkeys(rest[1:]) if gene]
        if not name or not genes:
            raise CohortError(
                f"line {number} of '{path}' is not a gene set: '{line[:40]}'; a .gmt line is name, description and "
                "genes, separated by tabs"
            )
        if name in sets:
            raise CohortError(f"the set '{name}' is in '{path}' twice, again in line {number}; rename one of them")
        sets[name] = genes
    if not sets:
        raise CohortError(f"'{path}' holds no gene sets; a .gmt line is name, description and genes, separated by tabs")
    return sets


def read_markers(path: str | Path, *, group: str = "cell type", gene: str = "gene") -> dict[str, list[str]]:
    """Read the markers of cell types from a table, ``.csv`` or tab-separated, one row per marker or per cell type.

    Parameters
    ----------
    path
        The table.
    group, gene
        Names of its columns of cell types and of genes; a field may hold several genes, separated by commas.

    Examples
    --------
    >>> read_markers("PanglaoDB_markers_27_Mar_2020.tsv", gene="official gene symbol")
    >>> read_markers("CellMarker2_Human_Aug.csv", group="CT", gene="Gene")
    """
    _text(path, "markers", ".tsv or .csv")
    separator = "," if ".csv" in Path(path).suffixes else "\t"
    try:
        table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise CohortError(f"'{path}' could not be read as a table: {reason(error)}") from error
    for name in (group, gene):
        if name not in table:
            raise CohortError(
                f"the table of markers '{path}' has no column '{name}'; {choices(name, table.columns)} (name it with "
                "group=... or gene=...)"
            )
    markers: dict[str, list[str]] = {}
    for cell_type, field in zip(table[group].str.strip(), table[gene], strict=True):
        names = [name.strip() for name in field.split(",") if name.strip()]
        if cell_type and names:
            markers[cell_type] = list(dict.fromkeys([*markers.get(cell_type, []), *names]))
    if not markers:
        raise CohortError(f"the table of markers '{path}' has no row with both a '{group}' and a '{gene}'")
    return markers


def nothing_shared(measured: set[str], listed_genes: set[str], source: str) -> str:
    """Return the message that no measured gene is among those of a source."""
    return (
        f"no measured gene ({listed(sorted(measured), 3)}) is in {source} ({listed(sorted(listed_genes), 3)}); do both "
        "use symbols of the same species?"
    )


def _text(path: str | Path, what: str, kind: str) -> str:
    """Read a file as text."""
    path = Path(path)
    if not path.is_file():
        raise CohortError(f"there is no file of {what} '{path}'; pass a {kind} file")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CohortError(f"'{path}' is not UTF-8 text ({error.reason}); pass {what} as a {kind} file") from error
