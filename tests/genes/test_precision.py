"""Networks that compute in half precision: relevance near that in single precision, and how near is written."""

import numpy as np
import pytest
import torch
from torch import nn

from lrp_domains.genes import CohortError, check_cohort, expects_all, gene_model, made_cohort, relevance
from lrp_domains.genes.explanation.requests.request import Explanation

from .limited_networks import WithoutHalf
from .same_cohorts import dense, same


def model_of(network, adata):
    return gene_model(network, adata.var_names, list(adata.obs["group"].cat.categories), labels="group")


@pytest.fixture
def adata():
    return made_cohort()


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(60, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3)).eval()


@pytest.mark.parametrize("precision, most", [("bf16", 0.05), ("fp16", 0.005)])
@pytest.mark.parametrize("reference", [None, "zero", "mean"])
def test_half_precision_is_near_and_its_distance_is_written(adata, network, precision, most, reference):
    model = model_of(network, adata)
    single, half = adata.copy(), adata.copy()
    relevance(single, model, reference=reference, batch_size=60, target="labelled")
    relevance(half, model, reference=reference, batch_size=60, target="labelled", precision=precision)
    provenance = half.uns["lrp"]
    assert provenance["precision"] == precision and provenance["model"] == single.uns["lrp"]["model"]
    expected, actual = (dense(cohort.layers["lrp"])[:60].astype(float) for cohort in (single, half))
    assert provenance["distance_relevance"] == pytest.approx(
        np.abs(actual - expected).sum() / np.abs(expected).sum(), rel=1e-6
    )
    scores = [cohort.obs["lrp_score"].to_numpy()[:60] for cohort in (single, half)]
    assert provenance["distance_score"] == pytest.approx(
        np.abs(scores[1] - scores[0]).sum() / np.abs(scores[0]).sum(), rel=1e-6
    )
    assert 0 < provenance["distance_relevance"] < most and 0 < provenance["distance_score"] < most
    assert half.layers["lrp"].dtype == np.float32 and half.uns["lrp_groups"]["sums"].dtype == np.float64
    assert network[0].weight.dtype == torch.float32


def test_single_precision_is_the_default(adata, made_model):
    default, single = adata.copy(), adata.copy()
    relevance(default, made_model)
    relevance(single, made_model, precision="fp32")
    assert "distance_score" not in single.uns["lrp"]
    assert single.uns["lrp"].pop("precision") == "fp32" and default.uns["lrp"].pop("precision") == ""
    same(single, default)


def test_weights_in_double_precision_can_compute_in_single(adata, network):
    single, double = adata.copy(), adata.copy()
    relevance(single, model_of(network, adata))
    relevance(double, model_of(network.double(), adata), precision="fp32")
    np.testing.assert_array_equal(dense(double.layers["lrp"]), dense(single.layers["lrp"]))


def test_a_model_that_cannot_compute_in_a_precision(adata):
    model = model_of(nn.Sequential(WithoutHalf(60, 3)), adata)
    message = r"can't be explained in precision 'fp16': .*not implemented for 'Half'.*; use 'bf16', 'fp32'"
    with pytest.raises(CohortError, match=message):
        relevance(adata, model, precision="fp16")
    with pytest.raises(CohortError, match=message):
        check_cohort(adata, expects_all(adata), model=model, explanation=Explanation(precision="fp16"))
    relevance(adata, model, precision="bf16")


def test_scores_beyond_fp16(adata):
    network = nn.Linear(60, 3)
    with torch.no_grad():
        network.weight.fill_(3e4)
    with pytest.raises(CohortError, match="not finite; fp16 has no numbers beyond 65504: use precision='bf16'"):
        relevance(adata, model_of(network, adata), precision="fp16")


def test_an_unknown_precision(adata, network):
    with pytest.raises(Exception, match="unknown precision 'fp8'"):
        relevance(adata, model_of(network, adata), precision="fp8")
