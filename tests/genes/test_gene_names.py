"""Genes by the names in a column: the same in training, explaining and tables; and only genes are read."""

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import torch
from torch import nn

from lrp_domains.genes import (
    CohortError,
    Training,
    curves,
    expects_all,
    gene_model,
    load_trained,
    made_cohort,
    rank,
    relevance,
    save_model,
    train,
)
from lrp_domains.genes.cohorts.values.expression import expression_of
from lrp_domains.genes.report.results import CohortResults

QUICK = Training(folds=3, hidden=16, epochs=60)
COUNTED = {"normalisation": "log1p_cp10k"}


def with_ids():
    """A cohort whose genes are named by Ensembl ids, with symbols in a column."""
    adata = made_cohort()
    adata.var["symbol"] = adata.var_names
    adata.var_names = [f"ENSG{i:011d}" for i in range(adata.n_vars)]
    return adata


@pytest.fixture(scope="module")
def trained():
    adata = with_ids()
    adata.var["symbol"] = adata.var["symbol"].astype(object)
    adata.var.loc["ENSG00000000021", "symbol"] = "other_11"  # of the gene before as well
    adata.var.loc["ENSG00000000030", "symbol"] = np.nan
    adata.var.loc["ENSG00000000031", "symbol"] = ""
    with pytest.warns(UserWarning) as warned:
        model = train(adata, "group", gene_column="symbol", training=QUICK)
    return adata, model, [str(warning.message) for warning in warned]


def test_names_that_are_missing_or_used_twice_are_replaced_and_counted(trained):
    _, model, warned = trained
    named = dict(zip([20, 21, 30, 31], [model.expects.genes[i] for i in (20, 21, 30, 31)], strict=True))
    assert named == {
        20: "other_11 (ENSG00000000020)", 21: "other_11 (ENSG00000000021)", 30: "ENSG00000000030",
        31: "ENSG00000000031",
    }  # fmt: skip
    assert any("2 gene(s) have no name in 'symbol' and are named by var_names" in message for message in warned)
    assert any("1 name(s) in 'symbol' are of several genes" in message for message in warned)


@pytest.mark.filterwarnings("ignore:.*in 'symbol'")
def test_tables_have_these_names_and_scanpy_finds_var_names(trained, tmp_path):
    adata, model, _ = trained
    adata = adata.copy()
    save_model(model, tmp_path / "model.pt")
    model = load_trained(tmp_path / "model.pt")
    relevance(adata, model)  # the column is the one that the model was trained by
    table = rank(adata)
    assert set(table["gene"]) == set(model.expects.genes)
    leading = table[table["group"] == "CD19+ B"].head(3)["gene"]
    assert set(leading) == {"g3_0", "g3_1", "g3_2"} and table["de_rank"].notna().all()
    frame = sc.get.rank_genes_groups_df(adata, group="CD19+ B", key="rank_genes_lrp", gene_symbols="symbol")
    assert set(frame["names"][:3]) == {"ENSG00000000006", "ENSG00000000007", "ENSG00000000008"}
    assert set(frame["symbol"][:3]) == set(leading)
    assert set(curves(adata, model, table, most=5, cells=5)["group"]) == set(model.classes)
    results = CohortResults("made", adata, table)
    rows = np.arange(4)
    np.testing.assert_array_equal(results.relevance_of(rows, ["g3_1"]), adata[:4, 7].layers["lrp"].toarray())


@pytest.mark.filterwarnings("ignore:.*in 'symbol'", "ignore:.*genes are not in the cohort")
def test_another_cohort_may_have_these_names_as_var_names(trained):
    _, model, _ = trained
    adata = made_cohort(seed=1)
    relevance(adata, model)
    assert adata.uns["lrp"]["genes_missing"] == 4  # those with other names
    assert set(rank(adata, wilcoxon=False)["gene"]) <= set(adata.var_names)


def test_a_model_from_elsewhere_keeps_var_names_in_tables():
    adata = with_ids()
    model = gene_model(nn.Linear(60, 3), adata.var["symbol"], list("abc"))
    relevance(adata, model, gene_column="symbol")
    assert set(rank(adata, wilcoxon=False)["gene"]) == set(adata.var_names)
    adata.var.iloc[1, 0] = adata.var.iloc[0, 0]
    with pytest.raises(CohortError, match=r"1 gene name\(s\) are used more than once in the cohort: 'g1_0'"):
        relevance(adata, model, gene_column="symbol")


def test_a_missing_column_is_named():
    with pytest.raises(CohortError, match=r"var has no column 'symbl' of gene names; did you mean 'symbol'\?"):
        train(with_ids(), "group", gene_column="symbl", training=QUICK)


def with_antibodies():
    """Counts of genes, and of five antibodies of which each cell has hundreds."""
    adata = made_cohort()
    counts = np.round(np.expm1(adata.X.toarray()))
    counts[:, -5:] = 500
    adata.X = counts.astype(np.float32)
    adata.var["feature_types"] = ["Gene Expression"] * 55 + ["Antibody Capture"] * 5
    return adata


def test_only_genes_are_trained_on_and_normalised_over():
    adata = with_antibodies()
    with pytest.warns(UserWarning, match=r"of 60 features, 5 of kind 'Antibody Capture' are not read"):
        model = train(adata, "group", training=QUICK, **COUNTED)
    assert model.expects.genes == tuple(adata.var_names[:55])
    only = adata[:, :55].copy()
    expected = expression_of(only, expects_all(only, **COUNTED)).chunk(0, 120).values
    np.testing.assert_array_equal(expression_of(adata, model.expects).chunk(0, 120).values, expected)
    relevance(adata, model)
    assert set(rank(adata)["gene"]) == set(model.expects.genes)


def test_a_model_that_knows_antibodies_reads_them():
    adata = with_antibodies()
    torch.manual_seed(0)
    model = gene_model(nn.Linear(60, 3), adata.var_names, list("abc"), **COUNTED)
    relevance(adata, model)
    values = expression_of(adata, model.expects).chunk(0, 120).values
    np.testing.assert_allclose(np.expm1(values).sum(1), 10_000, rtol=1e-4)
    assert set(rank(adata)["gene"]) == set(adata.var_names)


@pytest.mark.parametrize("kinds", [["Peaks"] * 60, ["Gene Expression"] * 60, ["protein_coding"] * 30 + ["lncRNA"] * 30])
def test_features_of_a_single_kind_are_all_read(kinds):
    adata = made_cohort()
    adata.var["feature_types"] = pd.Categorical(kinds)
    assert len(expects_all(adata).genes) == 60
