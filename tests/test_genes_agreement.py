"""Agreement of rankings, each measure against its definition."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from lrp_domains.genes import agreement
from lrp_domains.genes.rankings.agreement import rank_biased_overlap

from .ranked import random_cohorts, ranked


def loop(a, b, p):
    """Webber 2010: overlap at every depth, weighted, the last one extrapolated."""
    n = len(a)
    shares = [len(set(a[:d]) & set(b[:d])) / d for d in range(1, n + 1)]
    return (1 - p) / p * sum(share * p**d for d, share in enumerate(shares, 1)) + shares[-1] * p**n


@given(st.permutations(list(range(12))), st.floats(0.5, 0.98))
@settings(max_examples=60, deadline=None)
def test_rank_biased_overlap_equals_its_definition(order, persistence):
    a = np.arange(12)
    assert rank_biased_overlap(a, np.array(order), persistence) == pytest.approx(loop(list(a), order, persistence))


def test_rank_biased_overlap_at_its_ends():
    assert rank_biased_overlap(np.arange(50), np.arange(50)) == pytest.approx(1)
    turned = rank_biased_overlap(np.arange(50), np.arange(50)[::-1])
    assert 0 < turned < 0.1
    assert rank_biased_overlap(np.array([]), np.array([])) != rank_biased_overlap(np.array([1]), np.array([1]))


def test_every_pair_of_cohorts_on_the_genes_that_both_have():
    table = random_cohorts(genes=40)
    table = table[~((table["cohort"] == "c3") & table["gene"].isin(["g1", "g2"]))]
    found = agreement(table, top=5)
    assert len(found) == 6 and set(found["genes"]) == {43, 41}
    for row in found.itertuples():
        a, b = (table[table["cohort"] == c].set_index("gene")["score"] for c in (row.cohort_a, row.cohort_b))
        shared = a.index.intersection(b.index)
        expected = np.corrcoef(rankdata(a[shared]), rankdata(b[shared]))[0, 1]
        assert row.spearman == pytest.approx(expected, rel=1e-9)
        first = [set(one[shared].nlargest(5).index) for one in (a, b)]
        assert row.jaccard == pytest.approx(len(first[0] & first[1]) / len(first[0] | first[1]))
        orders = [list(one[shared].sort_values(ascending=False).index) for one in (a, b)]
        assert row.rbo == pytest.approx(loop(*orders, 0.9), rel=1e-9)
    assert found[["de_spearman", "de_rbo", "de_jaccard"]].isna().all().all()


def test_differential_expression_stands_beside():
    table = random_cohorts(genes=30, cohorts=2)
    found = agreement(table.assign(de_score=table["score"].where(table["cohort"] == "c0", -table["score"])))
    alike = agreement(table.assign(score=table["score"].where(table["cohort"] == "c0", -table["score"])))
    assert found["de_spearman"][0] == pytest.approx(alike["spearman"][0])
    assert found["de_spearman"][0] == pytest.approx(-found["spearman"][0])


def test_direction_is_taken_into_account():
    scores = {f"g{i}": float(i) for i in range(10)}
    table = pd.concat([ranked("x", scores), ranked("y", scores, direction=dict.fromkeys(scores, -1))])
    assert agreement(table)["spearman"][0] == pytest.approx(-1)
    assert agreement(table, direction=False)["spearman"][0] == pytest.approx(1)


def test_one_cohort_agrees_with_nobody():
    found = agreement(ranked("x", {"a": 1.0, "b": 0.0}))
    assert len(found) == 0 and "spearman" in found
