"""Figures of groups: scanpy's plots and the volcano show the numbers of the ranking and of the layers."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from lrp_domains import genes
from lrp_domains.genes import figures
from lrp_domains.genes.figures.label_column import spread

from .report_pages import ODD, linear, made

GROUPS = ["Naive T", ODD, "CD19+ B"]


@pytest.fixture(autouse=True)
def closed():
    settings = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == settings


@pytest.fixture(scope="module")
def adata():
    adata = made()
    genes.relevance(adata, linear(adata, GROUPS, labels="group"), target="labelled")
    adata.uns["table"] = genes.rank(adata, cohort="made", wilcoxon=False)
    return adata


@pytest.fixture(scope="module")
def table(adata):
    return adata.uns.pop("table")


def scores_of(table, drawn):
    return table.pivot(index="group", columns="gene", values="score").loc[GROUPS, drawn]


def names_of(ticks):
    return [tick.get_text() for tick in ticks]


def test_dots_have_the_scores_and_the_share_of_cells_that_express_a_gene(adata, table):
    axes = figures.dot_plot(adata, ["g1_0", "g2_0", "other_3"], values="relevance")
    assert names_of(axes.get_xticklabels()) == ["g1_0", "g2_0", "other_3"]
    assert names_of(axes.get_yticklabels()) == GROUPS  # also the odd name, unchanged
    (dots,) = (part for part in axes.collections if isinstance(part, PathCollection))
    expected = scores_of(table, ["g1_0", "g2_0", "other_3"]).to_numpy().ravel()
    limit = np.abs(expected).max()
    np.testing.assert_allclose(dots.get_facecolors(), matplotlib.colormaps["RdBu_r"](expected / limit / 2 + 0.5))
    expressed = pd.DataFrame(adata[:, ["g1_0", "g2_0", "other_3"]].X.toarray() > 0)
    shares = expressed.groupby(pd.Categorical(adata.obs["group"]), observed=True).mean().to_numpy().ravel()
    assert np.corrcoef(dots.get_sizes(), shares**1.5)[0, 1] > 0.9999  # as scanpy scales them


def test_dots_coloured_by_expression(adata):
    axes = figures.dot_plot(adata, ["g1_0", "g3_0"], values="expression", groups=["CD19+ B", "Naive T"])
    (dots,) = (part for part in axes.collections if isinstance(part, PathCollection))
    means = [
        [adata[adata.obs["group"] == group, gene].X.mean() for gene in ("g1_0", "g3_0")]
        for group in ("CD19+ B", "Naive T")
    ]
    scaled = (np.ravel(means) - np.min(means)) / np.ptp(means)
    np.testing.assert_allclose(dots.get_facecolors(), matplotlib.colormaps["Reds"](scaled), atol=0.02)


@pytest.mark.parametrize("swap_axes", [False, True])
def test_a_matrix_has_the_scores_of_each_groups_top_genes(adata, table, swap_axes):
    axes = figures.matrix_plot(adata, n_genes=2, swap_axes=swap_axes)
    tops = table[table["rank"] <= 2]["gene"].drop_duplicates()
    ticks = axes.get_yticklabels() if swap_axes else axes.get_xticklabels()
    assert names_of(ticks) == list(tops)
    drawn = np.asarray(axes.collections[0].get_array()).reshape((len(tops), 3) if swap_axes else (3, len(tops)))
    np.testing.assert_allclose(drawn.T if swap_axes else drawn, scores_of(table, list(tops)), rtol=1e-5)


def test_a_matrix_of_another_column_is_computed_from_the_layer(adata):
    other = adata.copy()
    other.obs["half"] = pd.Categorical(np.where(np.arange(other.n_obs) < 50, "a", "b"))
    table = genes.rank(other, groupby="half", wilcoxon=False)
    axes = figures.matrix_plot(other, ["g1_0", "g2_1"])
    expected = table.pivot(index="group", columns="gene", values="score").loc[["a", "b"], ["g1_0", "g2_1"]]
    np.testing.assert_allclose(np.asarray(axes.collections[0].get_array()).reshape(2, 2), expected, rtol=1e-4)


def test_a_heat_map_has_the_values_of_cells_and_leaves_the_cohort_unchanged(adata):
    before = set(adata.uns)
    axes = figures.heat_map(adata, ["g1_0", "g3_0"])
    drawn = axes.images[0].get_array()
    for number, group in enumerate(GROUPS):  # scanpy orders the cells of a group as it likes
        expected = adata[adata.obs["group"] == group, ["g1_0", "g3_0"]].layers["lrp"].toarray()
        of_group = drawn[40 * number : 40 * (number + 1)]
        assert sorted(of_group.tolist()) == sorted(expected.tolist())
    assert axes.images[0].norm.vmin == -axes.images[0].norm.vmax
    assert set(adata.uns) == before
    few = figures.heat_map(adata, ["g1_0"], values="expression", most_cells=30)
    assert few.images[0].get_array().shape == (30, 1)


def test_on_disk_as_in_memory(adata, tmp_path):
    path = tmp_path / "explained.h5ad"
    genes.write_cohort(adata, path)
    with genes.open_cohort(path) as opened:
        for draw in (figures.dot_plot, figures.heat_map):
            stored, memory = draw(opened, n_genes=2), draw(adata, n_genes=2)
            for a, b in zip([*stored.collections, *stored.images], [*memory.collections, *memory.images], strict=True):
                np.testing.assert_array_equal(a.get_array(), b.get_array())


def test_the_volcano_has_the_tables_numbers(table):
    table = table.assign(log2_fold_change=table["log2_fold_change"].where(table["gene"] != "g3_0", np.inf))
    lower = (table["direction"] < 0) & (table["score"] > 0)
    table = table.assign(evidence=table["evidence"].where(~lower, "absence"))  # as of z-scores
    rows = table[table["group"] == "CD19+ B"].sort_values("rank")
    axes = figures.volcano(table, "CD19+ B", n_labels=5)
    drawn = np.concatenate([part.get_offsets() for part in axes.collections])
    expected = rows.assign(x=rows["log2_fold_change"].clip(-10, 10))[["x", "score"]].to_numpy()
    np.testing.assert_allclose(np.array(sorted(drawn.tolist())), np.array(sorted(expected.tolist())))
    counts = [part.get_label() for part in axes.collections]
    absent = ((rows["direction"] < 0) & (rows["score"] > 0)).sum()
    assert f"lower in the group, yet evidence for it ({absent})" in counts and absent
    assert f"evidence for the group ({(rows['score'] > 0).sum() - absent})" in counts
    assert {text.get_text() for text in axes.texts} == set(rows["gene"].head(5))
    assert {tuple(text.xy) for text in axes.texts} == {tuple(row) for row in expected[:5]}
    assert not any(label.startswith("q") for label in counts)


def test_the_volcano_of_counts_has_no_absent_genes(table):
    rows = table[table["group"] == "CD19+ B"]
    assert ((rows["direction"] < 0) & (rows["score"] > 0)).any() and not (rows["evidence"] == "absence").any()
    counts = [part.get_label() for part in figures.volcano(rows, "CD19+ B").collections]
    assert f"evidence for the group ({(rows['score'] > 0).sum()})" in counts
    assert not any("lower" in label or "higher" in label for label in counts)


def test_the_volcano_rings_the_discoveries_and_leaves_unknown_fold_changes_out(table):
    rows = table[table["group"] == "CD19+ B"].copy()
    rows["q_value"] = np.where(rows["rank"] <= 4, 0.05, 0.5)
    rows.loc[rows["rank"] == 2, "log2_fold_change"] = np.nan
    ring = figures.volcano(rows, "CD19+ B", rate=0.1).collections[-1]
    assert ring.get_label() == "q ≤ 0.1 (3)"
    expected = rows[rows["rank"].isin([1, 3, 4])].sort_values("rank")["score"]
    np.testing.assert_allclose(ring.get_offsets()[:, 1], expected)
    assert (
        sum(len(part.get_offsets()) for part in figures.volcano(table.assign(q_value=np.nan), "Naive T").collections)
        == 60
    )


def test_labels_do_not_overlap():
    random = np.random.default_rng(0)
    names = [f"AFFX-HUMGAPDH/M33{number}_5_at" for number in range(14)] + [f"other{number}" for number in range(400)]
    scores = np.sort(np.r_[random.uniform(0.99, 1.0, 14), random.normal(0, 0.1, 400)])[::-1]
    table = pd.DataFrame({"cohort": "c", "group": "g", "gene": names, "score": scores, "rank": range(1, 415)})
    table["log2_fold_change"] = random.choice([-1, 1], 414) * random.uniform(1, 3, 414)
    axes = figures.volcano(table, "g", n_labels=14)
    axes.figure.canvas.draw()
    boxes = [Text.get_window_extent(text).padded(-0.5) for text in axes.texts]  # without the lines
    assert len(boxes) == 14
    inner = axes.get_window_extent()
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])
        assert inner.x0 <= box.x0 and box.x1 <= inner.x1 + 1


@pytest.mark.parametrize("heights", [[0.5, 0.5, 0.5], [0.0, 0.01, 1.0, 0.99], [0.3], [0.9, 0.1, 0.5, 0.52, 0.51]])
def test_spread_heights_keep_their_order_and_distance(heights):
    placed = spread(np.array(heights), 0.1)
    assert (np.argsort(placed, kind="stable") == np.argsort(heights, kind="stable")).all()
    assert (np.diff(np.sort(placed)) >= 0.1 - 1e-12).all() and placed.min() >= 0 and placed.max() <= 1


def test_axes_of_the_user_are_drawn_on_without_pyplot(adata, table):
    figure = Figure(figsize=(9, 9))
    left, right = figure.subplots(1, 2)
    assert figures.volcano(table, "Naive T", ax=left) is left
    assert figures.dot_plot(adata, n_genes=1, ax=right).figure is figure
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    "draw, message",
    [
        (lambda adata, table: figures.dot_plot(made()), "has no relevance; run relevance"),
        (lambda adata, table: figures.dot_plot(adata, key="rank_genes"), "uns has no 'rank_genes'; run rank"),
        (lambda adata, table: figures.dot_plot(adata, ["g1_00"]), "no gene 'g1_00' in the cohort; did you mean 'g1_0'"),
        (lambda adata, table: figures.dot_plot(adata, []), "genes is empty"),
        (lambda adata, table: figures.dot_plot(adata, n_genes=0), "n_genes=0 should be"),
        (lambda adata, table: figures.matrix_plot(adata, groups=["Naive"]), "group 'Naive' has no ranking"),
        (lambda adata, table: figures.matrix_plot(adata, values="relevances"), "values='relevances' is unknown"),
        (lambda adata, table: figures.heat_map(adata, most_cells=0), "most_cells=0 should be"),
        (lambda adata, table: figures.volcano(table, "B"), "the table has no group 'B'"),
        (lambda adata, table: figures.volcano(table, "Naive T", cohort="x"), "the table has no cohort 'x'"),
        (lambda adata, table: figures.volcano(table, "Naive T", rate=10), "rate=10 should be between 0 and 1"),
        (
            lambda adata, table: figures.volcano(table.drop(columns="log2_fold_change"), "Naive T"),
            "no column 'log2_fold",
        ),
        (
            lambda adata, table: figures.volcano(pd.concat([table, table.assign(cohort="other")]), "Naive T"),
            "several cohorts with the group 'Naive T': 'made', 'other'; name one: cohort=",
        ),
    ],
)
def test_bad_requests_are_refused(adata, table, draw, message):
    with pytest.raises(genes.CohortError, match=message):
        draw(adata, table)


def test_a_heat_map_of_relevance_that_was_not_kept_is_refused():
    adata = made()
    genes.relevance(adata, linear(adata, GROUPS, labels="group"), layer=None, target="labelled")
    genes.rank(adata, wilcoxon=False)
    with pytest.raises(genes.CohortError, match="no relevance of single cells, which was not kept"):
        figures.heat_map(adata)
    assert figures.dot_plot(adata, n_genes=1).get_xticklabels()  # the scores are there
