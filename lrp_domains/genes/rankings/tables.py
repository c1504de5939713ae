"""The tidy table of ranked genes: one schema, written as .tsv or .parquet."""

from pathlib import Path

import numpy as np
import pandas as pd

from ...files import whole_file
from ..errors import CohortError, choices, listed

# Column: type, what it says.
COLUMNS = {
    "cohort": ("str", "the cohort"),
    "group": ("str", "the group of cells or patients"),
    "gene": ("str", "the gene, by its name in the cohort"),
    "rank": ("int", "1 is the highest score within cohort and group"),
    "score": ("float", "mean relevance over the group's counted cells, in units of the explained score (logits)"),
    "low": ("float", "lower end of the 95 % bootstrap interval of the score, over donors or blocks of cells"),
    "high": ("float", "its upper end"),
    "positive": ("float", "mean of the positive part of relevance: evidence for the group"),
    "negative": ("float", "mean of the negative part: evidence against it; score = positive + negative"),
    "effect_size": ("float", "Cohen's d of relevance against the counted cells of the other groups"),
    "share_positive": ("float", "share of cells in which the gene speaks for the group"),
    "share_top": ("float", "share of cells that have the gene among their first genes"),
    "selected": ("float", "share of networks (folds x seeds) that have the gene among the group's first genes"),
    "log2_fold_change": ("float", "log2 fold change of expression, group against the rest"),
    "direction": ("int", "1 where mean expression in the group is above that of the rest, else -1"),
    "p_value": ("float", "t-test over donors of mean relevance against 0; empty without three donors"),
    "p_adjusted": ("float", "the same after Benjamini and Hochberg, within cohort and group"),
    "de_score": (
        "float",
        "differential expression, group against the rest: Wilcoxon's z, or Welch's t for large files",
    ),
    "de_rank": ("float", "1 is the highest de_score"),
    "cells": ("int", "how many cells were counted"),
}
_NEEDED = ("cohort", "group", "gene", "rank", "score")


def check_ranking(table: pd.DataFrame) -> pd.DataFrame:
    """Refuse a table that isn't one of ranked genes; give it back with its names as text."""
    if absent := [name for name in _NEEDED if name not in table]:
        raise CohortError(
            f"the table of ranked genes has no column {listed(absent)}; {choices(absent[0], table.columns)}"
        )
    table = table.astype(dict.fromkeys(("cohort", "group", "gene"), str))
    for name, (kind, _) in COLUMNS.items():
        if name in table and kind != "str" and not pd.api.types.is_numeric_dtype(table[name]):
            raise CohortError(
                f"the column '{name}' of the table of ranked genes holds {table[name].dtype}, not numbers"
            )
    if not np.isfinite(table["score"]).all():
        row = table[~np.isfinite(table["score"])].iloc[0]
        raise CohortError(
            f"the score of gene '{row['gene']}' in group '{row['group']}' of cohort '{row['cohort']}' is not finite"
        )
    twice = table.duplicated(["cohort", "group", "gene"])
    if twice.any():
        row = table[twice].iloc[0]
        raise CohortError(
            f"{int(twice.sum())} rows are there twice, first gene '{row['gene']}' in group '{row['group']}' of cohort "
            f"'{row['cohort']}'; give each table once, and each cohort a name of its own"
        )
    return table


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table as ``.tsv`` or ``.parquet``; the file appears whole or not at all."""
    path = Path(path)
    if path.suffix not in (".tsv", ".parquet"):
        raise CohortError(f"'{path}' should end in .tsv or .parquet")
    with whole_file(path) as temporary:
        if path.suffix == ".tsv":
            table.to_csv(temporary, sep="\t", index=False)
        else:
            table.to_parquet(temporary, index=False)


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table of ranked genes."""
    path = Path(path)
    if not path.is_file():
        raise CohortError(f"there is no table '{path}'; write it with 'lrp-domains genes rank'")
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:  # a gene may be called NA or NaN
            names = dict.fromkeys(("cohort", "group", "gene"), str)
            table = pd.read_csv(path, sep="\t", dtype=names, keep_default_na=False, na_values="")
    except Exception as error:  # pyarrow and pandas raise many kinds for a foreign file
        raise CohortError(
            f"'{path}' could not be read as a table: {(str(error) or repr(error)).splitlines()[0]}"
        ) from error
    return check_ranking(table)


def schema_in_words() -> str:
    """Give the schema as a Markdown table, for the documentation."""
    rows = [f"| `{name}` | {kind} | {what} |" for name, (kind, what) in COLUMNS.items()]
    return "\n".join(["| column | type | |", "| --- | --- | --- |", *rows])
