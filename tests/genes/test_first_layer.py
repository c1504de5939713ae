"""Curves from the first layer are those from whole cells, and only of networks that read genes through one layer."""

import numpy as np
import pytest
import torch
from torch import nn

from lrp_domains.genes import Training, curves, gene_model, made_cohort, rank, relevance, train
from lrp_domains.genes.explanation.curves import perturbation
from lrp_domains.genes.explanation.curves.first_layer import first_layer


class Centred(nn.Module):
    """Centres and scales its genes before its first layer."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(60, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 3))
        self.register_buffer("mean", torch.rand(60))
        self.register_buffer("scale", torch.rand(60) + 0.5)

    def forward(self, x):
        return self.layers((x - self.mean) * self.scale)


class Skips(nn.Module):
    """Reads its genes twice."""

    def __init__(self):
        super().__init__()
        self.first, self.other = nn.Linear(60, 3), nn.Parameter(torch.rand(60, 3))

    def forward(self, x):
        return self.first(x) + x @ self.other


class Logs(Centred):
    """Reads its genes by a function that is not linear."""

    def forward(self, x):
        return self.layers(x.log1p())


class Calls(nn.Module):
    """Calls its first layer twice."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(60, 3)

    def forward(self, x):
        return self.first(x) + self.first(2 * x)


def deep():
    return nn.Sequential(nn.Dropout(0.5), nn.Linear(60, 8), nn.ReLU(), nn.Linear(8, 3))


def model_of(network):
    classes = list(made_cohort().obs["group"].cat.categories)
    return gene_model(network.eval(), made_cohort().var_names, classes, labels="group")


@pytest.mark.parametrize(
    "make, has_one",
    [(deep, True), (Centred, True), (lambda: nn.Linear(60, 3), True), (Skips, False), (Logs, False), (Calls, False)],
)
@pytest.mark.parametrize("reference", [None, "mean"])
def test_the_same_curves_as_from_whole_cells(make, has_one, reference, monkeypatch):
    adata, model = made_cohort(), model_of(make())
    assert (first_layer(model, model.networks[0][0]) is not None) == has_one
    relevance(adata, model, target="labelled", reference=reference)
    table = rank(adata, wilcoxon=False)
    result = curves(adata, model, table, most=20, cells=10)
    monkeypatch.setattr(perturbation, "first_layer", lambda model, network: None)
    expected = curves(adata, model, table, most=20, cells=10)
    np.testing.assert_allclose(result["probability"], expected["probability"], atol=1e-6)
    assert result["probability"].std() > 1e-3
    assert "forward" not in vars(model.networks[0][0])


def test_built_in_networks_have_one():
    for network in ("mlp", "linear"):
        model = train(made_cohort(), "group", training=Training(folds=3, epochs=2, network=network))
        assert all(first_layer(model, member) is not None for _, member in model.unseen(-1))
