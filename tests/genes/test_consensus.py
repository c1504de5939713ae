"""Robust rank aggregation against worked values, a loop, and genes that are known to be shared."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import comb

from lrp_domains.genes import CohortError, consensus
from lrp_domains.genes.rankings.consensus import robust_ranks

from .tables_of_ranks import random_cohorts, ranked


def loop(ranks):
    """Kolde 2012 by the definition: the chance that at least k of n uniform ranks are as high as the k-th."""
    measured_ranks = sorted(rank for rank in ranks if not np.isnan(rank))
    n = len(measured_ranks)
    chances = [
        sum(comb(n, j) * r**j * (1 - r) ** (n - j) for j in range(k, n + 1)) for k, r in enumerate(measured_ranks, 1)
    ]
    return min(1.0, n * min(chances))


@pytest.mark.parametrize(
    "ranks, rho",
    [
        ([0.1], 0.1),
        ([0.1, 0.1], 0.02),  # both at most .1: .01, twice
        ([0.1, 1.0], 0.38),  # one of two at most .1: 1 - .81 = .19, twice
        ([0.01, 0.02, 0.03], 3 * 0.03**3),
        ([1.0, 1.0], 1.0),
        ([0.1, np.nan], 0.1),  # measured once
    ],
)
def test_rho_of_a_few_ranks_computed_by_hand(ranks, rho):
    assert robust_ranks(np.array([ranks]))[0] == pytest.approx(rho, rel=1e-12)


@given(
    st.lists(st.lists(st.one_of(st.floats(0.001, 1), st.just(np.nan)), min_size=4, max_size=4), min_size=1, max_size=8)
)
@settings(max_examples=60, deadline=None)
def test_rho_equals_its_definition(ranks):
    ranks = [row if not all(np.isnan(row)) else [0.5, *row[1:]] for row in ranks]
    np.testing.assert_allclose(robust_ranks(np.array(ranks)), [loop(row) for row in ranks], rtol=1e-9)


@given(st.integers(2, 6), st.integers(2, 40), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=40, deadline=None)
def test_rho_is_a_chance_and_cohorts_and_genes_come_in_any_order(cohorts, genes, seed, tied):
    table = random_cohorts(genes, cohorts, shared=(), seed=seed)
    table["direction"] = np.random.default_rng(seed).choice([1, -1], len(table))
    table["score"] = table["score"].round(0 if tied else 9)
    result = consensus(table)
    assert result["rho"].between(0, 1).all() and result[["p_value", "p_adjusted"]].isna().all(axis=None)
    assert result["mean_rank"].between(0, 1).all() and result["rho"].is_monotonic_increasing
    pd.testing.assert_frame_equal(result, consensus(table.sample(frac=1, random_state=seed % 1000)))


@given(st.integers(2, 8), st.integers(2, 60), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_identical_lists_give_the_smallest_rho(cohorts, genes, seed):
    scores = {f"g{i}": value for i, value in enumerate(np.random.default_rng(seed).normal(size=genes))}
    result = consensus(pd.concat([ranked(f"c{number}", scores) for number in range(cohorts)]))
    assert list(result["gene"]) == sorted(scores, key=scores.get, reverse=True)
    # n ranks of r: the smallest is that all n are as high, r^n, with Bonferroni n r^n, where r is small
    assert result["rho"][0] == pytest.approx(cohorts * genes**-cohorts, rel=1e-12)
    mixed = random_cohorts(genes, cohorts, shared=(), seed=seed)
    assert consensus(mixed)["rho"][0] >= result["rho"][0] * (1 - 1e-12)


def consensus_loop(table):
    """Restate the consensus of a group, gene by gene."""
    ranks = {}
    for _, rows in table.groupby("cohort"):
        signed = [
            score if sign == 1 else -abs(score) for score, sign in zip(rows["score"], rows["direction"], strict=True)
        ]
        values = dict(zip(rows["gene"], signed, strict=True))
        for gene, value in values.items():
            higher = sum(other > value for other in values.values())
            equal = sum(other == value for other in values.values())
            ranks.setdefault(gene, []).append((higher + (equal + 1) / 2) / len(values))
    return {gene: (loop(r), float(np.mean(r)), len(r)) for gene, r in ranks.items() if len(r) > 1}


@given(st.integers(0, 2**32 - 1), st.floats(0, 0.9))
@settings(max_examples=40, deadline=None)
def test_platforms_that_share_some_genes_and_genes_that_tie(seed, zeros):
    random = np.random.default_rng(seed)
    table = random_cohorts(30, 3, shared=(), seed=seed)
    table["score"] = np.where(random.random(len(table)) < zeros, 0.0, table["score"])
    table["direction"] = random.choice([1, -1], len(table))
    table = table[random.random(len(table)) < 0.7]
    result = consensus(table).set_index("gene")
    expected = consensus_loop(table)
    assert set(result.index) == set(expected)
    for gene, (rho, mean_rank, measured) in expected.items():
        assert result.loc[gene, "rho"] == pytest.approx(rho, rel=1e-9)
        assert result.loc[gene, "mean_rank"] == pytest.approx(mean_rank, rel=1e-12)
        assert result.loc[gene, "measured"] == measured


def test_ranks_are_shares_of_the_genes_that_a_cohort_measured():
    wide = ranked("wide", {f"g{i}": -float(i) for i in range(100)})
    narrow = ranked("narrow", {f"g{i}": -float(i) for i in range(10)})
    row = consensus(pd.concat([wide, narrow])).set_index("gene").loc["g1"]
    assert row["mean_rank"] == pytest.approx((2 / 100 + 2 / 10) / 2, rel=1e-12)
    assert row["rho"] == pytest.approx(2 * 0.02**1 * (2 - 0.02), rel=1e-12)  # 1 - .98^2, twice


def test_genes_without_relevance_share_a_rank_and_support_nothing():
    scores = {"led": 1.0} | {f"zero{i}": 0.0 for i in range(9)}
    result = consensus(pd.concat([ranked("x", scores), ranked("y", scores)]), top=5).set_index("gene")
    assert result.loc["led", "mean_rank"] == 0.1 and result.loc["led", "rho"] == pytest.approx(2 * 0.1**2, rel=1e-12)
    assert (result.drop("led")["mean_rank"] == 0.6).all()
    assert result["supporting"].to_dict() == {gene: 2 * (gene == "led") for gene in scores}


def test_p_values_of_the_consensus_are_rho_of_p_values():
    tables = random_cohorts(genes=50, cohorts=3)
    tables["p_value"] = np.random.default_rng(0).uniform(0, 1, len(tables))
    tables = tables[~((tables["cohort"] == "c1") & (tables["gene"] == "g7"))]
    result = consensus(tables).set_index("gene")
    wide = tables.pivot(index="gene", columns="cohort", values="p_value")
    for gene, row in wide.iterrows():
        assert result.loc[gene, "p_value"] == pytest.approx(loop([p for p in row if not np.isnan(p)]), rel=1e-9)
    expected = stats.false_discovery_control(result["p_value"].to_numpy())
    assert result["p_adjusted"].to_numpy() == pytest.approx(expected)

    tables.loc[tables["cohort"] == "c2", "p_value"] = np.nan  # a cohort without decoys
    assert consensus(tables)[["p_value", "p_adjusted"]].isna().all(axis=None)


def test_shared_genes_lead_and_random_ones_do_not():
    result = consensus(random_cohorts(), top=5)
    assert set(result["gene"][:3]) == {"s0", "s1", "s2"}
    assert (result["rho"][:3] < 1e-6).all() and result["rho"][3] > 1e-4
    assert list(result["rank"]) == list(range(1, 204))
    assert (result["supporting"][:3] == 4).all() and result["cohorts"][0] == "c0, c1, c2, c3"
    assert (result["measured"] == 4).all() and (result["missing"] == "").all()


def test_the_order_of_cohorts_does_not_matter():
    table = random_cohorts()
    turned = pd.concat([rows for _, rows in table.groupby("cohort")][::-1])
    pd.testing.assert_frame_equal(consensus(table), consensus(turned))


def test_a_gene_that_a_platform_lacks_is_not_held_against_it():
    table = random_cohorts()
    table = table[~((table["gene"] == "s1") & (table["cohort"] == "c2"))]
    row = consensus(table).set_index("gene").loc["s1"]
    assert (row["measured"], row["missing"]) == (3, "c2")
    places = {cohort: rows.sort_values("score", ascending=False) for cohort, rows in table.groupby("cohort")}
    ranks = [(list(places[c]["gene"]).index("s1") + 1) / len(places[c]) for c in ("c0", "c1", "c3")]
    assert row["rho"] == pytest.approx(loop(ranks), rel=1e-9)
    assert row["mean_rank"] == pytest.approx(np.mean(ranks), rel=1e-12)


def test_direction_ranks_genes_that_are_evidence_by_absence_last():
    scores = {"up": 3.0, "absent": 4.0, "a": 0.1, "b": 0.0, "c": -0.1}
    table = pd.concat([ranked(name, scores, direction={"absent": -1}) for name in "xyz"])
    signed, plain = consensus(table), consensus(table, direction=False)
    assert signed["gene"].iloc[0] == "up" and signed["gene"].iloc[-1] == "absent"
    assert plain["gene"].iloc[0] == "absent"
    assert dict(zip(signed["gene"], signed["direction"], strict=True))["absent"] == -1


def test_a_gene_that_is_low_and_evidence_against_a_group_does_not_lead_it():
    """As ESR1 for ER-negative: where it is expressed, it is evidence against."""
    scores = {"up": 1.0, "a": 0.1, "b": 0.0, "c": -0.1, "against": -4.0}
    result = consensus(pd.concat([ranked(name, scores, direction={"against": -1}) for name in "xyz"]))
    assert list(result["gene"]) == ["up", "a", "b", "c", "against"]


def test_cohorts_that_disagree_on_the_direction_are_shown():
    tables = [ranked(c, {"g": 1.0, "h": 0.5}, direction={"g": 1 if c == "x" else -1}) for c in "xy"]
    assert consensus(pd.concat(tables)).set_index("gene")["direction"].to_dict() == {"g": 0, "h": 1}


def test_missing_cohorts_are_warned_of_and_named():
    with pytest.warns(UserWarning, match=r"no ranked genes of 'late': the consensus is of the other cohorts"):
        result = consensus(random_cohorts(), expected=["c0", "c1", "c2", "c3", "late"])
    assert (result["missing"] == "late").all()


def test_groups_of_one_cohort_are_dropped_with_a_warning():
    table = pd.concat([random_cohorts(), ranked("c0", {"g1": 1.0, "g2": 0.0}, group="Mast")])
    with pytest.warns(UserWarning, match=r"in fewer than 2 cohorts, so without a consensus: 'Mast \(c0\)'"):
        assert set(consensus(table)["group"]) == {"B"}


@pytest.mark.parametrize(
    "table, message",
    [
        (ranked("x", {"a": 1.0}), r"no group is in 2 cohorts.*'B \(x\)': do all cohorts use the same names"),
        (
            pd.concat([ranked("x", {"a": 1.0}), ranked("y", {"b": 1.0})]),
            r"no gene of group 'B' was measured in 2 cohorts \('a' in 'x', 'b' in 'y'\); do cohorts use the same names",
        ),
        (random_cohorts().drop(columns="direction"), r"no column 'direction'; use direction=False"),
    ],
)
def test_cohorts_without_anything_in_common_are_refused(table, message):
    with pytest.raises(CohortError, match=message):
        consensus(table)


@pytest.mark.parametrize("wrong", [{"top": 0}, {"top": 2.5}, {"least_cohorts": 0}, {"least_cohorts": -1}])
def test_settings_out_of_range_are_refused(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(CohortError, match=rf"{name}={value} should be a whole number from 1 on"):
        consensus(random_cohorts(), **wrong)


def test_a_group_without_shared_genes_does_not_keep_the_others_from_a_consensus():
    apart = [ranked("c0", {"a": 1.0}, group="Mast"), ranked("c1", {"b": 1.0}, group="Mast")]
    with pytest.warns(UserWarning, match=r"no gene of group 'Mast' was measured in 2 cohorts"):
        assert set(consensus(pd.concat([random_cohorts(), *apart]))["group"]) == {"B"}


def test_without_direction_a_table_needs_none():
    assert set(consensus(random_cohorts().drop(columns="direction"), direction=False)["gene"][:3]) == {"s0", "s1", "s2"}
