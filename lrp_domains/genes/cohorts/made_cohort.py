"""A small synthetic cohort whose marker genes are known."""

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse


def made_cohort(cells: int = 120, genes: int = 60, markers: int = 3, seed: int = 0) -> AnnData:
    """Generate cells of three groups, each with some marker genes, as log-normalised sparse counts.

    Parameters
    ----------
    cells, genes
        Number of cells and of genes.
    markers
        Number of genes that mark each group: the first ``markers`` genes the first group, and so on. Their names start
        with the group's number: ``g1_0``, ``g1_1``, ...; all other genes are named ``other_0``, ...
    seed
        Fixes the counts.
    """
    random = np.random.default_rng(seed)
    groups = np.array(["Naive T", "CD4+/CD25 T Reg", "CD19+ B"])
    group = np.arange(cells) % len(groups)
    means = np.full((cells, genes), 0.5)
    for number in range(len(groups)):
        means[np.ix_(group == number, range(number * markers, (number + 1) * markers))] = 4.0
    counts = random.poisson(means)
    depth = np.maximum(counts.sum(1, keepdims=True), 1)
    names = [f"g{number + 1}_{i}" for number in range(len(groups)) for i in range(markers)]
    names += [f"other_{i}" for i in range(genes - len(names))]
    centres = np.array([[0.0, 0.0], [4.0, 0.0], [2.0, 3.0]])
    return AnnData(
        X=sparse.csr_matrix(np.log1p(counts / depth * 30).astype(np.float32)),
        obs=pd.DataFrame(
            {"group": pd.Categorical(groups[group], categories=groups)}, index=[f"cell_{i}" for i in range(cells)]
        ),
        var=pd.DataFrame(index=names),
        obsm={"X_umap": centres[group] + random.normal(scale=0.5, size=(cells, 2))},
    )
