"""Differential expression as a rival: it is scanpy's, for the group that a cell is predicted to be of."""

import numpy as np
import pytest
import scanpy as sc
from scipy import stats
from torch import nn

from lrp_domains.genes import (
    CohortError,
    gene_model,
    made_cohort,
    open_cohort,
    write_cohort,
)
from lrp_domains.genes.evaluation import (
    compare_methods,
    differential,
    differential_expression,
    draw,
)

from . import counts_of_two_groups

GROUPS = ["Naive T", "CD4+/CD25 T Reg", "CD19+ B"]


def test_differential_expression_is_scanpys_for_the_predicted_class(trained):
    adata, model = trained
    cells = draw(adata, model, cells=30)
    own = adata.copy()
    sc.tl.rank_genes_groups(own, "group", method="wilcoxon", use_raw=False)
    found = differential_expression(cells)
    predicted = np.array(GROUPS)[cells.target]
    assert (predicted != adata.obs["group"].to_numpy()[cells.rows]).any()  # for a wrong prediction it is that of it
    for group in GROUPS:
        expected = sc.get.rank_genes_groups_df(own, group).set_index("names")["scores"].loc[adata.var_names]
        for row in np.flatnonzero(predicted == group):
            np.testing.assert_allclose(found[row], expected, rtol=1e-6)


def test_differential_expression_of_a_large_file_is_welchs_t(trained, tmp_path, monkeypatch):
    adata, model = trained
    write_cohort(adata, tmp_path / "cohort.h5ad")
    monkeypatch.setattr(differential, "MOST_BYTES_IN_MEMORY", 0)
    with open_cohort(tmp_path / "cohort.h5ad") as stored:
        cells = draw(stored, model, cells=5)
        found = differential_expression(cells)
    values, labels = adata.X.toarray().astype(float), adata.obs["group"].to_numpy()
    for row, number in enumerate(cells.target):
        members = labels == GROUPS[number]
        expected = stats.ttest_ind(values[members], values[~members], equal_var=False).statistic
        np.testing.assert_allclose(found[row], np.nan_to_num(expected), rtol=1e-5, atol=1e-5)


def test_groups_that_are_no_classes_have_their_own_differential_expression(trained):
    adata = trained[0].copy()
    adata.obs["batch"] = ["first"] * 100 + ["second"] * 50
    cells = draw(adata, trained[1], cells=3, groupby="batch")
    sc.tl.rank_genes_groups(adata, "batch", method="wilcoxon", use_raw=False)
    expected = sc.get.rank_genes_groups_df(adata, "first").set_index("names")["scores"].loc[adata.var_names]
    np.testing.assert_allclose(differential_expression(cells)[0], expected, rtol=1e-6)


def test_counts_are_normalised_for_differential_expression():
    adata = counts_of_two_groups.cohort(cells=60)
    adata.X = adata.X.multiply(np.where(np.arange(60) % 2, 5, 1)[:, None]).tocsr()  # one group is deeper
    names = list(adata.var_names)
    model = gene_model(nn.Linear(30, 2), names, ["low", "high"], labels="group", normalisation="counts")
    found = differential_expression(draw(adata, model, cells=5))
    plain = adata.copy()
    sc.pp.normalize_total(plain, target_sum=1e4)
    sc.pp.log1p(plain)
    sc.tl.rank_genes_groups(plain, "group", method="wilcoxon", use_raw=False)
    expected = sc.get.rank_genes_groups_df(plain, "high").set_index("names")["scores"].loc[names]
    sign = 1 if model.classes[draw(adata, model, cells=5).target[0]] == "high" else -1
    np.testing.assert_allclose(sign * found[0], expected, atol=0.05)  # values that are equal to rounding


def test_differential_expression_needs_groups(trained):
    adata = made_cohort()
    del adata.obs["group"]
    with pytest.raises(CohortError, match="'differential-expression' doesn't fit: the cohort has no column of groups"):
        compare_methods(adata, trained[1], methods=["differential-expression"])
