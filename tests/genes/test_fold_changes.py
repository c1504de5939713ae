"""Fold changes of expression: by the layer's base, bounded by what could be detected, against the rest or a group."""

import math
import warnings
from io import StringIO

import matplotlib
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import torch
from anndata import AnnData
from scipy import sparse
from torch import nn

from lrp_domains.genes import CohortError, Expects, Training, gene_model, made_cohort, rank, relevance, train

from .same_cohorts import dense

matplotlib.use("Agg")
GROUPS = ["Naive T", "CD4+/CD25 T Reg", "CD19+ B"]


def explained(adata, groups=None, **settings):
    """Explain a cohort by an untrained network, whose relevance plays no part here."""
    torch.manual_seed(0)
    declared = {name: settings.pop(name) for name in ("normalisation", "log_base", "layer") if name in settings}
    model = gene_model(nn.Linear(adata.n_vars, 3), adata.var_names, groups or GROUPS, labels="group", **declared)
    relevance(adata, model, target="labelled", **settings)
    return adata


def table_of(adata, **settings):
    return rank(explained(adata, **settings), wilcoxon=False)


def by_loop(values, labels, group, *, base=math.e, kind="log", other=None):
    """Compute fold changes gene by gene in float64, from the definition."""
    changes = []
    for gene in range(values.shape[1]):
        means = []
        for members in (labels == group, labels != group if other is None else labels == other):
            cells = [float(value) for value, member in zip(values[:, gene], members, strict=True) if member]
            mean = sum(cells) / len(cells)
            means.append(max(mean if kind == "counts" else base**mean - 1, 1 / len(cells)))
        changes.append(math.log2(means[0] / means[1]))
    return changes


def absent_genes(base=math.e, cells=120):
    """Return the made cohort, in logs of a base; its first gene is only in the first group, the second only outside."""
    adata = made_cohort(cells)
    values = dense(adata.X).astype(float)
    in_first = (adata.obs["group"] == GROUPS[0]).to_numpy()
    values[~in_first, 0] = 0
    values[in_first, 1] = 0
    values[:, 2] = 0
    adata.X = sparse.csr_matrix((values / math.log(base)).astype(np.float32))
    return adata


@pytest.mark.parametrize("base", ["e", 2, 10])
def test_fold_changes_of_logs_equal_a_loop_over_cells(base):
    number = math.e if base == "e" else base
    adata = absent_genes(number)
    table = table_of(adata, log_base=base).set_index(["group", "gene"])["log2_fold_change"]
    for group in GROUPS:
        expected = by_loop(dense(adata.X), adata.obs["group"].to_numpy(), group, base=number)
        np.testing.assert_allclose(table[group][adata.var_names], expected, rtol=1e-5, atol=1e-5)
    assert table[GROUPS[0]]["g1_2"] == pytest.approx(1)  # in no cell: a limit of 1 in 40 against 1 in 80


def test_fold_changes_of_counts_equal_a_loop_over_cells():
    adata = absent_genes()
    adata.X = sparse.csr_matrix(np.round(np.expm1(dense(adata.X))))
    table = table_of(adata, normalisation="counts").set_index(["group", "gene"])["log2_fold_change"]
    for group in GROUPS:
        expected = by_loop(dense(adata.X), adata.obs["group"].to_numpy(), group, kind="counts")
        np.testing.assert_allclose(table[group][adata.var_names], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("base", [None, 2])
def test_stored_bases_give_the_fold_changes_of_scanpy(base):
    adata = absent_genes()
    adata.X = sparse.csr_matrix(np.expm1(dense(adata.X)))
    sc.pp.log1p(adata, base=base)
    sc.tl.rank_genes_groups(adata, "group", method="t-test")
    rank(explained(adata))
    assert adata.uns["lrp"]["log_base"] == (math.e if base is None else base)
    for group in GROUPS:
        theirs = sc.get.rank_genes_groups_df(adata, group=group).set_index("names")["logfoldchanges"]
        for key in ("rank_genes_lrp", "rank_genes_expression"):
            ours = sc.get.rank_genes_groups_df(adata, group=group, key=key).set_index("names")["logfoldchanges"]
            detected = theirs.index.difference(["g1_0", "g1_1", "g1_2"])
            np.testing.assert_allclose(ours[detected], theirs[detected], rtol=1e-5, atol=1e-5)
            assert ours.abs().max() < 12
    assert np.abs(adata.uns["rank_genes_groups"]["logfoldchanges"][GROUPS[0]]).max() > 20  # what is bounded


@pytest.mark.parametrize("base, factor", [(None, 1), (2, 1), ("e", 1 / math.log(2)), (10, math.log2(10))])
@pytest.mark.parametrize("normalisation", ["centred", "zscore"])
def test_fold_changes_of_values_around_zero_are_differences_in_log2(normalisation, base, factor):
    adata = made_cohort()
    adata.X = dense(adata.X) - (1 if normalisation == "centred" else 0)
    table = table_of(adata, normalisation=normalisation, log_base=base).set_index(["group", "gene"])
    for group in GROUPS:
        members = (adata.obs["group"] == group).to_numpy()
        expected = (adata.X[members].astype(float).mean(0) - adata.X[~members].astype(float).mean(0)) * factor
        ours = table.loc[group].loc[adata.var_names, "log2_fold_change"]
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


def test_counts_taken_for_logs_have_finite_fold_changes():
    adata = made_cohort()
    adata.X = np.random.default_rng(0).poisson(3000, adata.shape).astype(np.float32)
    with warnings.catch_warnings(record=True) as messages:
        warnings.simplefilter("always")
        table = rank(explained(adata))
    assert np.isfinite(table["log2_fold_change"]).all()
    assert np.isfinite(adata.uns["rank_genes_expression"]["logfoldchanges"][GROUPS[0]]).all()
    assert not [message for message in messages if "overflow" in str(message.message)]


def test_arrays_are_taken_for_log2_and_it_is_said():
    adata = made_cohort()
    adata.X = dense(adata.X) + 6
    with pytest.warns(UserWarning, match=r"'X' is taken to hold log2, because hardly any .* log_base=2, 'e' or 10"):
        explained(adata)
    assert adata.uns["lrp"]["log_base"] == 2
    table = rank(adata, wilcoxon=False).set_index(["group", "gene"])["log2_fold_change"]
    expected = by_loop(dense(adata.X), adata.obs["group"].to_numpy(), "CD19+ B", base=2)
    np.testing.assert_allclose(table["CD19+ B"][adata.var_names], expected, rtol=1e-4)


def test_logs_too_high_to_be_natural_are_taken_for_log2():
    adata = made_cohort()
    adata.X = adata.X * np.float32(15 / adata.X.max())
    with pytest.warns(UserWarning, match=r"because values up to 15.0 are too high for natural logs"):
        explained(adata)
    assert adata.uns["lrp"]["log_base"] == 2


@pytest.mark.parametrize(
    "stored, declared, expected",
    [
        ({"base": None}, None, math.e),
        ({}, None, math.e),
        ({"base": 10}, None, 10),
        ({"base": 10}, 2, 2),
        (None, "e", math.e),
        (None, None, math.e),
    ],
)
def test_a_declared_base_takes_precedence_over_a_stored_one(stored, declared, expected):
    adata = made_cohort()
    if stored is not None:
        adata.uns["log1p"] = stored
        adata.X = dense(adata.X) + 6  # whose base would be inferred otherwise
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explained(adata, log_base=declared)
    assert adata.uns["lrp"]["log_base"] == pytest.approx(expected)


def test_intensities_that_are_scaled_have_no_fold_changes():
    adata = made_cohort()
    adata.X = dense(adata.X) * 1000
    with pytest.warns(UserWarning, match=r"values up to \d+.*, which are no logs, so the fold changes .* are left out"):
        table = table_of(adata, normalisation="zscore")
    assert table["log2_fold_change"].isna().all() and table["score"].notna().all()


def test_the_base_reaches_the_model_from_training():
    adata = made_cohort()
    model = train(adata, "group", log_base="10", training=Training(folds=3, hidden=4, epochs=1))
    assert model.expects.log_base == 10
    relevance(adata, model)
    assert adata.uns["lrp"]["log_base"] == 10


@pytest.mark.parametrize("base", ["two", 1, 0.5, math.inf, True, ""])
def test_bases_that_are_none_are_refused(base):
    with pytest.raises(CohortError, match=r"log_base is .*; expected 'e', 2, 10 or another number above 1"):
        Expects(("CD19",), log_base=base)


def test_a_base_of_counts_is_refused():
    with pytest.raises(CohortError, match=r"log_base is for layers of logs, .* 'log1p_cp10k'"):
        Expects(("CD19",), normalisation="log1p_cp10k", log_base=2)


def test_a_single_group_has_nothing_to_differ_from():
    adata = made_cohort()
    adata.obs["sample"] = "one"
    explained(adata, groupby="sample")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = rank(adata)
    assert table[["log2_fold_change", "effect_size", "de_score", "de_rank"]].isna().all(axis=None)
    assert (table["direction"] == 1).all() and table["score"].notna().all()
    assert "rank_genes_expression" not in adata.uns


def test_a_group_of_one_cell_is_not_tested_but_ranked():
    adata = made_cohort()[[0, 3, 6, 9, 1, 4, 2]].copy()
    explained(adata)
    with pytest.warns(UserWarning, match=r"requires two cells per group; of 'CD19\+ B' there is one, so it isn't"):
        table = rank(adata)
    alone = table["group"] == "CD19+ B"
    assert table.loc[alone, ["de_score", "de_rank", "effect_size"]].isna().all(axis=None)
    assert table.loc[~alone, ["de_score", "de_rank"]].notna().all(axis=None)
    assert np.isfinite(table["log2_fold_change"]).all()
    assert adata.uns["rank_genes_expression"]["names"].dtype.names == tuple(GROUPS[:2])


@pytest.mark.parametrize("form", ["csr_array", "float16", "int64"])
def test_every_kind_of_matrix_is_tested_as_csr_without_messages(form):
    adata = absent_genes()
    adata.X = sparse.csr_matrix(np.round(dense(adata.X) * 2).astype(np.float32))
    expected = rank(explained(adata))
    if form == "float16":
        adata.X = adata.X.toarray().astype(np.float16)
    else:
        adata.X = sparse.csr_array(adata.X) if form == "csr_array" else adata.X.astype(np.int64)
    before, sc.settings.logfile = sc.settings.logfile, StringIO()
    table = rank(adata)
    sc.logging.warning("still on")
    log, sc.settings.logfile = sc.settings.logfile, before
    assert log.getvalue() == "WARNING: still on\n"  # and not that these are counts
    columns = ["gene", "de_score", "de_rank", "log2_fold_change"]
    pd.testing.assert_frame_equal(table[columns], expected[columns])


def test_half_precision_and_small_integers_do_not_overflow_in_sums():
    adata = made_cohort()
    counts = np.random.default_rng(0).integers(0, 250, adata.shape)
    tables = []
    for dtype in (np.float64, np.float16, np.uint8):
        part = AnnData(counts.astype(dtype), obs=adata.obs.copy(), var=adata.var.copy())
        tables.append(table_of(part, normalisation="counts"))
    for table in tables[1:]:
        np.testing.assert_allclose(table["de_score"], tables[0]["de_score"], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("wilcoxon", [True, False])
def test_against_a_group_expression_is_compared_with_it(wilcoxon):
    adata = absent_genes()
    explained(adata, reference="Naive T")
    table = rank(adata, wilcoxon=wilcoxon)
    values, labels = dense(adata.X).astype(float), adata.obs["group"].to_numpy()
    assert set(table["group"]) == set(GROUPS[1:]) == set(adata.uns["rank_genes_lrp"]["names"].dtype.names)
    assert adata.uns["rank_genes_lrp"]["params"]["reference"] == "Naive T"
    if wilcoxon:
        sc.tl.rank_genes_groups(adata, "group", reference="Naive T", method="wilcoxon")
    for group, rows in table.groupby("group"):
        rows = rows.set_index("gene").loc[adata.var_names]
        expected = by_loop(values, labels, group, other="Naive T")
        np.testing.assert_allclose(rows["log2_fold_change"], expected, rtol=1e-5, atol=1e-5)
        higher = values[labels == group].mean(0) >= values[labels == "Naive T"].mean(0)
        assert (rows["direction"] == np.where(higher, 1, -1)).all()
        if wilcoxon:
            theirs = sc.get.rank_genes_groups_df(adata, group=group).set_index("names")["scores"]
            np.testing.assert_allclose(rows["de_score"], theirs[adata.var_names], rtol=1e-5, atol=1e-5)
            assert adata.uns["rank_genes_expression"]["params"]["reference"] == "Naive T"
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                sc.tl.rank_genes_groups(adata, "group", reference="Naive T", method="t-test", key_added="t")
            theirs = sc.get.rank_genes_groups_df(adata, group=group, key="t").set_index("names")["scores"]
            varied = theirs.index[theirs.notna()]
            np.testing.assert_allclose(rows.loc[varied, "de_score"], theirs[varied], rtol=1e-4, atol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pl.rank_genes_groups(adata, key="rank_genes_lrp", n_genes=3, show=False)
    matplotlib.pyplot.close("all")
    rank(adata, groupby="lrp_predicted", wilcoxon=False)
    assert adata.uns["rank_genes_lrp"]["params"]["reference"] == "rest"  # another column, though with such a group
