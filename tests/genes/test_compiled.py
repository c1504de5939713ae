"""Explanations of cells from recordings: the same results as without."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from lrp_domains import RelevanceError
from lrp_domains.domain import DomainError
from lrp_domains.genes import CohortError, Explanation, gene_model, made_cohort, relevance

from .limited_networks import OutOfMemory
from .same_cohorts import dense


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(60, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 3)).eval()


def explained(network, **settings):
    adata = made_cohort()
    model = gene_model(network, adata.var_names, list(adata.obs["group"].cat.categories), labels="group")
    relevance(adata, model, **settings)
    return adata


def assert_same(adata, expected, tolerance=1e-6):
    np.testing.assert_allclose(dense(adata.layers["lrp"]), dense(expected.layers["lrp"]), atol=tolerance)
    for column in ("lrp_predicted", "lrp_target"):
        np.testing.assert_array_equal(adata.obs[column], expected.obs[column])
    for column in ("lrp_score", "lrp_rest"):
        np.testing.assert_allclose(adata.obs[column], expected.obs[column], atol=tolerance)
    for name in ("ledger_score", "ledger_genes", "ledger_biases", "ledger_residue"):
        assert adata.uns["lrp"][name] == pytest.approx(expected.uns["lrp"][name], abs=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"target": "labelled"},
        {"target": "a", "against": "b"},
        {"score": "margin"},
        {"reference": "mean"},
        {"reference": "zero"},
        {"batch_size": 33},
    ],
    ids=str,
)
def test_the_results_are_the_same(network, settings):
    adata = made_cohort()
    classes = list(adata.obs["group"].cat.categories)
    settings = {k: dict(zip("ab", classes, strict=False)).get(v, v) for k, v in settings.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is computed as usual
        compiled = explained(network, compile=True, **settings)
    assert_same(compiled, explained(network, **settings))


def test_networks_of_several_folds(made_model):
    adata, expected = made_cohort(), made_cohort()
    relevance(expected, made_model)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        relevance(adata, made_model, compile=True)
    np.testing.assert_allclose(dense(adata.layers["lrp"]), dense(expected.layers["lrp"]), atol=1e-6)
    for name in ("networks", "network_cells", "sums", "counted"):
        np.testing.assert_allclose(adata.uns["lrp_groups"][name], expected.uns["lrp_groups"][name], atol=1e-4)


def test_a_network_runs_no_python_once_it_is_recorded(network):
    calls = []
    network.register_forward_hook(lambda *_: calls.append(1))
    explained(network, batch_size=10)
    as_usual = len(calls)
    calls.clear()
    explained(network, batch_size=10, compile=True)
    assert len(calls) <= as_usual - 8  # of twelve batches, some are recorded and compared


@pytest.mark.parametrize(("settings", "most"), [({}, 7), ({"batch_size": 33}, 33)])
def test_batches_are_not_filled_beyond_the_memory(network, settings, most):
    limited, expected = OutOfMemory(network, most), explained(network)
    with warnings.catch_warnings():
        warnings.simplefilter("error" if settings else "ignore")
        adata = explained(limited, compile=True, **settings)
    np.testing.assert_allclose(dense(adata.layers["lrp"]), dense(expected.layers["lrp"]), atol=1e-6)


def test_a_score_that_is_not_finite_names_the_cell(network):
    adata = made_cohort()
    with torch.no_grad():
        network[3].bias[0] = torch.nan
    with pytest.raises(CohortError, match=rf"score of the cell '{adata.obs_names[0]}' is not finite"):
        explained(network, compile=True)


def test_only_backends_are_accepted():
    with pytest.raises(DomainError, match="compile='fast': expected True, False, or a backend: 'eager', 'inductor'"):
        Explanation(compile="fast")


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_cudagraphs_need_a_gpu(network):
    with pytest.raises(RelevanceError, match="'cudagraphs' needs all inputs on a GPU"):
        explained(network, compile="cudagraphs")


@pytest.mark.slow
def test_compiled_kernels_give_the_same_to_rounding(network):
    assert_same(explained(network, compile="inductor"), explained(network), tolerance=1e-5)
