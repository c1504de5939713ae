"""The top genes of each group, compared with differential expression."""

from typing import Any

import pandas as pd
from scipy import sparse

from ...domain.page import Drawing
from ..cohorts.values.layers import find_layer
from ..errors import CohortError
from ..figures.ranked_genes import RankedGenes
from ..figures.volcano import discoveries, volcano
from ..figures.with_scanpy import draw_dots, draw_matrix, flat, selection
from .cell_section import largest
from .pictures import placed_picture, trimmed_picture
from .results import DRAWN, CohortResults

# More genes are hard to read in one figure.
GENES_PER_GROUP, MOST_GENES = 4, 60
AGAINST = 5
# A mean over fewer cells is marked as unreliable.
FEW = 5
# More volcano plots would make a page too large.
VOLCANOES = 12
# Values around zero, in which a gene that a group lacks can be evidence for it.
CENTRED = ("centred", "zscore")
INCHES_A_GENE, INCHES_A_GROUP, LEGENDS = 0.26, 0.42, 3.6
# Dots of more groups are hard to tell apart.
DOTTED_GROUPS = 12


def ranking(results: CohortResults, group: str, top: int) -> dict[str, Any]:
    """Return the top genes of a group, those against it, and the top genes by differential expression."""
    rows = results.genes_of(group)
    absent = absent_genes(results, rows)
    ranked, lower = rows[~absent].head(top), rows[absent].head(top)
    differential = rows.dropna(subset="de_rank").sort_values("de_rank", kind="stable").head(top)["gene"]
    evidence = rows["positive"].sort_values(ascending=False).cumsum()
    counted = int(rows["cells"].iloc[0])
    both = set(ranked["gene"]) & set(differential)
    found = discoveries(rows, results.rate)
    lists = [{"title": "higher in the group" if len(lower) else "", "genes": _records(ranked, both)}]
    if len(lower):
        lists.append({"title": "lower in the group", "genes": _records(lower, both)})
    drawn = group in largest(results, VOLCANOES) and rows["log2_fold_change"].notna().any()
    return {
        "group": group,
        "cells": int((results.labels == group).sum()),
        "counted": counted,
        "few": counted < FEW,
        "lists": lists,
        "first": list(ranked["gene"].head(3)),
        "discoveries": None if found is None else int(found.sum()),
        "differential": [{"gene": gene, "both": gene in both} for gene in differential],
        "shared": len(both),
        "against": rows[rows["score"] < 0].tail(AGAINST)[::-1][["gene", "score"]].to_dict("records"),
        "for_90": int((evidence < 0.9 * evidence.iloc[-1]).sum()) + 1 if evidence.iloc[-1] > 0 else 0,
        "volcano": _volcano(results, group, rows) if drawn else None,
    }


def absent_genes(results: CohortResults, rows: pd.DataFrame) -> pd.Series:
    """Return which genes speak for their group by their absence: they are lower in it, and yet raise the score."""
    if "evidence" in rows:
        return rows["evidence"] == "absence"
    if "direction" not in rows or results.provenance["normalisation"] not in CENTRED:
        return pd.Series(False, index=rows.index)
    return (rows["direction"] < 0) & (rows["score"] > 0)


def _records(rows: pd.DataFrame, both: set[str]) -> list[dict[str, Any]]:
    return [row | {"both": row["gene"] in both} for row in rows.to_dict("records")]


def _volcano(results: CohortResults, group: str, rows: pd.DataFrame) -> Drawing:
    """Draw the relevance of a group's genes against their fold changes."""
    place = (0.65, 0.95, 4.85, 2.75)
    return placed_picture(
        lambda axes: volcano(rows, group, rate=results.rate, n_labels=10, ax=axes), 5.6, 4, place=place
    )


def top_genes_figure(results: CohortResults) -> dict[str, Any]:
    """Draw each group's top genes in all groups: as dots where cells lack genes, otherwise as a matrix."""
    per_group = max(1, min(GENES_PER_GROUP, MOST_GENES // len(results.groups)))
    if len(results.groups) <= 2:
        per_group *= 3
    names = {}
    for group in results.groups:
        rows = results.genes_of(group)
        names[group] = list(rows[~absent_genes(results, rows)]["gene"].head(per_group))
    ranked = RankedGenes(str(results.provenance["groupby"]), names)
    drawn = ranked.top(per_group)
    genes = flat(drawn)
    parts = [results.genes_of(group).set_index("gene")["score"].reindex(genes) for group in results.groups]
    means = pd.DataFrame(parts, index=results.groups)

    cells = _expressed(results, ranked, genes)

    def draw(axes) -> None:
        if cells is None:
            draw_matrix(ranked, drawn, means, swap_axes=True, ax=axes)
        else:
            draw_dots(cells, ranked, drawn, means=means, swap_axes=True, ax=axes)

    width = LEGENDS + INCHES_A_GROUP * len(results.groups)
    return {"figure": trimmed_picture(draw, width, 1.5 + INCHES_A_GENE * len(genes)), "dots": cells is not None}


def _expressed(results: CohortResults, ranked: RankedGenes, genes: list[str]):
    """Return the expression of some genes; None where sizes of dots say nothing, or couldn't be seen."""
    provenance = results.provenance
    if provenance["normalisation"] in CENTRED or len(results.groups) > DOTTED_GROUPS:
        return None
    try:
        stored = find_layer(results.adata, str(provenance["layer"]))
    except CohortError:  # only tables were kept
        return None
    if not (sparse.issparse(stored) or getattr(stored, "format", "") == "csr"):
        return None
    return selection(results.adata, ranked, genes, values="expression", most_cells=DRAWN)
