"""What the tests of cells against a reference share: a cohort with donors, profiles, log-odds, and networks."""

import numpy as np
import torch
from torch import nn

from lrp_domains.genes import gene_model, made_cohort

from .same_cohorts import dense

GROUPS = ["Naive T", "CD4+/CD25 T Reg", "CD19+ B"]
REFERENCES = ["zero", "mean", "Naive T", "donor"]


def cohort(form="sparse"):
    adata = made_cohort()
    adata.obs["donor"] = [f"donor_{(i // 3) % 4}" for i in range(adata.n_obs)]
    if form == "dense":
        adata.X = adata.X.toarray()
    return adata


def profiles_of(adata, reference):
    """Return the values that each cell is compared with, computed from the dense matrix."""
    values = dense(adata.X).astype(float)
    if reference == "zero":
        return np.zeros_like(values)
    if reference == "donor":
        donors = adata.obs["donor"]
        return np.stack([values[(donors == donor).to_numpy()].mean(0) for donor in donors])
    chosen = np.ones(adata.n_obs, bool) if reference == "mean" else (adata.obs["group"] == reference).to_numpy()
    return np.broadcast_to(values[chosen].mean(0), values.shape)


def log_odds(network, values, target):
    """Compute log p / (1 - p) of a class per cell, from probabilities alone."""
    with torch.no_grad():
        p = network(torch.tensor(values).to(next(network.parameters()).dtype)).double().softmax(1).numpy()
    p = p[np.arange(len(p)), target]
    return np.log(p) - np.log1p(-p)


class Attention(nn.Module):
    """A transformer over all genes: the value of a gene scales its embedding."""

    def __init__(self, genes):
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(genes, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.block(x[:, :, None] * self.embedding).mean(1))


def linear_model():
    torch.manual_seed(0)
    adata = cohort()
    return gene_model(nn.Linear(adata.n_vars, 3).double(), adata.var_names, GROUPS, labels="group")
