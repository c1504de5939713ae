"""The top genes of each group, compared with differential expression."""

from typing import Any

from ...domain.page import Drawing
from . import figures_of_groups
from .results import CohortResults

# More genes are hard to read in one figure.
GENES_PER_GROUP, MOST_GENES = 4, 60
AGAINST = 5
# A mean over fewer cells is marked as unreliable.
FEW = 5


def ranking(results: CohortResults, group: str, top: int) -> dict[str, Any]:
    """Return the top genes of a group, those against it, and the top genes by differential expression."""
    rows = results.genes_of(group)
    ranked = rows.head(top)
    differential = rows.dropna(subset="de_rank").sort_values("de_rank", kind="stable").head(top)["gene"]
    evidence = rows["positive"].sort_values(ascending=False).cumsum()
    counted = int(rows["cells"].iloc[0])
    both = set(ranked["gene"]) & set(differential)
    return {
        "group": group,
        "cells": int((results.labels == group).sum()),
        "counted": counted,
        "few": counted < FEW,
        "genes": [row | {"both": row["gene"] in both} for row in ranked.to_dict("records")],
        "differential": [{"gene": gene, "both": gene in both} for gene in differential],
        "shared": len(both),
        "against": rows[rows["score"] < 0].tail(AGAINST)[::-1][["gene", "score"]].to_dict("records"),
        "for_90": int((evidence < 0.9 * evidence.iloc[-1]).sum()) + 1 if evidence.iloc[-1] > 0 else 0,
    }


def matrix(results: CohortResults) -> Drawing:
    """Draw each group's top genes in all groups; a gene that is a top gene of several is drawn once."""
    genes: list[str] = []
    starts = []
    per_group = max(1, min(GENES_PER_GROUP, MOST_GENES // len(results.groups)))
    if len(results.groups) <= 2:
        per_group *= 3
    for group in results.groups:
        starts.append(len(genes))
        genes += [gene for gene in results.genes_of(group)["gene"].head(per_group) if gene not in genes]
    scores = results.table.pivot(index="gene", columns="group", values="score").loc[genes, results.groups]
    return figures_of_groups.relevance_matrix(scores, starts)
