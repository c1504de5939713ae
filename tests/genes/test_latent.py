"""Hidden neurons: their relevance is conserved, and so is that of genes through all of them."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lrp_domains import CP_LRP
from lrp_domains.genes import (
    CohortError,
    Training,
    gene_model,
    genes_of_neuron,
    latent_relevance,
    made_cohort,
    rank,
    relevance,
    train,
)


@pytest.fixture
def adata():
    made = made_cohort()
    made.X = made.X.astype(np.float64)
    return made


def planted():
    """Neuron 0 reads gene g1_0 and supports the first class, neuron 1 reads g2_0 for the second, neuron 2 nothing."""
    network = nn.Sequential(nn.Linear(60, 3, bias=False), nn.ReLU(), nn.Linear(3, 3, bias=False)).double()
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].weight[0, 0] = network[0].weight[1, 3] = 1.0
        network[2].weight.copy_(torch.diag(torch.tensor([2.0, 2.0, 0.0])))
    return network


def model_of(network, adata):
    return gene_model(network, adata.var_names, list(adata.obs["group"].cat.categories), labels="group")


def test_the_planted_neurons_carry_their_groups(adata):
    result = latent_relevance(adata, model_of(planted(), adata), "1", target="labelled")
    first = result.groupby("group", sort=False).head(1).set_index("group")["neuron"]
    assert (first["Naive T"], first["CD4+/CD25 T Reg"]) == (0, 1)
    assert (result.loc[result["neuron"] == 2, "relevance"] == 0).all()
    assert (result["cells"] == 40).all()


def test_the_planted_gene_drives_its_neuron(adata):
    for neuron, gene in ((0, "g1_0"), (1, "g2_0")):
        result = genes_of_neuron(adata, model_of(planted(), adata), "1", neuron, target="labelled")
        driven = result[result["relevance"] != 0]
        assert set(driven["gene"]) == {gene} and len(driven) == 3


@pytest.mark.parametrize("module", ["1", "3"])
def test_neurons_add_up_to_the_score_and_to_the_genes(adata, module):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(60, 7), nn.GELU(), nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3)).double()
    model = model_of(network, adata)
    request = {"target": "labelled", "rules": CP_LRP}
    relevance(adata, model, **request)
    whole = rank(adata, wilcoxon=False).set_index(["group", "gene"])["score"]
    neurons = latent_relevance(adata, model, module, **request)
    parts = [
        genes_of_neuron(adata, model, module, neuron, **request).set_index(["group", "gene"])["relevance"]
        for neuron in range(neurons["neuron"].max() + 1)
    ]
    np.testing.assert_allclose(sum(parts).loc[whole.index], whole, rtol=1e-5, atol=1e-7)
    for group, rows in neurons.groupby("group"):
        cells = (adata.obs["group"] == group).to_numpy()
        last_bias = network[-1].bias.detach().numpy()
        if module == "3":  # only the last layer's bias is between these neurons and the score
            logits = network(torch.tensor(adata.X[cells].toarray())).detach()
            t = list(model.classes).index(group)
            others = logits.clone().index_fill_(1, torch.tensor([t]), -torch.inf).softmax(1).numpy()
            bias = last_bias[t] - (others * last_bias).sum(1)
            assert rows["relevance"].sum() == pytest.approx(
                adata.obs["lrp_score"][cells].mean() - bias.mean(), rel=1e-6
            )
            assert rows["share"].sum() == pytest.approx(rows["relevance"].sum() / adata.obs["lrp_score"][cells].mean())


class Heads(nn.Module):
    """Attention over genes with two heads, whose values come from different genes."""

    def __init__(self):
        super().__init__()
        self.genes = nn.Parameter(torch.randn(60, 4))
        with torch.no_grad():
            self.genes.zero_()
            self.genes[0, :2] = torch.tensor([1.0, 0.5])  # g1_0 is seen by the first head alone
            self.genes[3, 2:] = torch.tensor([0.7, -1.0])  # g2_0 by the second
        self.mixed = nn.Identity()
        self.head = nn.Linear(4, 3, bias=False)

    def forward(self, x):
        value = (x[:, :, None] * self.genes).unflatten(-1, (2, 2)).transpose(1, 2)  # cells, heads, genes, 2
        mixed = (value @ value.transpose(2, 3)).softmax(-1) @ value
        return self.head(self.mixed(mixed.transpose(1, 2).flatten(2)).mean(1))


def test_heads_take_the_place_of_neurons(adata):
    model = model_of(Heads().double(), adata)
    request = {"target": "labelled", "rules": CP_LRP}
    single = latent_relevance(adata, model, "mixed", **request)
    heads = latent_relevance(adata, model, "mixed", heads=2, **request)
    assert set(single["neuron"]) == {0, 1, 2, 3} and set(heads["neuron"]) == {0, 1}
    summed = single.groupby(["group", single["neuron"] // 2])["relevance"].sum()
    np.testing.assert_allclose(heads.set_index(["group", "neuron"])["relevance"].loc[summed.index], summed, rtol=1e-9)
    for head, gene in ((0, "g1_0"), (1, "g2_0")):
        result = genes_of_neuron(adata, model, "mixed", head, heads=2, **request)
        assert set(result.loc[result["relevance"] != 0, "gene"]) == {gene}
    with pytest.raises(CohortError, match=r"the 4 numbers of 'mixed' can't be split into 3 equal heads"):
        latent_relevance(adata, model, "mixed", heads=3, **request)


def test_of_a_trained_model_one_network_and_the_cells_that_it_has_not_seen():
    adata = made_cohort()
    model = train(adata, "group", training=Training(folds=3, hidden=8, epochs=20))
    module = next(name for name, module in model.networks[0][0].named_modules() if isinstance(module, nn.ReLU))
    result = [latent_relevance(adata, model, module, network=number, target="labelled") for number in range(3)]
    cells = pd.concat(result).groupby("group")["cells"].sum() / result[0]["neuron"].nunique()
    assert (cells == adata.obs["group"].value_counts()[cells.index]).all()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"module": "9"}, r"unknown module '9'; "),
        ({"neuron": 3}, r"'1' has 3 neurons, numbered from 0; there is no neuron 3"),
        ({"network": 1}, r"there is no network 1; the model's are numbered 0 to 0"),
        ({"target": "nobody"}, r"unknown target 'nobody'"),
    ],
)
def test_unknown_modules_neurons_networks_and_targets_are_refused(adata, change, message):
    request = {"module": "1", "neuron": 0} | change
    with pytest.raises(CohortError, match=message):
        genes_of_neuron(adata, model_of(planted(), adata), **request)


def test_one_of_several_networks_must_be_chosen():
    adata = made_cohort()
    model = train(adata, "group", training=Training(folds=3, hidden=8, epochs=2))
    with pytest.raises(
        CohortError, match=r"the model has 3 networks, whose neurons don't correspond; choose one: network=0"
    ):
        latent_relevance(adata, model, "layers.2")
