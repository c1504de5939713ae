"""Figures of cells: a waterfall that sums to the score, and embeddings with the values of the layers."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lrp_domains import genes
from lrp_domains.genes import figures

from .report_pages import ODD, linear, made

GROUPS = ["Naive T", ODD, "CD19+ B"]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module", params=[None, "mean"], ids=["score", "against the mean"])
def adata(request):
    adata = made()
    genes.relevance(adata, linear(adata, GROUPS, labels="group"), reference=request.param)
    return adata


@pytest.mark.parametrize("cell", [3, -1, "cell_7"])
def test_the_bars_of_a_cell_sum_to_its_score(adata, cell):
    axes = figures.cell_waterfall(adata, cell, n_genes=6)
    *parts, last = axes.patches
    row = adata.obs_names.get_loc(cell) if isinstance(cell, str) else cell % adata.n_obs
    score = adata.obs["lrp_score"].iloc[row]
    assert last.get_width() == pytest.approx(score, rel=1e-12) and last.get_x() == 0
    assert sum(bar.get_width() for bar in parts) == pytest.approx(score, rel=1e-6)
    ends = np.cumsum([bar.get_width() for bar in parts])
    np.testing.assert_allclose([bar.get_x() for bar in parts], [0, *ends[:-1]], atol=1e-9)

    against = "lrp_reference_score" in adata.obs
    names = [label.get_text() for label in axes.get_yticklabels()]
    first = ["reference", "not accounted for"] if against else ["biases"]
    assert names[: len(first)] == first and names[-1] == f"score {score:.2f}" and len(parts) == len(first) + 7
    assert parts[len(first) - 1].get_width() == pytest.approx(adata.obs["lrp_rest"].iloc[row])
    values = adata.layers["lrp"][[row]]
    relevance = pd.Series(
        np.asarray(values.todense() if hasattr(values, "todense") else values).ravel(), adata.var_names
    )
    for name, bar in zip(names[len(first) : -2], parts[len(first) : -1], strict=True):
        assert bar.get_width() == pytest.approx(relevance[name])
    assert set(names[len(first) : -2]) == set(relevance.abs().nlargest(6).index)


def test_a_cell_whose_genes_were_removed_is_refused(adata):
    with pytest.raises(genes.CohortError, match="were genes removed after the cohort was explained"):
        figures.cell_waterfall(adata[:, ~adata.var_names.str.startswith("g")].copy(), 0)


@pytest.mark.parametrize("values, layer", [("relevance", "lrp"), ("expression", None)])
def test_an_embedding_has_the_values_of_its_layer(adata, values, layer):
    axes = figures.embedding(adata, "g3_0", values=values)
    (points,) = axes.collections
    stored = adata[:, "g3_0"].layers[layer] if layer else adata[:, "g3_0"].X
    expected = np.asarray(stored.todense() if hasattr(stored, "todense") else stored).ravel()
    drawn = {tuple(position): value for position, value in zip(points.get_offsets(), points.get_array(), strict=True)}
    assert len(drawn) == adata.n_obs
    for position, value in zip(adata.obsm["X_umap"], expected, strict=True):
        assert drawn[tuple(position)] == value
    if values == "relevance":
        assert points.norm.vmin == -points.norm.vmax < 0 and points.cmap.name == "RdBu_r"
    assert (np.diff(np.abs(points.get_array())) >= 0).all()  # large values on top


def test_cells_of_groups_and_a_named_basis(adata):
    axes = figures.group_map(adata, basis="umap", most_cells=20)
    assert len(axes.collections[0].get_offsets()) == 20
    assert [text.get_text()[3:] for text in axes.get_legend().get_texts()] == GROUPS
    flat = adata.copy()
    del flat.obsm["X_umap"]
    for draw in (lambda: figures.embedding(flat, "g3_0"), lambda: figures.group_map(adata, basis="pca")):
        with pytest.raises(genes.CohortError, match=r"has no embedding '.*' of two dimensions"):
            draw()


def test_confusion_and_conservation_count_every_cell(adata):
    shares = figures.confusion_matrix(adata).images[0].get_array()
    counts = pd.crosstab(adata.obs["group"], adata.obs["lrp_predicted"], normalize="index")
    np.testing.assert_allclose(shares, counts.reindex(columns=GROUPS, fill_value=0))
    assert sum(bar.get_height() for bar in figures.conservation(adata, noun="patients").patches) == adata.n_obs


@pytest.mark.parametrize(
    "draw, message",
    [
        (lambda adata: figures.cell_waterfall(adata, "cell_1000"), "no cell 'cell_1000' in the cohort; did you mean"),
        (lambda adata: figures.cell_waterfall(adata, 500), "no row 500 in the cohort, which has 120 cells"),
        (lambda adata: figures.cell_waterfall(adata, 0, n_genes=0), "n_genes=0 should be"),
        (lambda adata: figures.embedding(adata, "g9_0"), "no gene 'g9_0' in the cohort"),
        (lambda adata: figures.embedding(adata, "g3_0", values="counts"), "values='counts' is unknown"),
        (lambda adata: figures.confusion_matrix(made()), "the cohort has no relevance"),
    ],
)
def test_bad_requests_are_refused(adata, draw, message):
    with pytest.raises(genes.CohortError, match=message):
        draw(adata)
