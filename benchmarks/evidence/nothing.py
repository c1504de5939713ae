"""Does a ranking claim anything where nothing is there? ``python -m benchmarks.evidence.nothing FOLDER``.

Networks are trained with decoys on true labels and on permuted ones (label randomisation), of single cells
(``pbmc68k_reduced``) and of patients (``FOLDER/breast_vdxs.h5ad``).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from lrp_domains.genes import Training, demo_cohort, rank, relevance, train

from .cohorts import cohort
from .studies import run

PERMUTATIONS = 3
TOP = 20
STUDIES = {
    "blood cells, 10 types (pbmc68k_reduced)": ("bulk_labels", {}, Training()),
    "breast cancer, receptor status (VDX)": ("er", {"donor": "index", "normalisation": "zscore"}, Training(members=3)),
}


def read(labels: str, folder: Path) -> AnnData:
    """Read the cohort of a study."""
    return demo_cohort() if labels == "bulk_labels" else cohort(folder, "vdxs", labels)


def ranked(adata: AnnData, labels: str, data: dict, training: Training) -> tuple[dict, pd.DataFrame]:
    """Train with decoys, explain and rank; return what is claimed, and the table."""
    model = train(adata, labels, training=training, fdr=0.1, **data)
    relevance(adata, model, layer=None, donor=data.get("donor"))
    table = rank(adata)
    held_out = model.held_out
    return {
        "held out": held_out.value,
        "chance": held_out.chance,
        "at chance": held_out.at_chance,
        "p < .05": float((table["p_value"] < 0.05).mean()),
        "adjusted p <= .05": int((table["p_adjusted"] <= 0.05).sum()),
        "q <= .1": int((table["q_value"] <= 0.1).sum()),
        "genes": len(table),
    }, table


def likeness(one: pd.DataFrame, other: pd.DataFrame) -> dict[str, float]:
    """Return how alike two rankings are, the mean over groups."""
    found = []
    for group, rows in one.groupby("group"):
        scores = pd.concat(
            [of.set_index("gene")["score"] for of in (rows, other[other["group"] == group])], axis=1, keys=["a", "b"]
        )
        first = [set(scores[column].nlargest(TOP).index) for column in scores]
        found.append((scores.corr("spearman").loc["a", "b"], len(first[0] & first[1]) / len(first[0] | first[1])))
    spearman, jaccard = np.nanmean(found, axis=0)
    return {"spearman": float(spearman), "jaccard": float(jaccard)}


def measure(name: str, folder: Path) -> dict:
    """Return one row for the true labels, one for other networks of these, and one per permutation."""
    labels, data, training = STUDIES[name]
    adata = read(labels, folder)
    claims, true = ranked(adata.copy(), labels, data, training)
    rows = [{"labels": "true"} | claims]
    again, table = ranked(adata.copy(), labels, data, Training(members=training.members, seed=1))
    rows.append({"labels": "true, another seed"} | again | likeness(true, table))
    for number in range(PERMUTATIONS):
        permuted = adata.copy()
        order = np.random.default_rng(number).permutation(adata.n_obs)
        permuted.obs[labels] = adata.obs[labels].to_numpy()[order]
        claims, table = ranked(permuted, labels, data, training)
        rows.append({"labels": f"permuted {number}"} | claims | likeness(true, table))
    return {"rows": rows}


if __name__ == "__main__":
    run("nothing", STUDIES, measure, "Does a ranking claim anything where nothing is there?")
