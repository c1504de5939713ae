"""Agreement of rankings, each measure against its definition."""

from itertools import pairwise, permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from lrp_domains.evaluation.overlap import rank_biased_overlap
from lrp_domains.genes import CohortError, agreement

from .tables_of_ranks import random_cohorts, ranked


def loop(a, b, p):
    """Webber 2010: overlap at every depth, weighted, the last one extrapolated."""
    n = len(a)
    shares = [len(set(a[:d]) & set(b[:d])) / d for d in range(1, n + 1)]
    return (1 - p) / p * sum(share * p**d for d, share in enumerate(shares, 1)) + shares[-1] * p**n


def places(order):
    """Return values whose order is that of items."""
    return -np.argsort(order).astype(float)


@given(st.permutations(list(range(12))), st.permutations(list(range(12))), st.floats(0.5, 0.98))
@settings(max_examples=60, deadline=None)
def test_rank_biased_overlap_equals_its_definition(a, b, persistence):
    result = rank_biased_overlap(places(a), places(b), persistence)
    assert result == pytest.approx(loop(a, b, persistence), rel=1e-12)
    assert result == pytest.approx(rank_biased_overlap(places(b), places(a), persistence), rel=1e-12)


@given(*[st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0]), min_size=4, max_size=4)] * 2)
@settings(max_examples=40, deadline=None)
def test_ties_are_the_mean_over_all_orders(a, b):
    def orders(values):
        every = permutations(range(4))
        return [order for order in every if all(values[i] >= values[j] for i, j in pairwise(order))]

    expected = np.mean([loop(list(left), list(right), 0.8) for left in orders(a) for right in orders(b)])
    assert rank_biased_overlap(np.array(a), np.array(b), 0.8) == pytest.approx(expected, rel=1e-12)


def test_rank_biased_overlap_of_two_items_computed_by_hand():
    # first places differ, then both have both: (1 - p) / p (0 p + 1 p^2) + p^2
    assert rank_biased_overlap(np.array([2.0, 1.0]), np.array([1.0, 2.0]), 0.9) == pytest.approx(0.1 * 0.9 + 0.81)


def test_rank_biased_overlap_at_its_ends():
    a = np.arange(5000.0)
    assert rank_biased_overlap(a, a) == pytest.approx(1, rel=1e-12)
    assert 0 < rank_biased_overlap(a, -a) < 1e-12
    assert np.isnan(rank_biased_overlap(np.array([]), np.array([])))


def test_ties_at_zero_are_not_agreement():
    zeros = {f"g{i}": 0.0 for i in range(100)}
    tables = [ranked("x", zeros | {"a": 1.0, "b": 0.0}), ranked("y", zeros | {"a": 0.0, "b": 1.0})]
    row = agreement(pd.concat(tables)).iloc[0]
    assert row["jaccard"] == 0 and row["rbo"] < 0.1 and abs(row["spearman"]) < 0.02
    row = agreement(pd.concat([ranked(name, zeros) for name in "xy"])).iloc[0]
    assert np.isnan(row["jaccard"]) and np.isnan(row["spearman"]) and row["rbo"] < 0.1


def test_every_pair_of_cohorts_on_the_genes_that_both_have():
    table = random_cohorts(genes=40)
    table = table[~((table["cohort"] == "c3") & table["gene"].isin(["g1", "g2"]))]
    result = agreement(table, top=5)
    assert len(result) == 6 and set(result["genes"]) == {43, 41}
    for row in result.itertuples():
        a, b = (table[table["cohort"] == c].set_index("gene")["score"] for c in (row.cohort_a, row.cohort_b))
        shared = a.index.intersection(b.index)
        expected = np.corrcoef(rankdata(a[shared]), rankdata(b[shared]))[0, 1]
        assert row.spearman == pytest.approx(expected, rel=1e-12)
        tops = [set(scores[shared].nlargest(5).index) for scores in (a, b)]
        assert row.jaccard == pytest.approx(len(tops[0] & tops[1]) / len(tops[0] | tops[1]))
        orders = [list(scores[shared].sort_values(ascending=False).index) for scores in (a, b)]
        assert row.rbo == pytest.approx(loop(*orders, 0.9), rel=1e-12)
    assert result[["de_spearman", "de_rbo", "de_jaccard"]].isna().all().all()


def test_differential_expression_is_compared_too():
    table = random_cohorts(genes=30, cohorts=2)
    result = agreement(table.assign(de_score=table["score"].where(table["cohort"] == "c0", -table["score"])))
    alike = agreement(table.assign(score=table["score"].where(table["cohort"] == "c0", -table["score"])))
    assert result["de_spearman"][0] == pytest.approx(alike["spearman"][0])
    assert result["de_spearman"][0] == pytest.approx(-result["spearman"][0])


def test_direction_is_taken_into_account():
    scores = {f"g{i}": float(i) for i in range(10)}
    table = pd.concat([ranked("x", scores), ranked("y", scores, direction=dict.fromkeys(scores, -1))])
    assert agreement(table)["spearman"][0] == pytest.approx(-1)
    assert agreement(table, direction=False)["spearman"][0] == pytest.approx(1)


def test_one_cohort_alone_has_no_agreement():
    result = agreement(ranked("x", {"a": 1.0, "b": 0.0}))
    assert len(result) == 0 and "spearman" in result


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"top": 0}, r"top=0 should be a whole number from 1 on"),
        ({"top": 1.5}, r"top=1.5 should be a whole number"),
        ({"persistence": 0}, r"persistence=0 should be between 0 and 1"),
        ({"persistence": 1}, r"persistence=1 should be between 0 and 1"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message):
    with pytest.raises(CohortError, match=message):
        agreement(random_cohorts(genes=5), **wrong)


def test_directions_are_required_only_if_requested():
    table = random_cohorts(genes=5).drop(columns="direction")
    with pytest.raises(CohortError, match=r"no column 'direction'; use direction=False"):
        agreement(table)
    assert len(agreement(table, direction=False)) == 6


def test_cohorts_that_share_no_gene():
    row = agreement(pd.concat([ranked("x", {"a": 1.0}), ranked("y", {"b": 1.0})])).iloc[0]
    assert row["genes"] == 0 and row[["spearman", "rbo", "jaccard"]].isna().all()
