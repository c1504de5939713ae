"""Cells against a reference: relevance sums to the difference of two scores, and shows what sets cells apart."""

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn

from lrp_domains import SECANT, SECANT_HALF
from lrp_domains.genes import (
    CohortError,
    Explanation,
    Training,
    gene_model,
    genes_of_neuron,
    latent_relevance,
    open_cohort,
    rank,
    read_cohort,
    relevance,
    relevance_on_disk,
    train,
    write_cohort,
)
from lrp_domains.genes.explanation.runs import resume

from .interruptions import interrupt_after
from .references import GROUPS, REFERENCES, Attention, cohort, linear_model, log_odds, profiles_of
from .same_cohorts import dense, same


@pytest.fixture(scope="module", params=["mlp", "attention"])
def model(request):
    """Trained networks of three folds, or a transformer that no cell was held out from."""
    if request.param == "mlp":
        return train(cohort(), "group", training=Training(folds=3, hidden=8, epochs=10))
    torch.manual_seed(0)
    return gene_model(Attention(60).eval().double(), cohort().var_names, GROUPS, labels="group")


@pytest.fixture(scope="module")
def linear():
    return linear_model()


@pytest.mark.parametrize("form", ["sparse", "dense"])
@pytest.mark.parametrize("reference", REFERENCES)
def test_relevance_sums_to_the_difference_of_the_log_odds(model, reference, form):
    adata = cohort(form)
    relevance(adata, model, reference=reference, donor="donor", batch_size=17)
    result, obs = dense(adata.layers["lrp"]), adata.obs
    target = obs["lrp_target"].cat.codes.to_numpy()
    profiles = profiles_of(adata, reference)
    for fold in obs["lrp_fold"].unique():
        rows = (obs["lrp_fold"] == fold).to_numpy()
        ((_, network),) = model.unseen(fold)
        score = log_odds(network, dense(adata.X)[rows], target[rows])
        of_reference = log_odds(network, profiles[rows], target[rows])
        np.testing.assert_allclose(obs["lrp_score"][rows], score, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(obs["lrp_reference_score"][rows], of_reference, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(result[rows].sum(1), score - of_reference, rtol=1e-4, atol=1e-4)
    difference = obs["lrp_score"] - obs["lrp_reference_score"]
    np.testing.assert_allclose(result.sum(1), difference, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(obs["lrp_rest"], 0, atol=1e-5)

    account = adata.uns["lrp"]
    assert account["reference"] == reference and account["rules"] == "secant"
    assert account["ledger_score"] == pytest.approx(difference.sum(), abs=1e-3)
    assert account["ledger_genes"] == pytest.approx(result.sum(), abs=1e-3)
    assert abs(account["ledger_biases"]) < 1e-3 and abs(account["ledger_residue"]) < 1e-3


@pytest.mark.parametrize("reference", REFERENCES)
def test_of_a_linear_model_relevance_is_the_difference_times_the_weight(linear, reference):
    adata = cohort()
    relevance(adata, linear, target="CD19+ B", score="logit", reference=reference, donor="donor")
    weight = linear.networks[0][0].weight[2].detach().numpy()
    expected = (adata.X.toarray() - profiles_of(adata, reference)) * weight
    np.testing.assert_allclose(dense(adata.layers["lrp"]), expected, rtol=1e-5, atol=1e-6)
    relevance(adata, linear, target="CD19+ B", against="Naive T", reference=reference, donor="donor")
    expected = (adata.X.toarray() - profiles_of(adata, reference)) * (
        weight - linear.networks[0][0].weight[0].detach().numpy()
    )
    np.testing.assert_allclose(dense(adata.layers["lrp"]), expected, rtol=1e-5, atol=1e-6)


def test_against_zero_relevance_has_the_entries_of_the_expression(model):
    adata = cohort()
    relevance(adata, model, reference="zero")
    result = adata.layers["lrp"]
    assert sparse.issparse(result) and result.format == "csr"
    np.testing.assert_array_equal(result.indices, adata.X.indices)
    assert not result.toarray()[adata.X.toarray() == 0].any()


def test_against_zero_a_network_without_biases_has_the_relevance_of_its_score():
    """Of a network of ReLUs without biases, differences from 0 are the activations."""
    torch.manual_seed(0)
    adata = cohort()
    network = nn.Sequential(nn.Linear(60, 8, bias=False), nn.ReLU(), nn.Linear(8, 3, bias=False))
    wrapped = gene_model(network, adata.var_names, GROUPS)
    relevance(adata, wrapped, score="logit", reference="zero")
    result = adata.layers["lrp"].toarray()
    relevance(adata, wrapped, score="logit")
    np.testing.assert_allclose(result, adata.layers["lrp"].toarray(), rtol=1e-5, atol=1e-6)


def test_against_a_mean_genes_that_are_not_expressed_have_relevance(model):
    adata = cohort()
    relevance(adata, model, reference="mean")
    result = adata.layers["lrp"]
    assert isinstance(result, np.ndarray) and result.dtype == np.float32
    assert result[adata.X.toarray() == 0].any()


def test_a_cell_that_equals_its_reference_has_no_relevance(model):
    adata = cohort()
    adata.X = adata.X.toarray()
    adata.X[3] = 0
    adata.X = sparse.csr_matrix(adata.X)
    relevance(adata, model, reference="zero")
    assert not adata.layers["lrp"][3].toarray().any() and adata.obs["lrp_rest"].iloc[3] == 0


def test_genes_that_distinguish_two_groups_come_first():
    """Against another group: the markers of this group and of the other, not those of the third."""
    adata = cohort()
    relevance(adata, train(adata, "group", training=Training(folds=3, hidden=16, epochs=60)), reference="Naive T")
    table = rank(adata, wilcoxon=False)
    first = set(table[table["group"] == "CD19+ B"]["gene"].head(6))
    assert first == {"g3_0", "g3_1", "g3_2", "g1_0", "g1_1", "g1_2"}
    assert set(table["reference"]) == {"Naive T"}


def test_a_single_named_class_is_also_explained_in_the_cells_of_the_reference(linear):
    adata = cohort()
    relevance(adata, linear, target="CD19+ B", score="logit", reference="Naive T")
    own = dense(adata.layers["lrp"])[(adata.obs["group"] == "Naive T").to_numpy()]
    assert own.any()
    np.testing.assert_allclose(own.sum(0), 0, atol=1e-5)


def test_members_of_a_fold_are_explained_together():
    adata = cohort()
    together = train(adata, "group", training=Training(folds=3, members=3, hidden=8, epochs=5))
    relevance(adata, together, reference="mean")
    np.testing.assert_allclose(
        dense(adata.layers["lrp"]).sum(1), adata.obs["lrp_score"] - adata.obs["lrp_reference_score"], atol=1e-5
    )
    assert len(adata.uns["lrp_groups"]["networks"]) == 9


def test_values_are_those_that_enter_the_model():
    """Missing genes, another order, counts that are normalised while they are read."""
    torch.manual_seed(0)
    adata = cohort()
    adata.X = sparse.csr_matrix(np.random.default_rng(0).poisson(2.0, adata.shape).astype(float))
    genes = ["missing", *adata.var_names[:5:-1]]
    network = nn.Linear(len(genes), 2).double()
    wrapped = gene_model(network, genes, ["a", "b"], normalisation="log1p_cp10k")
    with pytest.warns(UserWarning, match="are not in the cohort"):
        relevance(adata, wrapped, target="b", score="logit", reference="Naive T", groupby="group")
    counts = adata.X.toarray()
    values = np.log1p(counts / counts.sum(1, keepdims=True) * 10_000)
    profile = values[(adata.obs["group"] == "Naive T").to_numpy()].mean(0)
    expected = np.zeros_like(values)
    expected[:, :5:-1] = ((values - profile)[:, :5:-1]) * network.weight[1, 1:].detach().numpy()
    np.testing.assert_allclose(adata.layers["lrp"], expected, rtol=1e-4, atol=1e-5)


def test_a_value_against_the_patients_of_low_prediction():
    torch.manual_seed(0)
    adata = cohort("dense")
    network = nn.Linear(adata.n_vars, 1).double()
    wrapped = gene_model(network, adata.var_names, ["age"], task="value")
    relevance(adata, wrapped, reference="low")
    with pytest.raises(CohortError, match=r"unknown reference 'lo'; expected .* or a group: did you mean 'low'"):
        relevance(adata, wrapped, reference="lo")
    low = adata.X[(adata.obs["lrp_predicted"] == "low").to_numpy()].mean(0)
    np.testing.assert_allclose(
        adata.layers["lrp"], (adata.X - low) * network.weight.detach().numpy(), rtol=1e-4, atol=1e-5
    )


def interrupted(items, description):
    return interrupt_after(4)(items, description) if description == "Explaining" else items


def counted():
    """Return a progress that records what it goes over, and its record."""
    seen = []

    def progress(items, description):
        for item in items:
            seen.append((description, item))
            yield item

    return progress, seen


@pytest.mark.parametrize("form", ["sparse", "dense"])
@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_on_disk_and_resumed_it_is_the_same_as_in_memory(model, tmp_path, monkeypatch, suffix, reference, form):
    adata = cohort(form)
    source, out = tmp_path / f"cohort.{suffix}", tmp_path / "out.h5ad"
    getattr(adata, f"write_{suffix}")(source)
    settings = {"target": "labelled", "reference": reference, "donor": "donor", "top": 3, "batch_size": 20}
    monkeypatch.setattr(resume, "SECONDS", 0.0)
    counting, seen = counted()
    with pytest.raises(KeyboardInterrupt):
        relevance_on_disk(source, model, out, progress=interrupted, **settings)
    relevance_on_disk(source, model, out, progress=counting, **settings)
    assert [start for description, start in seen if description == "Explaining"] == [80, 100]
    assert sum(description == "Averaging" for description, _ in seen) == (0 if reference == "zero" else 6)
    relevance(adata, model, **settings)
    same(read_cohort(out), adata)
    with open_cohort(out) as opened:
        assert rank(opened, wilcoxon=False).equals(rank(adata, wilcoxon=False))


@pytest.mark.parametrize("source, out", [("zarr", "zarr"), ("h5ad", "zarr")])
def test_a_dense_layer_of_a_sparse_cohort_is_written_to_any_format(linear, tmp_path, source, out):
    adata = cohort()
    getattr(adata, f"write_{source}")(tmp_path / f"cohort.{source}")
    relevance_on_disk(tmp_path / f"cohort.{source}", linear, tmp_path / f"out.{out}", reference="mean", batch_size=50)
    relevance(adata, linear, reference="mean", batch_size=50)
    adata.obs["batch"] = np.where(np.arange(adata.n_obs) < 50, "one", "two")
    with open_cohort(tmp_path / f"out.{out}") as opened:
        np.testing.assert_array_equal(opened.layers["lrp"][:], adata.layers["lrp"])
        opened.obs["batch"] = adata.obs["batch"].to_numpy()
        assert rank(opened, groupby="batch", wilcoxon=False).equals(rank(adata, groupby="batch", wilcoxon=False))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    torch.manual_seed(0)
    adata = cohort()
    network = nn.Sequential(nn.Linear(60, 8), nn.ReLU(), nn.Linear(8, 3)).to(dtype)
    relevance(adata, gene_model(network, adata.var_names, GROUPS), reference="mean", groupby="group")
    difference = adata.obs["lrp_score"] - adata.obs["lrp_reference_score"]
    np.testing.assert_allclose(adata.layers["lrp"].sum(1), difference, atol=0.05)


def test_finished_parts_of_another_reference_are_not_used(model, tmp_path, monkeypatch):
    write_cohort(cohort(), tmp_path / "cohort.h5ad")
    monkeypatch.setattr(resume, "SECONDS", 0.0)
    counting, seen = counted()
    with pytest.raises(KeyboardInterrupt):
        relevance_on_disk(
            tmp_path / "cohort.h5ad",
            model,
            tmp_path / "out.h5ad",
            batch_size=20,
            progress=interrupted,
            reference="mean",
        )
    relevance_on_disk(
        tmp_path / "cohort.h5ad", model, tmp_path / "out.h5ad", batch_size=20, progress=counting, reference="zero"
    )
    assert seen == [("Explaining", start) for start in (0, 20, 40, 60, 80, 100)]


def test_the_size_of_chunks_does_not_matter(model):
    results = []
    for size in (7, 120):
        adata = cohort()
        relevance(adata, model, reference="donor", donor="donor", batch_size=size)
        results.append(adata.layers["lrp"])
    np.testing.assert_allclose(*results, rtol=1e-4, atol=1e-6)


def test_without_a_reference_nothing_of_an_earlier_one_is_left(model):
    first, again = cohort(), cohort()
    relevance(first, model, target="labelled")
    relevance(again, model, target="labelled", reference="mean")
    assert "lrp_reference_score" in again.obs
    rank(again)
    relevance(again, model, target="labelled")
    same(again, first)
    assert again.uns["lrp"]["reference"] == "" and "reference" not in rank(again)


def test_rules_are_chosen_by_the_reference(model):
    assert Explanation().rule_set.name == "AttnLRP" and Explanation(reference="zero").rule_set is SECANT
    adata = cohort()
    relevance(adata, model, reference="mean", rules=SECANT_HALF)
    assert adata.uns["lrp"]["rules"] == SECANT_HALF.name


def test_hidden_neurons_have_no_reference(model):
    for function, more in ((latent_relevance, ()), (genes_of_neuron, (0,))):
        with pytest.raises(CohortError, match=r"explain scores themselves, not differences.*leave out reference"):
            function(cohort(), model, "layers.2", *more, reference="mean", network=0)
