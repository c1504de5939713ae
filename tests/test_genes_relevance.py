"""Relevance of genes: right on planted signals, zero where nothing is expressed, and nothing left on the network."""

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn

from lrp_domains import CP_LRP, EPSILON
from lrp_domains.genes import explain, made_cohort, one_classifier, rank_genes, train_out_of_fold
from lrp_domains.genes.training import Training

QUICK = Training(folds=3, hidden=16, batch_size=16, epochs=60)


class OnlyGene(nn.Module):
    """A classifier that can only see one gene."""

    def __init__(self, gene: int, classes: int) -> None:
        super().__init__()
        self.gene = gene
        self.dense = nn.Linear(1, classes)
        nn.init.constant_(self.dense.weight, 1.0)

    def forward(self, x):
        return torch.relu(self.dense(x[:, [self.gene]]))


@pytest.fixture(scope="module")
def explained():
    adata = made_cohort()
    classifiers = train_out_of_fold(adata, "group", training=QUICK)
    explain(adata, classifiers)
    return adata, classifiers


def wrap(network, adata):
    return one_classifier(network, adata, classes=list(adata.obs["group"].cat.categories), labels="group")


def test_a_classifier_that_only_sees_gene_3_gives_gene_3_all_relevance():
    adata = made_cohort()
    explain(adata, wrap(OnlyGene(3, 3), adata), target="CD19+ B", score="logit")
    relevance = adata.layers["lrp"].toarray()
    assert relevance[:, 3].any()
    assert not np.delete(relevance, 3, axis=1).any()
    rank_genes(adata, wilcoxon=False)
    for group in adata.obs["group"].cat.categories:
        assert adata.uns["rank_genes_lrp"]["names"][group][0] == adata.var_names[3]


def test_planted_markers_are_ranked_first(explained):
    adata, classifiers = explained
    assert classifiers.accuracy["held_out_accuracy"].mean() > 0.9
    rank_genes(adata, wilcoxon=False)
    for number, group in enumerate(adata.obs["group"].cat.categories, 1):
        assert {name[:2] for name in adata.uns["rank_genes_lrp"]["names"][group][:3]} == {f"g{number}"}


def test_no_expression_no_relevance_and_the_same_entries(explained):
    adata, _ = explained
    relevance = adata.layers["lrp"]
    assert sparse.issparse(relevance) and relevance.format == "csr"
    np.testing.assert_array_equal(relevance.indices, adata.X.indices)
    np.testing.assert_array_equal(relevance.indptr, adata.X.indptr)
    assert not relevance.toarray()[adata.X.toarray() == 0].any()
    assert not np.shares_memory(relevance.indices, adata.X.indices)


@pytest.mark.parametrize("form", [sparse.csc_matrix, sparse.csr_array, sparse.coo_matrix, "dense", "stored zeros"])
def test_the_form_of_the_matrix_does_not_matter(explained, form):
    reference, classifiers = explained
    adata = made_cohort()
    if form == "dense":
        adata.X = adata.X.toarray()
    elif form == "stored zeros":
        adata.X.data[::7] = 0
        reference = reference.copy()
        reference.X = sparse.csr_matrix(adata.X.toarray())
        explain(reference, classifiers)
    elif form is sparse.coo_matrix:
        adata.layers["made"] = sparse.csc_matrix(adata.X)
        adata.X = adata.layers["made"]
    else:
        adata.X = form(adata.X)
    explain(adata, classifiers)
    found = adata.layers["lrp"]
    assert sparse.issparse(found) == (form != "dense")
    found = found if form == "dense" else found.toarray()
    np.testing.assert_allclose(found, reference.layers["lrp"].toarray(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("score", ["margin", "logit"])
@pytest.mark.parametrize("target", ["predicted", "labelled", "CD19+ B"])
def test_equals_the_definition_cell_by_cell(explained, target, score):
    """On a ReLU network LRP-0 is gradient x input: taken here for one cell at a time, by PyTorch alone."""
    adata, classifiers = explained[0].copy(), explained[1]
    explain(adata, classifiers, target=target, score=score, batch_size=7)
    labels = adata.obs["group"].cat.codes
    for i in range(0, adata.n_obs, 10):
        network = classifiers.networks[classifiers.folds.iloc[i]]
        x = torch.tensor(adata.X[i].toarray(), requires_grad=True)
        z = network(x)[0]
        c = {"predicted": int(z.argmax()), "labelled": labels.iloc[i]}.get(target, 2)
        s = z[c] if score == "logit" else z[c] - torch.cat([z[:c], z[c + 1 :]]).mean()
        (g,) = torch.autograd.grad(s, x)
        np.testing.assert_allclose(adata.layers["lrp"][i].toarray(), (x * g).detach(), rtol=1e-4, atol=1e-6)
        assert adata.obs["lrp_score"].iloc[i] == pytest.approx(s.item(), rel=1e-5)
        assert adata.obs["lrp_target"].iloc[i] == classifiers.classes[c]


def test_the_books_balance(explained):
    adata, _ = explained
    sums = np.asarray(adata.layers["lrp"].sum(1)).ravel()
    np.testing.assert_allclose(adata.obs["lrp_score"] - adata.obs["lrp_rest"], sums, rtol=1e-4, atol=1e-5)
    account = adata.uns["lrp"]
    assert account["ledger_biases"] == pytest.approx(adata.obs["lrp_rest"].sum(), abs=1e-3)
    assert abs(account["ledger_residue"]) < 1e-5 * abs(account["ledger_score"])


@pytest.mark.parametrize("rules", [CP_LRP, EPSILON], ids=lambda rules: rules.name)
def test_other_rules_are_passed_on_and_recorded(explained, rules):
    adata, classifiers = explained[0].copy(), explained[1]
    explain(adata, classifiers, rules=rules)
    assert adata.uns["lrp"]["rules"] == rules.name


def test_another_order_and_part_of_the_cells_gives_the_same(explained):
    reference, classifiers = explained
    adata = made_cohort()[::-3].copy()
    explain(adata, classifiers)
    expected = reference[adata.obs_names].layers["lrp"].toarray()
    np.testing.assert_allclose(adata.layers["lrp"].toarray(), expected, rtol=1e-5, atol=1e-6)


def test_nothing_stays_on_the_users_network():
    adata = made_cohort()
    network = nn.Sequential(nn.Linear(60, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Dropout(0.5), nn.Linear(8, 3))
    network.train()
    network[1].eval()  # one part frozen by its owner
    before = {name: value.clone() for name, value in network.state_dict().items()}
    attributes = [set(vars(module)) for module in network.modules()]
    explain(adata, wrap(network, adata))
    explain(adata, wrap(network, adata))  # dropout would make it different
    assert [module.training for module in network.modules()] == [True, True, False, True, True, True]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [set(vars(module)) for module in network.modules()] == attributes
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_double_precision_and_frozen_networks():
    adata = made_cohort()
    network = nn.Sequential(nn.Linear(60, 3)).double().requires_grad_(False)
    explain(adata, wrap(network, adata), target="Naive T", score="logit")
    weight = network[0].weight[0].numpy()
    np.testing.assert_allclose(adata.layers["lrp"].toarray(), adata.X.toarray() * weight, rtol=1e-5)


def test_raw_and_layers_are_read():
    adata = made_cohort()
    scaled = adata.copy()
    scaled.raw = adata
    scaled.layers["log"] = adata.X.copy()
    scaled.X = adata.X.toarray() - adata.X.toarray().mean(0)
    results = []
    for layer in ("raw", "log"):
        one = scaled.copy()
        explain(one, train_out_of_fold(one, "group", layer=layer, training=QUICK))
        results.append(one.layers["lrp"].toarray())
    np.testing.assert_array_equal(*results)
    assert not results[0][adata.X.toarray() == 0].any()
