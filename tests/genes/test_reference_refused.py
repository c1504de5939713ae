"""References that don't fit a request, a cohort or a network are refused, before any long work."""

import numpy as np
import pytest
import torch
from torch import nn

from lrp_domains import CP_LRP, SECANT, SECANT_HALF, capture
from lrp_domains.domain import Read
from lrp_domains.genes import (
    CohortError,
    Explanation,
    Training,
    gene_model,
    relevance,
    train,
)

from . import counts_of_two_groups
from .references import GROUPS, cohort
from .token_models import bert, model_of


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"rules": CP_LRP, "reference": "mean"}, r"'CP-LRP' explains no differences.*use lrp_domains.SECANT or SECANT"),
        ({"rules": SECANT}, r"'secant' explains differences from a reference; pass one, such as reference='mean'"),
        ({"rules": SECANT_HALF}, r"explains differences from a reference; pass one"),
        ({"reference": ""}, r"reference is ''; expected 'zero', 'mean', 'donor', the name of a group, or None"),
        ({"reference": 0.5}, r"reference is 0.5; expected 'zero'"),
    ],
)
def test_an_invalid_request_is_refused_without_a_cohort(settings, message):
    with pytest.raises(CohortError, match=message):
        Explanation(**settings)


def named(name):
    def rename(adata):
        adata.obs["group"] = adata.obs["group"].cat.rename_categories({"Naive T": name})

    return rename


def single_cell(adata):
    adata.obs["donor"] = ["alone", *adata.obs["donor"][1:]]


def without_labels(adata):
    del adata.obs["group"]


@pytest.mark.parametrize(
    "change, settings, message",
    [
        (None, {"reference": "Naive"}, r"unknown reference 'Naive'; expected 'zero', 'mean', 'donor' or a group of "
         r"'group': did you mean 'Naive T'"),
        (None, {"reference": "donor"}, r"reference='donor' requires the column of obs with donors; name it with donor"),
        (None, {"reference": "donor", "donor": "donr"}, r"obs has no column 'donr' of donors; did you mean 'donor'"),
        (None, {"reference": "donor", "donor": "index"}, r"120 of 120 donors in 'index' have a single cell"),
        (single_cell, {"reference": "donor", "donor": "donor"}, r"1 of 5 donors in 'donor' have a single cell,"),
        (named("mean"), {"reference": "mean"}, r"reference='mean' is the mean of the cohort, but 'group' also has a "),
        (named("zero"), {"reference": "zero"}, r"'group' also has a group of this name; rename the group"),
        (without_labels, {"reference": "Naive T"}, r"'Naive T' is not one of .*no column of groups: name it with grou"),
    ],
)  # fmt: skip
def test_a_reference_that_does_not_fit_is_refused_before_the_cohort_is_read(change, settings, message):
    adata = cohort()
    if change:
        change(adata)
    columns, started = list(adata.obs), []
    wrapped = gene_model(nn.Linear(adata.n_vars, 3), adata.var_names, GROUPS, labels="group")
    with pytest.raises(CohortError, match=message):
        relevance(adata, wrapped, progress=lambda items, description: started.append(description) or items, **settings)
    assert not adata.layers and not adata.uns and list(adata.obs) == columns and not started


def test_a_model_of_tokens_has_no_reference():
    adata = counts_of_two_groups.cohort()
    with pytest.raises(CohortError, match=r"reads genes as tokens in their order, and neither a mean nor zero has tok"):
        relevance(adata, model_of(bert()), reference="low")


@pytest.mark.parametrize("reference", ["zero", "mean"])
def test_a_transformer_of_expressed_genes_has_no_reference_that_expresses_others(reference):
    adata = cohort()
    settings = Training(folds=3, members=1, hidden=8, epochs=1, network="transformer")
    with pytest.raises(CohortError, match=r"the transformer reads only the genes that a cell expresses"):
        relevance(adata, train(adata, "group", training=settings), reference=reference)

    adata.X = adata.X.toarray()
    fitted = train(adata, "group", training=settings, normalisation="zscore")
    for (network,) in fitted.networks:
        network.double()
    if reference == "mean":
        relevance(adata, fitted, reference=reference)
        np.testing.assert_allclose(adata.obs["lrp_rest"], 0, atol=1e-5)


class Masked(nn.Module):
    """A network that averages the embeddings of the genes that a cell expresses."""

    def __init__(self, genes):
        super().__init__()
        self.embedding, self.head = nn.Embedding(genes, 8), nn.Linear(8, 3)

    def forward(self, x, expressed):
        tokens = self.embedding(torch.arange(x.shape[1]).expand(x.shape)) * expressed[:, :, None]
        return self.head((tokens * x[:, :, None]).sum(1))


def read_masked(network, values):
    with capture(network, "embedding") as captured:
        logits = network(values, (values > 1).float())
    return Read(logits, tuple(captured.values()), per_unit=lambda relevances: relevances[0].sum(-1))


def test_a_difference_that_genes_do_not_account_for_is_refused():
    """Cells and reference have the same embeddings here, so that all of the difference is outside of them."""
    adata = cohort()
    wrapped = gene_model(Masked(60), adata.var_names, GROUPS, reading=read_masked)
    with pytest.raises(CohortError, match=r"account for all but 100.0% of the difference.*leave out the reference"):
        relevance(adata, wrapped, reference="zero")


class Shared(nn.Linear):
    """A network whose outputs depend on how many genes are expressed."""

    def forward(self, x):
        return super().forward(x) / (x != 0).sum(1, keepdim=True)


def test_an_operation_without_a_share_of_the_difference_is_refused():
    adata = cohort()
    with pytest.raises(CohortError, match=r"only the genes that a cell expresses.*reference='mean', which expresses"):
        relevance(adata, gene_model(Shared(60, 3), adata.var_names, GROUPS), reference="mean")
