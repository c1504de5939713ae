"""Figures across cohorts and of curves: the numbers of their tables."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lrp_domains import genes
from lrp_domains.genes import figures

from .tables_of_ranks import random_cohorts


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def table():
    return random_cohorts(genes=60, cohorts=3)


def test_the_upset_plot_counts_the_genes_of_each_combination(table):
    together = genes.consensus(table, top=10)
    axes = figures.consensus_upset(together, "B", cohorts=["c2", "c0", "c1"])
    supported = together[together["cohorts"] != ""]
    counts = supported["cohorts"].value_counts()
    assert sorted(bar.get_height() for bar in axes.patches) == sorted(counts)
    (members,) = axes.child_axes
    totals = [
        supported["cohorts"].str.split(", ").map(lambda names, name=name: name in names).sum()
        for name in ("c2", "c0", "c1")
    ]
    assert [label.get_text() for label in members.get_yticklabels()] == [
        f"{name} ({total})" for name, total in zip(("c2", "c0", "c1"), totals, strict=True)
    ]
    # The last combination is that of all cohorts: the genes that all share.
    assert axes.patches[-1].get_height() == counts["c0, c1, c2"] == (supported["supporting"] == 3).sum() >= 3
    assert len(figures.consensus_upset(together, "B", most=2).patches) == 2


def test_agreement_is_the_mean_over_groups(table):
    both = pd.concat([table, table.assign(group="T", score=-table["score"])])
    both["rank"] = both.groupby(["cohort", "group"])["score"].rank(ascending=False, method="first").astype(int)
    agreement = genes.agreement(both)
    axes = figures.agreement_matrix(agreement, "rbo", cohorts=["c1", "c0"])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["c1", "c0", "c2"]
    values = axes.images[0].get_array()
    assert values[0, 2] == values[2, 0] == pytest.approx(agreement.query("cohort_a == 'c1'")["rbo"].mean())
    assert np.allclose(np.diag(values), 1)


def test_a_curve_is_the_mean_over_groups():
    curves = pd.DataFrame(
        [
            (group, order, curve, count, 0.9 / (count + 1) + shift, 0.1)
            for group, shift in (("a", 0.0), ("b", 0.1))
            for order in ("relevance", "random")
            for curve in ("deletion", "insertion")
            for count in (0, 1, 3)
        ],
        columns=["group", "order", "curve", "genes", "probability", "standard_error"],
    )
    axes = figures.perturbation(curves, "insertion")
    lines = {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}
    np.testing.assert_allclose(lines["relevance"].get_ydata(), 0.9 / np.array([1, 2, 4]) + 0.05)
    assert set(lines) == {"relevance", "random"} and len(axes.lines) == 4  # two groups, thin


@pytest.mark.parametrize(
    "draw, message",
    [
        (lambda t: figures.consensus_upset(t, "B"), "the table of consensus has no column 'cohorts'"),
        (lambda t: figures.consensus_upset(genes.consensus(t), "C"), "the consensus has no group 'C'"),
        (lambda t: figures.consensus_upset(genes.consensus(t).assign(cohorts=""), "B"), "no cohort supports a gene"),
        (lambda t: figures.consensus_upset(genes.consensus(t), "B", most=0), "most=0 should be"),
        (
            lambda t: figures.agreement_matrix(genes.agreement(t), "pearson"),
            "no measure 'pearson'; did you mean 'spearman'",
        ),
        (lambda t: figures.perturbation(pd.DataFrame({"probability": []}), "delete"), "curve 'delete' is unknown"),
    ],
)
def test_bad_requests_are_refused(table, draw, message):
    with pytest.raises(genes.CohortError, match=message):
        draw(table)
