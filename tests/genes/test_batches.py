"""How many cells are explained at a time: fewer when memory runs out, without any difference in the results."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lrp_domains.genes import CohortError, gene_model, made_cohort, relevance
from lrp_domains.genes.explanation.cells import explain as explaining

from .limited_networks import OutOfMemory
from .same_cohorts import dense


def explained(network, adata, **settings):
    adata = adata.copy()
    model = gene_model(network, adata.var_names, list(adata.obs["group"].cat.categories), labels="group")
    relevance(adata, model, **settings)
    return adata


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(60, 8), nn.ReLU(), nn.Linear(8, 3))


@pytest.mark.parametrize("reference", [None, "mean"])
def test_halved_when_memory_runs_out_and_said_once(network, reference):
    adata, limited = made_cohort(), OutOfMemory(network, most=20)
    with pytest.warns(UserWarning, match="memory ran out with 50 cells at a time; going on with 25") as caught:
        result = explained(limited, adata, batch_size=50, reference=reference)
    assert sum("memory ran out" in str(warning.message) for warning in caught) == 1
    tried = [cells for cells in limited.tried if cells != 2]
    assert tried[:3] == [50, 25, 12] and max(tried[2:]) == 12
    expected = explained(network, adata, batch_size=50, reference=reference)
    np.testing.assert_allclose(dense(result.layers["lrp"]), dense(expected.layers["lrp"]), rtol=1e-5, atol=1e-6)
    for name in ("lrp_score", "lrp_rest"):
        np.testing.assert_allclose(result.obs[name], expected.obs[name], rtol=1e-5, atol=1e-5)
    for name in ("sums", "squares", "counted", "n_top", "expression"):
        np.testing.assert_allclose(result.uns["lrp_groups"][name], expected.uns["lrp_groups"][name], atol=1e-4)
    for name in ("ledger_score", "ledger_genes"):
        assert result.uns["lrp"][name] == pytest.approx(expected.uns["lrp"][name], rel=1e-6)


def test_folds_whose_batches_are_halved(made_model):
    """The sums over networks are of all cells once, also where a fold is explained in several batches."""
    adata, expected = made_cohort(), made_cohort()
    relevance(expected, made_model)
    limited = tuple(tuple(OutOfMemory(network, most=7) for network in members) for members in made_model.networks)
    with pytest.warns(UserWarning, match="memory ran out"):
        relevance(adata, replace(made_model, networks=limited))
    for name in ("networks", "network_cells", "sums"):
        np.testing.assert_allclose(adata.uns["lrp_groups"][name], expected.uns["lrp_groups"][name], atol=1e-4)


def test_a_single_cell_that_does_not_fit():
    adata = made_cohort()
    with pytest.raises(CohortError, match=r"memory runs out with 2 cells \(CUDA out of memory.*use device='cpu'"):
        explained(OutOfMemory(nn.Linear(60, 3), most=0), adata)


@pytest.mark.parametrize("batch_size", [None, 32])
def test_on_a_gpu_free_memory_decides_unless_a_number_is_given(network, monkeypatch, batch_size):
    """The chunks that are read stay the same, so that sums and shards don't depend on a device's memory."""
    adata, counted = made_cohort(), OutOfMemory(network, most=1000)
    probed = []

    def fitting(compute, device, *, most):
        compute(3)
        probed.append(most)
        return 10

    monkeypatch.setattr(explaining, "fitting", fitting)
    result = explained(counted, adata, batch_size=batch_size)
    expected = explained(network, adata, batch_size=batch_size)
    assert probed[:1] == ([120] if batch_size is None else [])
    assert max(counted.tried) == (10 if batch_size is None else 32)
    np.testing.assert_allclose(dense(result.layers["lrp"]), dense(expected.layers["lrp"]), rtol=1e-5, atol=1e-6)
