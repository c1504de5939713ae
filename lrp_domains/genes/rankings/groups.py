"""Ranked genes of several cohorts, of which one group at a time is in memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from ...domain import reason, whole_file
from ..errors import CohortError, listed
from .tables import REFERENCE, REQUIRED, check_ranking, read_table, write_by_group

# Returns some columns of the genes of one group of one cohort; of those that the table lacks none.
Rows = Callable[[Sequence[str]], pd.DataFrame]


@dataclass(frozen=True)
class RankedGroups:
    """Ranked genes of several cohorts, which are read one group at a time.

    Attributes
    ----------
    columns
        The columns that some table has.
    everywhere
        The columns that all tables have.
    references
        What cohorts were explained against; empty if no table says so.
    rows
        By cohort and group, in the order of the tables: functions that read the genes.
    """

    columns: frozenset[str]
    everywhere: frozenset[str]
    references: frozenset[str]
    rows: dict[tuple[str, str], list[Rows]]

    @property
    def cohorts(self) -> list[str]:
        """The cohorts, in the order of the tables."""
        return list(dict.fromkeys(cohort for cohort, _ in self.rows))

    @property
    def groups(self) -> dict[str, list[str]]:
        """The groups and the cohorts that rank them, in the order of the tables."""
        groups: dict[str, list[str]] = {}
        for cohort, group in self.rows:
            groups.setdefault(group, []).append(cohort)
        return groups

    def read(self, cohort: str, group: str, columns: Sequence[str]) -> pd.DataFrame:
        """Read the genes of one group of one cohort, checked."""
        columns = [name for name in dict.fromkeys([*REQUIRED, *columns]) if name in self.columns]
        parts = [read(columns) for read in self.rows[cohort, group]]
        return parts[0] if len(parts) == 1 else check_ranking(pd.concat(parts, ignore_index=True))

    def matrices(self, group: str, columns: Sequence[str]) -> dict[str, pd.DataFrame]:
        """Read one group of all cohorts: genes x cohorts for each column, both sorted; NaN if a cohort lacks a gene."""
        cohorts = sorted(self.groups[group])
        number_of: dict[str, int] = {}  # of a gene; its name is kept once, not once per cohort
        parts = []
        for cohort in cohorts:
            part = self.read(cohort, group, columns)
            numbers = np.array([number_of.setdefault(gene, len(number_of)) for gene in part["gene"]], np.int32)
            parts.append((numbers, {name: part[name].to_numpy(float) for name in columns if name in part}))

        genes = pd.Index(sorted(number_of), dtype=object, name="gene")
        row_of = np.empty(len(genes), np.int32)
        row_of[[number_of[gene] for gene in genes]] = np.arange(len(genes))
        matrices = {name: np.full((len(genes), len(cohorts)), np.nan) for name in columns}
        for column, (numbers, values) in enumerate(parts):
            for name in values:
                matrices[name][row_of[numbers], column] = values[name]
        names = pd.Index(cohorts, name="cohort")
        return {name: pd.DataFrame(matrix, index=genes, columns=names) for name, matrix in matrices.items()}


def groups_of(table: pd.DataFrame | RankedGroups) -> RankedGroups:
    """Check a table of ranked genes in memory, and return its groups; groups that are read from files are returned."""
    if isinstance(table, RankedGroups):
        return table
    table = check_ranking(table)
    rows: dict[tuple[str, str], list[Rows]] = {
        names: [lambda columns, part=part: part[list(columns)]]
        for names, part in table.groupby(["cohort", "group"], sort=False)
    }
    columns = frozenset(table.columns)
    return RankedGroups(columns, columns, references=frozenset(table.get(REFERENCE, ())), rows=rows)


@contextmanager
def open_tables(paths: Iterable[str | Path]) -> Iterator[RankedGroups]:
    """Open tables of ranked genes for `consensus`, `agreement` and `enrich`, which then hold one group at a time.

    Parameters
    ----------
    paths
        ``.parquet`` or ``.tsv`` files, one per cohort, as `write_table` writes them; the files are open until the block
        ends. A ``.tsv`` file, or a ``.parquet`` file that mixes groups, is copied to a temporary file first.

    Examples
    --------
    >>> with open_tables(["pbmc/genes.parquet", "pancreas/genes.parquet"]) as tables:
    ...     shared = consensus(tables)
    """
    with TemporaryDirectory() as folder:
        files = [_by_group(Path(path), Path(folder, f"{number}.parquet")) for number, path in enumerate(paths)]
        if not files:
            raise CohortError("there are no tables of ranked genes; rank a cohort first")
        rows: dict[tuple[str, str], list[Rows]] = {}
        references: set[str | None] = set()
        for file in files:
            for number in range(file.metadata.num_row_groups):
                (cohort,), (group,) = (file.values(number, name) for name in ("cohort", "group"))
                read = partial(file.rows, number, cohort=cohort, group=group)
                rows.setdefault((cohort, group), []).append(read)
                references |= file.values(number, REFERENCE) if REFERENCE in file.columns else set()
        columns = [frozenset(file.columns) for file in files]
        everywhere = frozenset.intersection(*columns)
        if references and REFERENCE not in everywhere:
            references.add("")
        references = {reference or "" for reference in references}
        ranked = RankedGroups(frozenset.union(*columns), everywhere, references=frozenset(references), rows=rows)
        for (cohort, group), parts in rows.items():
            if len(parts) > 1:  # whose genes mustn't occur twice
                ranked.read(cohort, group, [])
        yield ranked


def check_direction(ranked: RankedGroups) -> None:
    """Raise if some cohort lacks the direction of expression."""
    if "direction" not in ranked.columns:
        raise CohortError("the table of ranked genes has no column 'direction'; use direction=False")
    if "direction" not in ranked.everywhere:
        raise CohortError("some tables of ranked genes have no column 'direction'; use direction=False")


def check_references(ranked: RankedGroups) -> None:
    """Raise if cohorts were explained against different references, so that their scores answer different questions."""
    references = sorted(reference or "none" for reference in ranked.references)
    if len(references) > 1:
        raise CohortError(
            f"the cohorts were explained against different references: {listed(references)}; explain all cohorts "
            "against the same one"
        )


@dataclass(frozen=True)
class _File:
    """A table in a ``.parquet`` file, which is only open while it is read; `path` is the one that the user named."""

    path: Path
    stored: Path
    metadata: pq.FileMetaData

    @property
    def columns(self) -> list[str]:
        return self.metadata.schema.names

    def values(self, number: int, column: str) -> set[str | None]:
        """Return the distinct values of a column of text in a row group: from its statistics where they tell."""
        about = self.metadata.row_group(number).column(self.columns.index(column)).statistics
        if about is not None and about.has_min_max and not about.null_count and about.min == about.max:
            return {about.min}
        return set(self._read(number, [column])[column].unique())

    def rows(self, number: int, columns: Sequence[str], *, cohort: str, group: str) -> pd.DataFrame:
        """Read a row group, which is one group of one cohort."""
        names = {"cohort": cohort, "group": group}
        table = self._read(number, [name for name in columns if name in self.columns and name not in names])
        try:
            return check_ranking(table.assign(**names))
        except CohortError as error:
            raise CohortError(f"'{self.path}': {error}") from error

    def _read(self, number: int, columns: list[str]) -> pd.DataFrame:
        try:
            with pq.ParquetFile(self.stored, metadata=self.metadata) as file:
                return file.read_row_group(number, columns=columns).to_pandas()
        except Exception as error:  # of a damaged file
            raise CohortError(f"'{self.path}' could not be read as a table: {reason(error)}") from error


def _by_group(path: Path, copy: Path) -> _File:
    """Return a table whose row groups are one group each: the file itself, or a copy of one of another layout."""
    if path.suffix == ".parquet" and path.is_file():
        try:
            file = _File(path, path, pq.read_metadata(path))
        except Exception as error:  # pyarrow raises many kinds for a foreign file
            raise CohortError(f"'{path}' could not be read as a table: {reason(error)}") from error
        if set(REQUIRED) <= set(file.columns) and _is_by_group(file):
            return file
    table = read_table(path)
    with whole_file(copy) as temporary:  # whose error of a full disk names the folder of temporary files
        write_by_group(table, temporary)
    return _File(path, copy, pq.read_metadata(copy))


def _is_by_group(file: _File) -> bool:
    """Return whether each row group is one named group of one named cohort."""
    values = [
        file.values(number, name) for number in range(file.metadata.num_row_groups) for name in ("cohort", "group")
    ]
    return bool(values) and all(len(names) == 1 and all(names) for names in values)
