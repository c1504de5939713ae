"""The tidy table of ranked genes: one schema, written as .tsv or .parquet."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ...domain import reason, whole_file
from ...domain.files.tsv import read_tsv, write_tsv
from ..errors import CohortError, choices, listed

# Column: type, unit (none for names and plain numbers), description.
COLUMNS = {
    "cohort": ("str", "", "the cohort"),
    "group": ("str", "", "the group of cells or patients"),
    "gene": ("str", "", "the gene, by its name in the cohort"),
    "rank": ("int", "", "1 is the highest score within cohort and group"),
    "score": (
        "float",
        "of the score",
        "mean relevance over the group's counted cells, in units of the explained score (logits of a classifier); "
        "ordered by consistency m abs(m) / sd, of this mean m and the standard deviation over cells",
    ),
    "low": (
        "float",
        "of the score",
        "lower end of the 95 % bootstrap interval of the score over donors or blocks of cells, with the networks held "
        "fixed; it doesn't test whether the gene differs between groups",
    ),
    "high": ("float", "of the score", "upper end of this interval"),
    "positive": ("float", "of the score", "mean of the positive part of relevance: evidence for the group"),
    "negative": (
        "float",
        "of the score",
        "mean of the negative part: evidence against the group; positive + negative is mean relevance",
    ),
    "effect_size": (
        "float",
        "standard deviations",
        "Cohen's d of relevance against the counted cells of the other groups",
    ),
    "share_positive": ("float", "0 to 1", "share of cells in which the gene is evidence for the group"),
    "share_top": ("float", "0 to 1", "share of cells that have the gene among their top genes"),
    "selected": (
        "float",
        "0 to 1",
        "share of networks (folds x seeds) that have the gene among the group's top genes",
    ),
    "log2_fold_change": (
        "float",
        "log2",
        "log2 fold change of expression, group against the rest, as scanpy computes it (from means of logs, by the "
        "layer's base); a mean below the detection limit, one unit in one cell of its side, is set to it; of values "
        "around zero the difference of means; empty without a rest",
    ),
    "direction": ("int", "1 or -1", "1 where mean expression in the group is not below that of the rest, else -1"),
    "evidence": (
        "str",
        "",
        "presence, or absence where genes have relevance without being expressed (values around zero, references) and "
        "this one is lower in the group (direction -1); against for a score below 0, none for 0",
    ),
    "p_value": (
        "float",
        "0 to 1",
        "how often decoys score as high, on the scale of their level; empty without decoys: no test was made",
    ),
    "p_adjusted": ("float", "0 to 1", "p_value adjusted by Benjamini and Hochberg, within cohort and group"),
    "de_score": (
        "float",
        "z or t",
        "differential expression, group against the rest: Wilcoxon's z, or Welch's t for large files; may be empty",
    ),
    "de_rank": ("float", "", "1 is the highest de_score; may be empty"),
    "decoy_score": ("float", "of the score", "mean score of the gene's decoys; with decoys"),
    "q_value": (
        "float",
        "0 to 1",
        "lowest false discovery rate at which the gene beats its decoy (knockoff+, median over draws); with decoys",
    ),
    "discovery": ("int", "1 or 0", "1 where q_value is at most the rate that was asked for; with decoys"),
    "cells": ("int", "cells", "number of counted cells"),
}
NAMES = ("cohort", "group", "gene")
WITH_DECOYS = ("decoy_score", "q_value", "discovery")  # only of genes that were compared with decoys
REFERENCE = "reference"  # only of cells that were explained against one: its name
REQUIRED = ("cohort", "group", "gene", "rank", "score")


def check_ranking(table: pd.DataFrame) -> pd.DataFrame:
    """Raise if a table isn't one of ranked genes; return it with its names as text.

    Names, rank and score are required; other columns may be missing, but must follow the schema if present.
    """
    if missing := [name for name in REQUIRED if name not in table]:
        raise CohortError(
            f"the table of ranked genes has no column {listed(missing)}; {choices(missing[0], table.columns)}"
        )
    if table.empty:
        raise CohortError("the table of ranked genes has no rows; rank a cohort first")

    for name in NAMES:
        unnamed = (table[name].isna() | (table[name].astype(str) == "")).to_numpy()
        if unnamed.any():
            raise CohortError(
                f"{int(unnamed.sum())} rows of the table of ranked genes have no {name}, first row "
                f"{int(unnamed.argmax()) + 1}; name it or drop these rows"
            )

    table = table.astype(dict.fromkeys(NAMES, str))
    if REFERENCE in table:  # of several cohorts, some may have none
        table[REFERENCE] = table[REFERENCE].where(table[REFERENCE].notna(), "").astype(str)
    for name, (kind, _, _) in COLUMNS.items():
        if name in table and kind != "str" and not _holds_numbers(table[name]):
            raise CohortError(
                f"the column '{name}' of the table of ranked genes holds {table[name].dtype}, not numbers"
            )

    _check_rows(table, "score", ~np.isfinite(table["score"]), expected="a finite number; drop genes without a score")
    whole = (table["rank"] >= 1) & (table["rank"] % 1 == 0)
    _check_rows(table, "rank", ~whole, expected="a whole number from 1 on")
    if "direction" in table:
        invalid = ~table["direction"].isin([1, -1])
        _check_rows(table, "direction", invalid, expected="1 or -1; use one for all cohorts, or none")

    twice = table.duplicated([*NAMES])
    if twice.any():
        raise CohortError(
            f"{int(twice.sum())} rows occur twice, first {_place(table[twice].iloc[0])}; pass each table once, "
            "and use a different name for each cohort"
        )
    return table


def _holds_numbers(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _check_rows(table: pd.DataFrame, name: str, invalid: pd.Series, *, expected: str) -> None:
    """Raise with the first row whose value is invalid."""
    if invalid.any():
        row = table[invalid].iloc[0]
        raise CohortError(f"the {name} of {_place(row)} is {row[name]}, not {expected}")


def _place(row: pd.Series) -> str:
    return f"gene '{row['gene']}' in group '{row['group']}' of cohort '{row['cohort']}'"


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write ranked genes as ``.tsv`` or ``.parquet``; the file appears whole or not at all."""
    path = Path(path)
    if path.suffix not in (".tsv", ".parquet"):
        raise CohortError(f"'{path}' should end in .tsv or .parquet")
    table = check_ranking(table)
    if path.suffix == ".tsv":
        write_tsv(table, path)
        return
    with whole_file(path) as temporary:
        write_by_group(table, temporary)


def write_by_group(table: pd.DataFrame, path: str | Path) -> None:
    """Write checked ranked genes as ``.parquet``, each group of a cohort as one row group that can be read alone.

    The types of columns are those of `COLUMNS`, whatever values they hold, so that the files of all cohorts have the
    same schema.
    """
    inferred = pa.Schema.from_pandas(table, preserve_index=False)
    schema = pa.schema([pa.field(field.name, _stored_type(table[field.name], field.type)) for field in inferred])
    with pq.ParquetWriter(path, schema) as writer:
        for _, rows in table.groupby(["cohort", "group"], sort=False):
            writer.write_table(pa.Table.from_pandas(rows, schema, preserve_index=False), row_group_size=len(rows))


def _stored_type(values: pd.Series, inferred: pa.DataType) -> pa.DataType:
    """Return the type that a column is stored in; for unknown columns, that of its values."""
    kind = "str" if values.name == REFERENCE else COLUMNS.get(str(values.name), ("",))[0]
    if kind == "int":  # empty where some cohorts have no value
        return pa.int64() if (values.dropna() % 1 == 0).all() else inferred
    return {"str": pa.string(), "float": pa.float64()}.get(kind, inferred)


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table of ranked genes: the same numbers, to the last digit, from ``.tsv`` and ``.parquet``."""
    path = Path(path)
    if not path.is_file():
        raise CohortError(f"there is no table '{path}'; write it with 'lrp-domains genes rank'")

    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:  # a gene may be named NA or NaN
            table = read_tsv(path, text=(*NAMES, "evidence", REFERENCE), float_precision="round_trip")
    except Exception as error:  # pyarrow and pandas raise many kinds for a foreign file
        raise CohortError(f"'{path}' could not be read as a table: {reason(error)}") from error

    try:
        return check_ranking(table)
    except CohortError as error:
        raise CohortError(f"'{path}': {error}") from error


def schema_in_words() -> str:
    """Return the schema as a Markdown table, for the documentation."""
    rows = [f"| `{name}` | {kind} | {unit} | {what} |" for name, (kind, unit, what) in COLUMNS.items()]
    return "\n".join(["| column | type | unit | |", "| --- | --- | --- | --- |", *rows])
