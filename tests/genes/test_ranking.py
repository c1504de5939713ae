"""The ranking is where scanpy looks for it, in the shape that it knows."""

import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest
import scanpy as sc

from lrp_domains.genes import (
    CohortError,
    Training,
    demo_cohort,
    made_cohort,
    rank,
    read_cohort,
    relevance,
    train,
    write_cohort,
)

matplotlib.use("Agg")
KEY = "rank_genes_lrp"


@pytest.fixture(scope="module")
def model():
    return train(made_cohort(), "group", training=Training(folds=3, hidden=16, batch_size=16, epochs=60))


def mean_relevance(adata, table=None):
    """Genes x groups, from the table."""
    table = rank(adata, wilcoxon=False) if table is None else table
    return table.pivot(index="gene", columns="group", values="score").loc[adata.var_names]


@pytest.fixture
def ranked(model):
    adata = made_cohort()
    relevance(adata, model)
    rank(adata)
    return adata


def test_the_shape_is_that_of_scanpy(ranked):
    sc.tl.rank_genes_groups(ranked, "group", method="wilcoxon", use_raw=False)
    ours, theirs = ranked.uns[KEY], ranked.uns["rank_genes_groups"]
    assert set(ours) == set(theirs) and set(ours["params"]) == set(theirs["params"])
    for name in ("names", "scores", "logfoldchanges", "pvals", "pvals_adj"):
        assert ours[name].dtype == theirs[name].dtype and type(ours[name]) is type(theirs[name])
    np.testing.assert_array_equal(ranked.uns["rank_genes_expression"]["names"], theirs["names"])


def test_fold_changes_are_those_of_scanpy(ranked):
    sc.tl.rank_genes_groups(ranked, "group", method="wilcoxon", use_raw=False)
    for group in ranked.obs["group"].cat.categories:
        ours = sc.get.rank_genes_groups_df(ranked, group=group, key=KEY).set_index("names")
        theirs = sc.get.rank_genes_groups_df(ranked, group=group).set_index("names")
        np.testing.assert_allclose(
            ours["logfoldchanges"], theirs["logfoldchanges"].reindex(ours.index), rtol=1e-3, atol=1e-3
        )
        assert ours["scores"].is_monotonic_decreasing and ours["pvals"].isna().all()


def test_scores_are_means_over_the_cells_explained_for_the_group(ranked):
    found_relevance = ranked.layers["lrp"].toarray()
    means = mean_relevance(ranked)
    for group in ranked.obs["group"].cat.categories:
        cells = ((ranked.obs["group"] == group) & (ranked.obs["lrp_target"] == group)).to_numpy()
        expected = pd.Series(found_relevance[cells].mean(0), index=ranked.var_names)
        result = sc.get.rank_genes_groups_df(ranked, group=group, key=KEY).set_index("names")["scores"]
        np.testing.assert_allclose(result, expected.reindex(result.index), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(means[group], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "plot", ["", "_dotplot", "_matrixplot", "_heatmap", "_stacked_violin", "_tracksplot", "_violin"]
)
def test_scanpy_draws_it(ranked, plot):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(sc.pl, f"rank_genes_groups{plot}")(ranked, key=KEY, n_genes=3, show=False)
        if plot in ("_dotplot", "_matrixplot"):
            draw = getattr(sc.pl, f"rank_genes_groups{plot}")
            draw(ranked, key=KEY, n_genes=3, values_to_plot="scores", min_logfoldchange=0.5, show=False)
    matplotlib.pyplot.close("all")


def test_other_scanpy_tools_read_it(ranked):
    markers = {
        group: {f"g{number}_0", f"g{number}_1"} for number, group in enumerate(ranked.obs["group"].cat.categories, 1)
    }
    overlap = sc.tl.marker_gene_overlap(ranked, markers, key=KEY, top_n_markers=3)
    assert (np.diag(overlap) == 2).all()
    sc.tl.filter_rank_genes_groups(ranked, key=KEY, key_added="filtered", min_fold_change=0.5)


def test_written_and_read_again(ranked, tmp_path):
    write_cohort(ranked, tmp_path / "ranked.h5ad")
    again = read_cohort(tmp_path / "ranked.h5ad")
    for group in ranked.obs["group"].cat.categories:
        pd.testing.assert_frame_equal(
            sc.get.rank_genes_groups_df(again, group=group, key=KEY),
            sc.get.rank_genes_groups_df(ranked, group=group, key=KEY),
        )
    np.testing.assert_array_equal(again.layers["lrp"].toarray(), ranked.layers["lrp"].toarray())
    assert dict(again.uns["lrp"], classes=0) == dict(ranked.uns["lrp"], classes=0)
    assert list(again.uns["lrp"]["classes"]) == list(ranked.uns["lrp"]["classes"])
    sc.pl.rank_genes_groups_dotplot(again, key=KEY, n_genes=3, show=False)
    matplotlib.pyplot.close("all")


def test_a_group_that_is_never_predicted_right_is_dropped_with_a_warning(model):
    adata = made_cohort()
    relevance(adata, model)
    adata.obs["lrp_target"] = pd.Categorical(
        adata.obs["lrp_target"].astype(str).replace("CD19+ B", "Naive T"), categories=model.classes
    )
    del adata.uns["lrp_groups"]  # so that the sums are taken from the layer
    with pytest.warns(UserWarning, match=r"no cell of CD19\+ B"):
        table = rank(adata)
    assert adata.uns[KEY]["names"].dtype.names == ("Naive T", "CD4+/CD25 T Reg")
    assert len(table) == 2 * adata.n_vars
    sc.pl.rank_genes_groups_dotplot(adata, key=KEY, n_genes=3, show=False)
    matplotlib.pyplot.close("all")


def test_one_named_target_ranks_every_group_for_it(model):
    adata = made_cohort()
    relevance(adata, model, target="CD19+ B")
    scores = mean_relevance(adata)
    for group in adata.obs["group"].cat.categories:
        expected = adata.layers["lrp"].toarray()[(adata.obs["group"] == group).to_numpy()].mean(0)
        np.testing.assert_allclose(scores[group], expected, rtol=1e-4, atol=1e-6)
    assert scores["CD19+ B"].idxmax().startswith("g3") and scores["Naive T"].idxmin().startswith("g1")


def test_results_of_an_earlier_explanation_do_not_stay(ranked, model):
    rank(ranked, wilcoxon=False)
    assert KEY in ranked.uns and "rank_genes_expression" not in ranked.uns
    relevance(ranked, model, score="logit")
    assert KEY not in ranked.uns


def test_another_grouping(model):
    adata = made_cohort()
    adata.obs["batch"] = np.where(np.arange(adata.n_obs) < 50, 1, 2)
    relevance(adata, model)
    rank(adata, groupby="batch", wilcoxon=False)
    assert adata.uns[KEY]["names"].dtype.names == ("1", "2")
    sc.pl.rank_genes_groups_dotplot(adata, key=KEY, n_genes=3, show=False)
    matplotlib.pyplot.close("all")


def test_real_b_cells_are_recognised_by_their_markers():
    """The purpose of the package: 95 real B cells, explained by networks that have not seen them."""
    adata = demo_cohort()
    model = train(adata, "bulk_labels")
    relevance(adata, model)
    rank(adata, wilcoxon=False)
    assert model.performance["held_out_accuracy"].mean() > 0.8
    assert model.performance["held_out_balanced_accuracy"].mean() > 0.65
    names = adata.uns[KEY]["names"]
    assert {"CD79A", "CD79B", "MS4A1", "CD74"} <= set(names["CD19+ B"][:10])
    # NKG7 is not among them: cytotoxic T cells, their nearest alternative, express it as well.
    assert {"GNLY", "GZMB", "CLIC3", "SPON2"} <= set(names["CD56+ NK"][:10])
    assert {"LYZ", "CST3", "FCER1A"} <= set(names["Dendritic"][:10])
    assert {"CD8A", "CD8B"} <= set(names["CD8+/CD45RA+ Naive Cytotoxic"][:10])


def bulk():
    """Return an explained cohort in which every row is a donor of its own."""
    adata = made_cohort()
    settings = Training(folds=3, hidden=8, epochs=20, members=2)
    model = train(adata, "group", donor="index", normalisation="zscore", training=settings)
    relevance(adata, model, donor="index", target="labelled")
    return adata


def test_consistency_is_the_mean_times_its_ratio_to_the_deviation():
    adata = bulk()
    table = rank(adata, order="consistency").pivot(index="gene", columns="group", values="score").loc[adata.var_names]
    found = np.asarray(adata.layers["lrp"], dtype=float)
    for group in adata.obs["group"].cat.categories:
        cells = (adata.obs["group"] == group).to_numpy()
        for gene, of_gene in enumerate(found[cells].T):
            mean = sum(of_gene) / len(of_gene)
            deviation = (sum((r - mean) ** 2 for r in of_gene) / len(of_gene)) ** 0.5
            expected = mean * abs(mean) / deviation if deviation > 0 else mean
            assert table[group].iloc[gene] == pytest.approx(expected, rel=1e-4, abs=1e-9)
    assert adata.uns[KEY]["params"]["lrp_order"] == "consistency"


def test_patients_are_ranked_by_consistency_and_cells_by_the_mean(model):
    adata = bulk()
    pd.testing.assert_frame_equal(rank(adata), rank(adata, order="consistency"))
    mean = rank(adata, order="mean")
    np.testing.assert_allclose(mean["score"], mean["positive"] + mean["negative"], atol=1e-6)
    cells = made_cohort()
    relevance(cells, model)
    pd.testing.assert_frame_equal(rank(cells), rank(cells, order="mean"))
    with pytest.raises(CohortError, match="order"):
        rank(cells, order="size")


def test_intervals_hold_the_score_in_any_order():
    adata = bulk()
    for order in ("mean", "consistency"):
        table = rank(adata, order=order)
        held = (table["low"] <= table["score"] + 1e-9) & (table["score"] <= table["high"] + 1e-9)
        assert held.mean() > 0.95
