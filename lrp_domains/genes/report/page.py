"""What the report says: tables and figures of a ranked cohort, put into the page's template."""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from jinja2 import Environment, PackageLoader, StrictUndefined

from .. import slots
from ..errors import CohortError
from ..files import whole_file
from ..labels import label_column
from ..rank import counted_cells, mean_relevance, provenance_of
from ..score import SCORES
from . import figures

# More genes or panels than this are hard to read in one figure.
GENES_PER_GROUP = 4
MAPS = 6
# A mean over fewer cells is marked as one not to rely on.
FEW = 5


def write_report(
    adata: AnnData, accuracy: pd.DataFrame, path: str | Path, *, top: int = 10, title: str = "cohort"
) -> None:
    """Write a self-contained HTML report of an explained and ranked cohort.

    Parameters
    ----------
    adata
        A cohort after `explain` and `rank_genes`.
    accuracy
        One row per fold, as in ``Classifiers.accuracy``.
    path
        The file to write.
    top
        How many genes to show per group.
    title
        What the cohort is called.
    """
    provenance = provenance_of(adata)
    if slots.RANKING not in adata.uns:
        raise CohortError("the cohort holds no ranked genes; rank them first: rank_genes(adata)")
    labels = label_column(adata, adata.uns[slots.RANKING]["params"]["groupby"])
    templates = Environment(
        loader=PackageLoader("lrp_domains.genes.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    page = templates.get_template("page.html.j2").render(
        title=title,
        adata=adata,
        groups=list(labels.cat.categories),
        provenance=provenance,
        score_in_words=SCORES[str(provenance["score"])],
        accuracy=accuracy,
        accuracy_mean=accuracy.mean(numeric_only=True),
        agreement=float((adata.obs[slots.PREDICTED].astype(str) == labels.astype(str)).mean()),
        confusion=figures.confusion(labels, adata.obs[slots.PREDICTED]),
        matrix=_matrix(adata, labels),
        maps=_maps(adata, labels),
        rankings=_rankings(adata, labels, top),
        top=top,
        few=FEW,
        books=_books(adata, labels),
        versions=_versions(provenance),
        key=slots.RANKING,
        layer=slots.RELEVANCE,
    )
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _matrix(adata: AnnData, labels: pd.Series) -> str:
    names = adata.uns[slots.RANKING]["names"]
    genes: list[str] = []
    starts = []
    for group in names.dtype.names:
        starts.append(len(genes))
        genes += [gene for gene in names[group][:GENES_PER_GROUP] if gene not in genes]
    return figures.relevance_matrix(mean_relevance(adata, labels.name), genes, starts)


def _maps(adata: AnnData, labels: pd.Series) -> dict[str, str] | None:
    """Draw the embedding by group, and by the first gene of the largest groups, in the groups' own order."""
    if slots.EMBEDDING not in adata.obsm:
        return None
    positions = np.asarray(adata.obsm[slots.EMBEDDING])[:, :2]
    names = adata.uns[slots.RANKING]["names"]
    first: dict[str, str] = {}
    for group in labels.value_counts().index:
        if group in names.dtype.names and len(first) < MAPS:
            first.setdefault(names[group][0], group)
    groups = list(labels.cat.categories)
    genes = sorted(first, key=lambda gene: groups.index(first[gene]))
    relevance = adata.layers[slots.RELEVANCE][:, adata.var_names.get_indexer(genes)]
    return {
        "groups": figures.group_map(positions, labels),
        "genes": figures.relevance_maps(positions, relevance, [f"{gene}\n(first for {first[gene]})" for gene in genes]),
    }


def _rankings(adata: AnnData, labels: pd.Series, top: int) -> list[dict]:
    """For each group its first genes by relevance beside the first by scanpy's Wilcoxon test."""
    ours, theirs = adata.uns[slots.RANKING], adata.uns.get(slots.WILCOXON)
    found = []
    for group in labels.cat.categories:
        ranked = group in ours["names"].dtype.names
        lrp = list(ours["names"][group][:top]) if ranked else []
        test = list(theirs["names"][group][:top]) if theirs is not None else []
        found.append(
            {
                "group": group,
                "cells": int((labels == group).sum()),
                "counted": int((counted_cells(adata, labels) & (labels == group)).sum()),
                "lrp": [
                    {"gene": gene, "score": score, "change": change, "both": gene in test}
                    for gene, score, change in zip(
                        lrp, ours["scores"][group][:top], ours["logfoldchanges"][group][:top], strict=True
                    )
                ]
                if ranked
                else [],
                "wilcoxon": [{"gene": gene, "both": gene in lrp} for gene in test],
                "shared": len(set(lrp) & set(test)),
            }
        )
    return found


def _books(adata: AnnData, labels: pd.Series) -> list[dict]:
    """For each group the mean score of its cells, and who holds it."""
    columns = adata.obs[[slots.SCORE, slots.REST]].groupby(labels, observed=True).mean()
    return [
        {
            "group": group,
            "score": columns.loc[group, slots.SCORE],
            "genes": columns.loc[group, slots.SCORE] - columns.loc[group, slots.REST],
            "rest": columns.loc[group, slots.REST],
        }
        for group in labels.cat.categories
    ]


def _versions(provenance: dict) -> dict[str, str]:
    """The versions that explained, as recorded, and those that drew the report."""
    recorded = {name: str(provenance[name]) for name in ("lrp_domains", "torch", "anndata")}
    return recorded | {name: version(name) for name in ("scanpy", "numpy", "matplotlib")}
