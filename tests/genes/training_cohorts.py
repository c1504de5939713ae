"""Small cohorts for training, with a known signal to learn."""

import numpy as np
import pandas as pd
import torch
from anndata import AnnData

from lrp_domains.genes import Training

QUICK = Training(folds=3, hidden=8, epochs=5)
MARKERS = {
    "Naive T": {"g1_0", "g1_1", "g1_2"},
    "CD4+/CD25 T Reg": {"g2_0", "g2_1", "g2_2"},
    "CD19+ B": {"g3_0", "g3_1", "g3_2"},
}
KINDS = ("mlp", "linear", "transformer")


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def donors_of(adata, number):
    """Return names of donors, each with cells of every group."""
    return [f"donor_{(row // 3) % number}" for row in range(adata.n_obs)]


def planted(task, rows=300, seed=0):
    """Make patients of 12 genes, of which only the first two determine the outcome."""
    random = np.random.default_rng(seed)
    x = random.poisson(2.0, (rows, 12)) * (random.random((rows, 12)) < 0.7)
    adata = AnnData(np.log1p(x).astype(np.float32), obs=pd.DataFrame(index=[f"patient_{i}" for i in range(rows)]))
    adata.var_names = ["up", "down", *(f"other_{i}" for i in range(10))]
    signal = adata.X[:, 0] - adata.X[:, 1]
    if task == "value":
        adata.obs["wanted"] = 100 + 20 * signal + random.normal(scale=2, size=rows)
    elif task == "survival":
        until, seen = random.exponential(np.exp(-3 * signal)), random.exponential(2.0, rows)
        adata.obs["wanted"], adata.obs["months"] = (until <= seen).astype(int), np.minimum(until, seen)
    else:
        adata.obs["wanted"] = np.where(signal > 0, "high", "low")
    return adata
