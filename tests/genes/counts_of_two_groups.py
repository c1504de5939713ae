"""Counts of two groups in which one gene differs, and small networks fitted to them."""

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from scipy import sparse
from torch import nn

from lrp_domains import CP_LRP
from lrp_domains.genes import relevance

GENES = [f"g{i}" for i in range(30)]
CLASSES = ["low", "high"]
RULES = {"rules": CP_LRP, "score": "logit", "target": "high", "groupby": "group"}


def cohort(cells=40, markers=("g7",), seed=0) -> AnnData:
    """Counts of two groups; the markers are the only genes that differ."""
    random = np.random.default_rng(seed)
    group = np.arange(cells) % 2
    means = np.full((cells, len(GENES)), 0.7)
    for marker in markers:
        means[group == 1, GENES.index(marker)] = 8.0
    return AnnData(
        X=sparse.csr_matrix(random.poisson(means).astype(np.float64)),
        obs=pd.DataFrame(
            {"group": pd.Categorical(np.array(CLASSES)[group], categories=CLASSES)},
            index=[f"c{i}" for i in range(cells)],
        ),
        var=pd.DataFrame(index=GENES),
    )


def explained(adata, model, **more):
    """Explain a cohort and return its relevance as an array."""
    relevance(adata, model, **RULES | more)
    return adata.layers["lrp"].toarray()


def fit(network, run, adata, steps=60):
    """Train on a whole cohort at once."""
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    label = torch.tensor(adata.obs["group"].cat.codes.to_numpy().copy()).long()
    for _ in range(steps):
        optimiser.zero_grad()
        nn.functional.cross_entropy(run(network), label).backward()
        optimiser.step()
    network.eval()
    with torch.no_grad():
        assert (run(network).argmax(1) == label).double().mean() > 0.95
    return network


def leading(adata, model):
    """Return the gene of most relevance for the class that has the marker, over its cells."""
    adata = adata[adata.obs["group"] == model.classes[1]].copy()
    return GENES[explained(adata, model).mean(0).argmax()]
