"""Rivals in the place of rules: they explain the mean of the networks' log-odds as a function of cells' values."""

import numpy as np
import pytest
import torch
from torch import nn

from lrp_domains import GRADIENT, capture
from lrp_domains.domain import Read
from lrp_domains.evaluation import rivals
from lrp_domains.evaluation.rivals import Problem
from lrp_domains.genes import (
    CohortError,
    Explanation,
    Training,
    gene_model,
    genes_of_neuron,
    latent_relevance,
    read_cohort,
    relevance,
    relevance_on_disk,
    train,
    write_cohort,
)
from lrp_domains.genes.explanation.runs import resume

from . import counts_of_two_groups
from .interruptions import counting, interrupt_after
from .references import GROUPS, cohort, log_odds, profiles_of
from .same_cohorts import dense, same
from .token_models import bert, model_of

EXACT = [
    rivals.gradient_times_input(),
    rivals.integrated_gradients(7),
    rivals.smooth_gradient(5),
    rivals.gradient_shap(5),
    rivals.deeplift(),
    rivals.occlusion(),
    rivals.kernel_shap(90),
    rivals.lime(90),
]


@pytest.fixture(scope="module")
def model():
    """Two trained networks for each of three folds."""
    return train(cohort(), "group", training=Training(folds=3, members=2, hidden=8, epochs=40))


def mean_log_odds(networks, target):
    """Return log p / (1 - p) of a class per cell, averaged over networks, as a function of values."""

    def score(values):
        number = target.repeat(len(values) // len(target))[:, None]
        scores = []
        for network in networks:
            logits = network(values)
            others = logits.scatter(1, number, -torch.inf).logsumexp(1)
            scores.append(logits.gather(1, number)[:, 0] - others)
        return torch.stack(scores).mean(0)

    return score


@pytest.mark.parametrize("reference", [None, "zero", "mean", "Naive T"])
@pytest.mark.parametrize("rival", EXACT, ids=lambda rival: rival.name)
def test_relevance_is_that_of_the_rival_by_hand(model, rival, reference):
    adata = cohort()
    relevance(adata, model, rules=rival, reference=reference, batch_size=adata.n_obs)
    assert adata.uns["lrp"]["rules"] == rival.name
    result, values = dense(adata.layers["lrp"]), torch.tensor(adata.X.toarray())
    profiles = torch.tensor(profiles_of(adata, reference or "zero")).float()
    target = torch.tensor(adata.obs["lrp_target"].cat.codes.to_numpy().astype(int))
    for fold in range(3):
        rows = np.flatnonzero(adata.obs["lrp_fold"] == fold)
        networks = nn.ModuleList(model.networks[fold])
        of = Problem(mean_log_odds(networks, target[rows]), (values[rows],), (profiles[rows],), networks)
        (expected,) = rival.relevance(of)
        np.testing.assert_allclose(result[rows], expected.detach(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(adata.obs["lrp_score"].iloc[rows], of.score(values[rows]).detach(), atol=1e-4)
        if reference is not None:
            of_reference = of.score(profiles[rows]).detach()
            np.testing.assert_allclose(adata.obs["lrp_reference_score"].iloc[rows], of_reference, atol=1e-4)
    assert ("lrp_reference_score" in adata.obs) == (reference is not None)


def test_deeplift_has_its_own_rules(model):
    """The rescale rule at ReLUs isn't the derivative, also where a network runs within the gradient of another."""
    of_deeplift, of_gradient = cohort(), cohort()
    relevance(of_deeplift, model, rules=rivals.deeplift(), score="logit", reference="mean")
    relevance(of_gradient, model, rules=rivals.gradient_times_input(), score="logit", reference="mean")
    np.testing.assert_allclose(of_deeplift.obs["lrp_rest"], 0, atol=1e-5)  # complete, of a logit
    assert of_gradient.obs["lrp_rest"].abs().mean() > 0.01


@pytest.mark.parametrize("reference", ["zero", "mean"])
def test_integrated_gradients_sum_to_the_difference_of_the_log_odds(model, reference):
    adata = cohort()
    relevance(adata, model, rules=rivals.integrated_gradients(300), reference=reference)
    values, target = dense(adata.X), adata.obs["lrp_target"].cat.codes.to_numpy()
    for fold in range(3):
        rows = (adata.obs["lrp_fold"] == fold).to_numpy()
        of_networks = [
            log_odds(network, values[rows], target[rows])
            - log_odds(network, profiles_of(adata, reference)[rows], target[rows])
            for network in model.networks[fold]
        ]
        result = dense(adata.layers["lrp"])[rows].sum(1)
        np.testing.assert_allclose(result, np.mean(of_networks, 0), rtol=1e-3, atol=2e-3)
    account = adata.uns["lrp"]
    assert account["ledger_genes"] == pytest.approx(dense(adata.layers["lrp"]).sum(), rel=1e-4)
    assert account["ledger_score"] == pytest.approx(account["ledger_genes"] + account["ledger_residue"])
    assert abs(account["ledger_residue"]) < 1e-3 * abs(account["ledger_score"])


def test_one_gradient_is_that_of_the_rules_and_each_network_has_its_share(model):
    by_rules, by_rival = cohort(), cohort()
    of_rules = relevance(by_rules, model, rules=GRADIENT)
    of_rival = relevance(by_rival, model, rules=rivals.gradient_times_input())
    np.testing.assert_allclose(by_rival.layers["lrp"].toarray(), by_rules.layers["lrp"].toarray(), atol=1e-6)
    np.testing.assert_allclose(of_rival.networks, of_rules.networks, atol=1e-4)


@pytest.mark.parametrize("rival", [rivals.random_relevance(), rivals.smooth_gradient(5)], ids=lambda rival: rival.name)
def test_relevance_is_as_sparse_as_the_expression(model, rival):
    adata = cohort()
    relevance(adata, model, rules=rival)
    layer = adata.layers["lrp"]
    np.testing.assert_array_equal(layer.indices, adata.X.indices)
    assert (layer.data != 0).all()


def test_a_contrast_and_a_named_class_are_explained(model):
    adata = cohort()
    rival = rivals.integrated_gradients(4)
    request = Explanation(target="CD19+ B", against="Naive T", rules=rival, reference="mean", batch_size=200)
    relevance(adata, model, request)
    rows = np.flatnonzero(adata.obs["lrp_fold"] == 1)
    values, profiles = torch.tensor(dense(adata.X)[rows]), torch.tensor(profiles_of(adata, "mean")[rows]).float()
    networks = nn.ModuleList(model.networks[1])
    contrast = lambda x: sum(network(x)[:, 2] - network(x)[:, 0] for network in networks) / 2  # noqa: E731
    classes = list(model.classes)
    assert (classes.index("CD19+ B"), classes.index("Naive T")) == (2, 0)
    (expected,) = rival.relevance(Problem(contrast, (values,), (profiles,), networks))
    np.testing.assert_allclose(dense(adata.layers["lrp"])[rows], expected, atol=1e-5)


def test_on_disk_is_as_in_memory_and_resumes(model, tmp_path, monkeypatch):
    adata = cohort()
    write_cohort(adata, tmp_path / "cohort.h5ad")
    request = Explanation(rules=rivals.kernel_shap(30), reference="zero", batch_size=20)
    relevance(adata, model, request)
    path, out = tmp_path / "cohort.h5ad", tmp_path / "out.h5ad"
    monkeypatch.setattr(resume, "SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        relevance_on_disk(path, model, out, request, progress=interrupt_after(4))
    seen = []
    relevance_on_disk(path, model, out, request, progress=counting(seen))
    assert seen == [80, 100]
    same(read_cohort(out), adata)

    with pytest.raises(KeyboardInterrupt):
        relevance_on_disk(path, model, out, request, progress=interrupt_after(4))
    seen = []
    other = Explanation(rules=rivals.kernel_shap(31), reference="zero", batch_size=20)
    relevance_on_disk(path, model, out, other, progress=counting(seen))
    assert seen == [0, 20, 40, 60, 80, 100]  # of another rival nothing is taken over


class Classifier(nn.Module):
    """A module whose classifier is a method, as in scvi-tools."""

    def __init__(self, genes):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(genes, 8), nn.Tanh(), nn.Linear(8, 3))

    def classify(self, x):
        return self.layers(x)


def test_a_model_with_its_own_reading_of_a_matrix_is_explained():
    torch.manual_seed(0)
    network, names = Classifier(60), cohort().var_names

    def read(module, values):
        x = values.detach().requires_grad_()
        return Read(module.classify(x), (x,), per_unit=lambda relevances: relevances[0])

    own, plain = cohort(), cohort()
    rival = rivals.integrated_gradients(5)
    relevance(own, gene_model(network, names, GROUPS, labels="group", reading=read), rules=rival)
    relevance(plain, gene_model(network.layers, names, GROUPS, labels="group"), rules=rival)
    np.testing.assert_allclose(own.layers["lrp"].toarray(), plain.layers["lrp"].toarray(), atol=1e-6)
    assert np.abs(plain.layers["lrp"]).max() > 0.01


def through_a_hidden_layer(network, values):
    with capture(network, "layers.0") as captured:
        outputs = network.classify(values)
    return Read(outputs, tuple(captured.values()), per_unit=lambda relevances: relevances[0])


def through_a_logarithm(network, values):
    x = values.log1p().detach().requires_grad_()
    return Read(network.classify(x), (x,), per_unit=lambda relevances: relevances[0])


@pytest.mark.parametrize("reading", [through_a_hidden_layer, through_a_logarithm])
def test_a_model_that_reads_something_else_is_refused_before_any_work(reading):
    model = gene_model(Classifier(60), cohort().var_names, GROUPS, labels="group", reading=reading)
    message = rf"occlusion explains models that read a matrix.*'Classifier' is read by '{reading.__name__}'.*ATTN_LRP"
    seen = []
    with pytest.raises(CohortError, match=message):
        relevance(cohort(), model, rules=rivals.occlusion(), reference="mean", progress=counting(seen))
    assert seen == []


def test_a_model_of_tokens_is_refused():
    with pytest.raises(CohortError, match=r"'BertForSequenceClassification' is read by 'RankTokens'"):
        relevance(counts_of_two_groups.cohort(), model_of(bert()), rules=rivals.gradient_times_input())


@pytest.mark.parametrize("compile", [True, "inductor"])
def test_compiled_rivals_are_refused(compile):
    with pytest.raises(CohortError, match=rf"compile={compile!r} is for rule sets, and occlusion is none: leave it"):
        Explanation(rules=rivals.occlusion(), compile=compile)


def test_hidden_neurons_have_no_rivals(model):
    for function, more in ((latent_relevance, ()), (genes_of_neuron, (0,))):
        with pytest.raises(CohortError, match="occlusion explains no hidden neurons; pass a rule set"):
            function(cohort(), model, "layers.2", *more, rules=rivals.occlusion(), network=0)


def test_a_score_that_is_not_finite_names_its_cell():
    network = nn.Linear(60, 3)
    network.weight.data.fill_(torch.inf)
    model = gene_model(network, cohort().var_names, GROUPS, labels="group")
    with pytest.raises(CohortError, match="score of the cell 'cell_0' is not finite"):
        relevance(cohort(), model, rules=rivals.occlusion())
