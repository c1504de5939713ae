"""Relevance of genes: right on planted signals, zero where nothing is expressed, and nothing left on the network."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn

from lrp_domains import CP_LRP, EPSILON, deep_taylor
from lrp_domains.domain import score_of
from lrp_domains.genes import CohortError, Training, gene_model, made_cohort, rank, relevance, train

QUICK = Training(folds=3, hidden=16, batch_size=16, epochs=60)


class OnlyGene(nn.Module):
    """A model that can only see one gene."""

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
    model = train(adata, "group", training=QUICK)
    relevance(adata, model)
    return adata, model


def wrap(network, adata):
    return gene_model(network, adata.var_names, list(adata.obs["group"].cat.categories), labels="group")


def test_a_model_that_only_sees_gene_3_gives_gene_3_all_relevance():
    adata = made_cohort()
    relevance(adata, wrap(OnlyGene(3, 3), adata), target="CD19+ B", score="logit")
    result = adata.layers["lrp"].toarray()
    assert result[:, 3].any()
    assert not np.delete(result, 3, axis=1).any()
    rank(adata, wilcoxon=False)
    for group in adata.obs["group"].cat.categories:
        assert adata.uns["rank_genes_lrp"]["names"][group][0] == adata.var_names[3]


def test_planted_markers_are_ranked_first(explained):
    adata, model = explained
    assert model.performance["held_out_accuracy"].mean() > 0.9
    rank(adata, wilcoxon=False)
    for number, group in enumerate(adata.obs["group"].cat.categories, 1):
        assert {name[:2] for name in adata.uns["rank_genes_lrp"]["names"][group][:3]} == {f"g{number}"}


def test_no_expression_no_relevance_and_the_same_entries(explained):
    adata, _ = explained
    result = adata.layers["lrp"]
    assert sparse.issparse(result) and result.format == "csr"
    np.testing.assert_array_equal(result.indices, adata.X.indices)
    np.testing.assert_array_equal(result.indptr, adata.X.indptr)
    assert not result.toarray()[adata.X.toarray() == 0].any()
    assert not np.shares_memory(result.indices, adata.X.indices)


@pytest.mark.filterwarnings("ignore:120 of 120 cells have the name")  # stored zeros were values
@pytest.mark.parametrize("form", [sparse.csc_matrix, sparse.csr_array, sparse.coo_matrix, "dense", "stored zeros"])
def test_the_form_of_the_matrix_does_not_matter(explained, form):
    reference, model = explained
    adata = made_cohort()
    if form == "dense":
        adata.X = adata.X.toarray()
    elif form == "stored zeros":
        adata.X.data[::7] = 0
        reference = reference.copy()
        reference.X = sparse.csr_matrix(adata.X.toarray())
        relevance(reference, model)
    elif form is sparse.coo_matrix:
        adata.layers["made"] = sparse.csc_matrix(adata.X)
        adata.X = adata.layers["made"]
    else:
        adata.X = form(adata.X)
    relevance(adata, model)
    result = adata.layers["lrp"]
    assert sparse.issparse(result) == (form != "dense")
    result = result if form == "dense" else result.toarray()
    np.testing.assert_allclose(result, reference.layers["lrp"].toarray(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("score", ["log-odds", "margin", "logit"])
@pytest.mark.parametrize("target", ["predicted", "labelled", "CD19+ B"])
def test_equals_the_definition_cell_by_cell(explained, target, score):
    """On a ReLU network LRP-0 is gradient x input: computed here for one cell at a time, by PyTorch alone."""
    adata, model = explained[0].copy(), explained[1]
    relevance(adata, model, target=target, score=score, batch_size=7)
    labels = adata.obs["group"].cat.codes
    for i in range(0, adata.n_obs, 10):
        network = model.networks[model.folds.iloc[i]][0]
        x = torch.tensor(adata.X[i].toarray(), requires_grad=True)
        z = network(x)[0]
        c = {"predicted": int(z.argmax()), "labelled": labels.iloc[i]}.get(target, 2)
        others = torch.cat([z[:c], z[c + 1 :]])
        weights = {"log-odds": others.detach().softmax(0), "margin": 1 / len(others), "logit": 0.0}[score]
        s = z[c] - (others * weights).sum()
        (g,) = torch.autograd.grad(s, x)
        np.testing.assert_allclose(adata.layers["lrp"][i].toarray(), (x * g).detach(), rtol=1e-4, atol=1e-6)
        assert adata.obs["lrp_score"].iloc[i] == pytest.approx(s.item(), rel=1e-5)
        assert adata.obs["lrp_target"].iloc[i] == model.classes[c]


def test_relevance_is_conserved(explained):
    adata, _ = explained
    sums = np.asarray(adata.layers["lrp"].sum(1)).ravel()
    np.testing.assert_allclose(adata.obs["lrp_score"] - adata.obs["lrp_rest"], sums, rtol=1e-4, atol=1e-5)
    account = adata.uns["lrp"]
    assert account["ledger_biases"] == pytest.approx(adata.obs["lrp_rest"].sum(), abs=1e-3)
    assert abs(account["ledger_residue"]) < 1e-5 * abs(account["ledger_score"])


@pytest.mark.parametrize("rules", [CP_LRP, EPSILON], ids=lambda rules: rules.name)
def test_other_rules_are_passed_on_and_recorded(explained, rules):
    adata, model = explained[0].copy(), explained[1]
    relevance(adata, model, rules=rules)
    assert adata.uns["lrp"]["rules"] == rules.name


def test_another_order_and_part_of_the_cells_gives_the_same(explained):
    reference, model = explained
    adata = made_cohort()[::-3].copy()
    relevance(adata, model)
    expected = reference[adata.obs_names].layers["lrp"].toarray()
    np.testing.assert_allclose(adata.layers["lrp"].toarray(), expected, rtol=1e-5, atol=1e-6)


def test_nothing_stays_on_the_users_network():
    adata = made_cohort()
    network = nn.Sequential(nn.Linear(60, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Dropout(0.5), nn.Linear(8, 3))
    network.eval()
    network[0].train()  # a linear layer computes the same in both modes
    before = {name: value.clone() for name, value in network.state_dict().items()}
    attributes = [set(vars(module)) for module in network.modules()]
    relevance(adata, wrap(network, adata))
    assert [module.training for module in network.modules()] == [False, True, False, False, False, False]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [set(vars(module)) for module in network.modules()] == attributes
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("module", [nn.Dropout(0.5), nn.BatchNorm1d(8)], ids=["dropout", "batch norm"])
def test_a_network_in_training_mode_is_refused_before_anything_is_computed(module):
    adata = made_cohort()
    network = nn.Sequential(nn.Linear(60, 8), module, nn.ReLU(), nn.Linear(8, 3)).eval()
    network[1].train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(CohortError, match=rf"in training mode \('1', {type(module).__name__}\).*call model.eval"):
        relevance(adata, wrap(network, adata))
    assert network[1].training and not adata.layers and not adata.uns
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_double_precision_and_frozen_networks():
    adata = made_cohort()
    network = nn.Sequential(nn.Linear(60, 3)).double().requires_grad_(False)
    relevance(adata, wrap(network, adata), target="Naive T", score="logit")
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
        cohort = scaled.copy()
        relevance(cohort, train(cohort, "group", layer=layer, training=QUICK))
        results.append(cohort.layers["lrp"].toarray())
    np.testing.assert_array_equal(*results)
    assert not results[0][adata.X.toarray() == 0].any()


def test_log_odds_have_the_gradient_of_the_probability():
    """As in the default score's docstring: its gradient is that of log p / (1 - p)."""
    logits = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 1, 2, 3, 4, 0])
    p = logits.softmax(1).gather(1, target[:, None])[:, 0]
    (expected,) = torch.autograd.grad((p / (1 - p)).log().sum(), logits)
    score = score_of(logits, target, "log-odds")
    (result,) = torch.autograd.grad(score.sum(), logits)
    torch.testing.assert_close(result, expected, rtol=1e-12, atol=1e-12)
    weights = logits.detach().scatter(1, target[:, None], -torch.inf).softmax(1)
    entropy = -torch.special.xlogy(weights, weights).sum(1)
    torch.testing.assert_close(score.detach(), (p / (1 - p)).log().detach() + entropy, rtol=1e-12, atol=1e-12)


def test_one_class_against_another(explained):
    adata, model = explained[0].copy(), explained[1]
    relevance(adata, model, target="CD19+ B", against="Naive T", score="logit")
    pair = adata.layers["lrp"].toarray()
    relevance(adata, model, target="CD19+ B", score="logit")
    single = adata.layers["lrp"].toarray()
    relevance(adata, model, target="Naive T", score="logit")
    np.testing.assert_allclose(pair, single - adata.layers["lrp"].toarray(), rtol=1e-4, atol=1e-5)


def test_members_of_a_fold_are_explained_together(explained):
    """The relevance of an ensemble is the mean of its members', each of which is also summed separately."""
    reference, model = explained
    networks = tuple(members[0] for members in model.networks)
    adata = reference.copy()
    together = replace(model, networks=(networks,), training_cells=None)
    statistics = relevance(adata, together, target="CD19+ B")
    alone = []
    for network in networks:
        cohort = adata.copy()
        relevance(cohort, replace(model, networks=((network,),), training_cells=None), target="CD19+ B")
        alone.append(cohort.layers["lrp"].toarray())
    np.testing.assert_allclose(adata.layers["lrp"].toarray(), np.mean(alone, 0), rtol=1e-4, atol=1e-5)
    for number, cohort in enumerate(alone):
        np.testing.assert_allclose(statistics.networks[number].sum(0), cohort.sum(0), rtol=1e-4, atol=1e-4)


def test_cells_that_no_network_has_seen_are_explained_by_all(explained):
    _, model = explained
    adata = made_cohort(seed=5)
    adata.obs_names = [f"new_{name}" for name in adata.obs_names]
    relevance(adata, model)
    assert (adata.obs["lrp_fold"] == -1).all()
    assert (adata.obs["lrp_predicted"].astype(str) == adata.obs["group"].astype(str)).mean() > 0.9


@pytest.mark.parametrize("layer", ["lrp", None])
def test_top_genes_and_sums_without_a_layer(explained, layer):
    reference, model = explained
    adata = made_cohort()
    statistics = relevance(adata, model, layer=layer, top=4)
    assert ("lrp" in adata.layers) == (layer is not None)
    dense = reference.layers["lrp"].toarray()
    expected = -np.sort(-dense, axis=1)[:, :4]
    np.testing.assert_allclose(adata.obsm["lrp_first_values"], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        np.take_along_axis(dense, adata.obsm["lrp_first_genes"], 1), expected, rtol=1e-5, atol=1e-6
    )
    counted = (adata.obs["lrp_target"].astype(str) == adata.obs["group"].astype(str)).to_numpy()
    assert 0 < (~counted).sum() < 20
    np.testing.assert_allclose(statistics.sums.sum((0, 1)), dense[counted].sum(0), rtol=1e-4, atol=1e-4)


def test_a_single_logit_counts_for_the_second_of_two_classes():
    adata = made_cohort()
    network = nn.Linear(60, 1)
    relevance(adata, gene_model(network, adata.var_names, ["no", "yes"]), target="yes")
    expected = adata.X.toarray() * network.weight.detach().numpy()
    np.testing.assert_allclose(adata.layers["lrp"].toarray(), expected, rtol=1e-5, atol=1e-6)


def test_relevance_where_nothing_is_expressed_is_not_dropped_silently():
    class Shifted(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense = nn.Linear(60, 3)

        def forward(self, x):
            return self.dense(x)

    adata = made_cohort()
    model = gene_model(Shifted(), adata.var_names, list("abc"))
    with pytest.raises(CohortError, match=r"of the relevance is on genes that are not expressed"):
        relevance(adata, model, rules=deep_taylor(-1.0, 9.0))
    adata.X = adata.X.toarray()
    relevance(adata, model, rules=deep_taylor(-1.0, 9.0))
    assert adata.layers["lrp"][adata.X == 0].any()
