"""Which cells and genes methods are compared on, and that they are explained as in their cohort."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lrp_domains import ATTN_LRP, CP_LRP, SECANT
from lrp_domains.evaluation import rivals
from lrp_domains.genes import (
    gene_model,
    made_cohort,
    open_cohort,
    relevance,
    write_cohort,
)
from lrp_domains.genes.evaluation import (
    Explained,
    RemovableGenes,
    draw,
    parameter_randomisation,
)

from .same_cohorts import dense

GROUPS = ["Naive T", "CD4+/CD25 T Reg", "CD19+ B"]
OCCLUSION = Explained(rivals.occlusion(), "zero")


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("method", [Explained(CP_LRP), Explained(SECANT, "mean"), OCCLUSION])
def test_cells_are_explained_as_in_their_cohort(trained, tmp_path, method, on_disk):
    adata, model = trained
    whole = adata.copy()
    relevance(whole, model, rules=method.rules, reference=method.reference)
    write_cohort(adata, tmp_path / "cohort.h5ad")
    with open_cohort(tmp_path / "cohort.h5ad") as stored:
        cells = draw(stored if on_disk else adata, model, cells=5)
        expected = dense(whole.layers["lrp"])[cells.rows]
        np.testing.assert_allclose(method(cells), expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(cells.target, whole.obs["lrp_predicted"].cat.codes.to_numpy()[cells.rows])
    assert list(cells.genes) == list(adata.var_names)


def test_genes_are_those_that_both_have_in_the_order_of_the_model():
    adata = made_cohort(cells=60)
    names = ["absent", *adata.var_names[::-1][:50]]
    torch.manual_seed(0)
    model = gene_model(nn.Linear(51, 3), names, GROUPS, labels="group")
    cells = draw(adata, model, cells=3)
    assert list(cells.genes) == names[1:]
    whole = adata.copy()
    relevance(whole, model)
    expected = whole[cells.rows, list(cells.genes)].layers["lrp"].toarray()
    np.testing.assert_allclose(Explained(ATTN_LRP)(cells), expected, atol=1e-6)

    numbers, kept = np.arange(9), np.random.default_rng(0).random((9, 50)) < 0.5
    x = torch.zeros(9, 51)
    x[:, 1:] = torch.tensor(adata[cells.rows, list(cells.genes)].X.toarray() * kept)
    p = model.networks[0][0](x).softmax(1).detach().numpy()[numbers, cells.target]
    np.testing.assert_allclose(RemovableGenes(cells)(numbers, list(kept)), np.log(p / (1 - p)), atol=1e-5)


def test_cells_are_drawn_from_each_group(trained):
    adata, model = trained
    cells, again, others = (draw(adata, model, cells=7, seed=seed) for seed in (0, 0, 1))
    assert adata.obs["group"].iloc[cells.rows].value_counts().tolist() == [7, 7, 7]
    np.testing.assert_array_equal(cells.rows, again.rows)
    assert list(cells.plan.expression.cells) == list(adata.obs_names[cells.rows])
    pd.testing.assert_series_equal(cells.plan.labels, adata.obs["group"].iloc[cells.rows])
    assert (np.diff(cells.rows) > 0).all() and list(cells.rows) != list(others.rows)
    unlabelled = made_cohort(cells=150)
    del unlabelled.obs["group"]
    assert len(draw(unlabelled, model, cells=7)) == 21
    batch = adata.copy()
    batch.obs["batch"] = ["first"] * 100 + ["second"] * 50
    assert (draw(batch, model, cells=60, groupby="batch").rows < 100).sum() == 60


def test_cells_are_explained_for_what_was_predicted_before(trained):
    adata, model = trained
    targets = []

    def recorded(cells):
        targets.append(cells.plan.target.tolist())
        return np.arange(1.0, 61) * np.ones((len(cells), 1))

    parameter_randomisation(adata, model, recorded, cells=4)
    assert targets == [draw(adata, model, cells=4).target.tolist()] * 4
