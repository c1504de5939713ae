"""Genes whose values are all far from zero are learnt, and the centre is absorbed without a trace."""

import numpy as np
import pytest
import torch

from lrp_domains.genes import Training, relevance, train
from lrp_domains.genes.models.built_in import built_in, of_original_expression
from lrp_domains.genes.training.fold_data import centring_of, few_zeros
from lrp_domains.genes.training.settings import resolved

from .test_chance import bulk

SETTINGS = {"dropout": 0.0, "input_dropout": 0.0, "hidden": 8}


@pytest.mark.parametrize("network", ["mlp", "linear"])
@pytest.mark.parametrize("donor", ["index", None])
def test_log2_intensities_are_learnt_with_the_defaults(network, donor):
    adata = bulk(0, rows=60, genes=1000, effect=0.0)
    adata.X[(adata.obs["group"] == "b").to_numpy(), :60] += 1.5
    model = train(adata, "group", donor=donor, training=Training(members=2, network=network))
    assert model.performance["held_out_balanced_accuracy"].mean() >= 0.97
    assert not model.held_out.at_chance


def test_the_unit_of_values_does_not_change_what_is_learnt():
    adata = bulk(0, effect=1.0)
    settings = Training(folds=3, members=1, epochs=10)
    log2 = train(adata, "group", donor="index", training=settings)
    adata.X = adata.X * 100
    scaled = train(adata, "group", donor="index", training=settings)
    np.testing.assert_allclose(scaled.performance, log2.performance, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("network", ["mlp", "linear"])
def test_the_first_layer_absorbs_the_centre(network):
    torch.manual_seed(0)
    original = built_in({"network": network, **SETTINGS}, 30, 3).double().eval()
    with torch.no_grad():
        for parameter in original.parameters():
            parameter.copy_(torch.randn_like(parameter))
    x = 9 + torch.randn(20, 30, dtype=torch.float64)
    centring = centring_of(lambda rows: x[rows], np.arange(15))
    torch.testing.assert_close(centring.centre, x[:15].mean(0))
    assert centring.scale == pytest.approx(x[:15].var(0, correction=0).mean().sqrt().item())
    expected = original((x - centring.centre) / centring.scale)
    absorbed = of_original_expression(original, centring.centre, centring.scale)
    torch.testing.assert_close(absorbed(x), expected)


def test_a_gene_of_value_0_has_no_relevance_after_centring():
    adata = bulk(0, effect=1.5)
    adata.X[:, 5] = np.where(np.arange(adata.n_obs) % 3, 0, adata.X[:, 5])
    model = train(adata, "group", donor="index", training=Training(folds=3, members=2))
    relevance(adata, model)
    assert not adata.layers["lrp"][adata.X == 0].any() and adata.layers["lrp"][adata.X[:, 5] != 0, 5].any()


def test_cells_with_zeros_are_not_centred():
    x = np.ones((10, 20))
    assert few_zeros(x)
    x[:, :3] = 0
    assert not few_zeros(x)


@pytest.mark.parametrize(("rows", "patience"), [(60, 20), (150, 20), (200, 10), (100_000, 10)])
def test_the_patience_of_small_cohorts_is_20_batches(rows, patience):
    """150 rows leave 102 to learn from, and 200 leave 136: one and two batches of 64."""
    assert resolved(Training(), rows=rows, bulk=True, task="classes").patience == patience
    assert resolved(Training(patience=3), rows=rows, bulk=True, task="classes").patience == 3


def test_epochs_of_centred_networks_are_fewer():
    assert resolved(Training(), rows=60, bulk=True, task="classes", centred=True).epochs == 40
    assert resolved(Training(), rows=60, bulk=True, task="classes").epochs == 200
    assert resolved(Training(epochs=5), rows=60, bulk=True, task="classes", centred=True).epochs == 5
