"""Sums over groups and what is ranked from them, against loops over cells that follow the definitions."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scanpy
from anndata import AnnData
from scipy import sparse, stats

from lrp_domains.genes import CohortError, GroupStatistics
from lrp_domains.genes.explanation.results.top_genes import among_top, top_genes
from lrp_domains.genes.rankings.statistics import DRAWS, ranked_genes, stability

CELLS, GENES, GROUPS, BLOCKS, NETWORKS, TOP = 90, 12, 3, 5, 2, 4
SUMS = ("cells", "counted", "sums", "squares", "positive", "n_positive", "n_top", "networks", "network_cells")
SUMS += ("expression", "expression_squares")


@pytest.fixture
def cells():
    random = np.random.default_rng(0)
    values = np.log1p(random.poisson(1.0, (CELLS, GENES))).astype(np.float32)
    by_network = [np.where(values > 0, random.normal(0.2, 1, values.shape), 0).astype(np.float32) for _ in range(2)]
    return {
        "values": values,
        "by_network": by_network,
        "relevance": (by_network[0] + by_network[1]) / 2,
        "group": random.integers(0, GROUPS, CELLS),
        "block": random.integers(0, BLOCKS, CELLS),
        "counted": random.random(CELLS) < 0.8,
    }


def empty(by_donor=True, networks=NETWORKS, normalisation="log"):
    names = [[f"{kind}{i}" for i in range(n)] for kind, n in (("B/", GROUPS), ("gene", GENES), ("donor", BLOCKS))]
    scale = np.linspace(1, 2, GENES)
    return GroupStatistics.empty(
        *names, by_donor=by_donor, networks=networks, top=TOP, normalisation=normalisation, scale=scale
    )


def gathered(cells, chunks, form=sparse.csr_matrix, **how):
    result = empty(**how)
    for rows in chunks:
        group, counted = cells["group"][rows], cells["counted"][rows]
        result.add_relevance(form(cells["relevance"][rows]), group=group, block=cells["block"][rows], counted=counted)
        for number in range(NETWORKS):
            result.add_network(number, form(cells["by_network"][number][rows]), group=group, counted=counted)
        result.add_expression(form(cells["values"][rows]), group)
    return result


def whole(cells, **how):
    return gathered(cells, [np.arange(CELLS)], **how)


def by_loop(cells):
    result = empty()
    for i in range(CELLS):
        g, u, r, x = cells["group"][i], cells["block"][i], cells["relevance"][i].astype(float), cells["values"][i]
        result.cells[g] += 1
        for j in range(GENES):
            result.expression[g, j] += float(x[j])
            result.expression_squares[g, j] += float(x[j]) ** 2
        if not cells["counted"][i]:
            continue
        result.counted[u, g] += 1
        for j in range(GENES):
            result.sums[u, g, j] += r[j]
            result.squares[g, j] += r[j] ** 2
            result.positive[g, j] += max(r[j], 0)
            result.n_positive[g, j] += r[j] > 0
            result.n_top[g, j] += r[j] > 0 and sorted(r, reverse=True).index(r[j]) < TOP
        for number in range(NETWORKS):
            result.network_cells[number, g] += 1
            result.networks[number, g] += cells["by_network"][number][i]
    return result


@pytest.mark.parametrize("form", [sparse.csr_matrix, np.asarray])
def test_every_sum_is_that_of_a_loop_over_cells(cells, form):
    result, expected = whole(cells, form=form), by_loop(cells)
    for name in SUMS:
        close = {"rtol": 1e-12} if form is sparse.csr_matrix else {"rtol": 1e-5, "atol": 1e-5}
        np.testing.assert_allclose(getattr(result, name), getattr(expected, name), err_msg=name, **close)


@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("form", [sparse.csr_matrix, np.asarray])
def test_how_cells_are_cut_into_chunks_changes_nothing(cells, size, form):
    result = gathered(cells, np.split(np.arange(CELLS), range(size, CELLS, size)), form)
    for name in SUMS:
        sums, expected = getattr(result, name), getattr(whole(cells, form=form), name)
        if form is sparse.csr_matrix:
            np.testing.assert_array_equal(sums, expected, err_msg=name)  # to the last bit
        else:
            np.testing.assert_allclose(sums, expected, rtol=1e-5, atol=1e-5, err_msg=name)


def test_the_order_of_chunks_changes_nothing(cells):
    chunks = np.split(np.arange(CELLS), range(20, CELLS, 20))
    forth, back = gathered(cells, chunks), gathered(cells, chunks[::-1])
    for name in SUMS:
        np.testing.assert_allclose(getattr(forth, name), getattr(back, name), rtol=1e-10, err_msg=name)


def test_the_sums_of_a_single_network_are_the_sums_of_all(cells):
    cells["by_network"] = [cells["relevance"]] * NETWORKS
    single, both = whole(cells, networks=1), whole(cells)
    assert single.networks.size == 0
    for sums, expected in zip(single.by_network(), both.by_network(), strict=True):
        np.testing.assert_allclose(sums[0], expected[0], rtol=1e-10)
    pd.testing.assert_frame_equal(ranked_genes(single), ranked_genes(both))


def test_statistics_survive_a_file(cells):
    result = whole(cells)
    again = GroupStatistics.from_slot({name: np.asarray(value) for name, value in result.to_slot().items()})
    pd.testing.assert_frame_equal(ranked_genes(again), ranked_genes(result))


def test_statistics_of_another_version_are_refused(cells):
    slot = whole(cells).to_slot()
    del slot["blocks"]
    with pytest.raises(CohortError, match=r"group statistics lack 'blocks', as those of another version do; explain"):
        GroupStatistics.from_slot(slot)


@pytest.mark.parametrize("form", [sparse.csr_matrix, np.asarray])
def test_top_genes_are_the_highest_that_raise_the_score(form):
    relevance = np.array([[3, 0, -1, 5, 1], [0, 0, -2, 0, 0], [1, 2, 3, 4, 5], [0, 7, 0, 0, 0]], np.float32)
    columns, values = top_genes(form(relevance), 3)
    assert columns.tolist() == [[3, 0, 4], [-1, -1, -1], [4, 3, 2], [1, -1, -1]]
    assert values.tolist() == [[5, 3, 1], [0, 0, 0], [5, 4, 3], [7, 0, 0]]
    first = form(relevance)
    flags = among_top(first, 2)
    dense = np.zeros(relevance.shape, bool)
    dense[first.nonzero() if form is sparse.csr_matrix else slice(None)] = flags
    assert [np.flatnonzero(row).tolist() for row in dense] == [[0, 3], [], [3, 4], [1]]
    assert top_genes(form(relevance), 0)[0].shape == (4, 0)
    assert top_genes(form(np.zeros((2, 5), np.float32)), 2)[0].tolist() == [[-1, -1]] * 2


def naive(cells, group, column):
    """One column of the ranking, straight from the cells."""
    counted, r = cells["counted"], cells["relevance"].astype(float)
    in_group = r[counted & (cells["group"] == group)]
    other = r[counted & (cells["group"] != group)]
    x, y = (cells["values"][cells["group"] == group].astype(float), cells["values"][cells["group"] != group])
    if column == "score":
        return in_group.mean(0)
    if column == "positive":
        return np.maximum(in_group, 0).mean(0)
    if column == "negative":
        return np.minimum(in_group, 0).mean(0)
    if column == "share_positive":
        return (in_group > 0).mean(0)
    if column == "share_top":
        return np.mean([(row > 0) & (row >= np.sort(row)[-TOP]) for row in in_group], 0)
    if column == "effect_size":
        n, m = len(in_group), len(other)
        spread = np.sqrt(((n - 1) * in_group.var(0, ddof=1) + (m - 1) * other.var(0, ddof=1)) / (n + m - 2))
        return (in_group.mean(0) - other.mean(0)) / spread
    if column == "selected":
        means = [network[counted & (cells["group"] == group)].mean(0) for network in cells["by_network"]]
        return np.mean([mean >= np.sort(mean)[-TOP] for mean in means], 0)
    if column == "de_score":
        return stats.ttest_ind(x, y.astype(float), equal_var=False).statistic
    if column == "direction":
        return np.where(x.mean(0) >= y.mean(0), 1, -1)
    if column == "cells":
        return np.full(GENES, len(in_group))
    raise KeyError(column)


COLUMNS = ("score", "positive", "negative", "share_positive", "share_top", "effect_size", "selected")
COLUMNS += ("de_score", "direction", "cells")


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_of_the_ranking_equals_its_definition(cells, column):
    table = ranked_genes(whole(cells))
    for number in range(GROUPS):
        rows = table[table["group"] == f"B/{number}"].set_index("gene").loc[[f"gene{i}" for i in range(GENES)]]
        np.testing.assert_allclose(rows[column].astype(float), naive(cells, number, column), rtol=1e-6, atol=1e-9)


def test_ranks_follow_scores_and_expression(cells):
    for _, rows in ranked_genes(whole(cells)).groupby("group"):
        assert rows["rank"].tolist() == list(range(1, GENES + 1)) and (rows["score"].diff().dropna() <= 0).all()
        assert (rows.sort_values("de_rank")["de_score"].diff().dropna() <= 0).all()


def test_intervals_are_those_of_draws_of_donors(cells):
    table = ranked_genes(whole(cells), seed=3)
    counted, r = cells["counted"], cells["relevance"].astype(float)
    for number in range(GROUPS):
        blocks = [counted & (cells["group"] == number) & (cells["block"] == u) for u in range(BLOCKS)]
        blocks = [rows for rows in blocks if rows.any()]
        random = np.random.default_rng(3)
        draws = random.multinomial(len(blocks), np.full(len(blocks), 1 / len(blocks)), size=DRAWS)
        means = [
            np.concatenate([r[blocks[u]] for u in np.repeat(np.arange(len(blocks)), draw)]).mean(0) for draw in draws
        ]
        rows = table[table["group"] == f"B/{number}"].set_index("gene").loc[[f"gene{i}" for i in range(GENES)]]
        np.testing.assert_allclose(rows["low"], np.percentile(means, 2.5, axis=0), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(rows["high"], np.percentile(means, 97.5, axis=0), rtol=1e-6, atol=1e-9)
        assert ((rows["low"] <= rows["score"]) & (rows["score"] <= rows["high"])).mean() > 0.9


def test_too_few_donors_have_no_interval(cells):
    cells["block"] %= 2
    assert ranked_genes(whole(cells))[["low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize("by_donor", [True, False])
def test_cells_and_donors_alone_are_no_test(cells, by_donor):
    table = ranked_genes(whole(cells, by_donor=by_donor))
    assert table[["p_value", "p_adjusted"]].isna().all(axis=None)
    assert not {"decoy_score", "q_value", "discovery"} & set(table)


def test_welchs_t_is_that_of_scanpy(cells):
    adata = AnnData(cells["values"], obs=pd.DataFrame({"group": pd.Categorical([f"B/{g}" for g in cells["group"]])}))
    adata.var_names = [f"gene{i}" for i in range(GENES)]
    adata.obs_names = [f"cell{i}" for i in range(CELLS)]
    scanpy.tl.rank_genes_groups(adata, "group", method="t-test")
    table = ranked_genes(whole(cells)).set_index(["group", "gene"])
    for group in adata.obs["group"].cat.categories:
        theirs = scanpy.get.rank_genes_groups_df(adata, group=group).set_index("names")
        ours = table.loc[group].loc[theirs.index]
        np.testing.assert_allclose(ours["de_score"], theirs["scores"], rtol=1e-4, atol=1e-5)


def test_stability_is_the_agreement_of_networks(cells):
    result = stability(whole(cells)).set_index("group")
    for number in range(GROUPS):
        members = cells["counted"] & (cells["group"] == number)
        first, second = (network[members].astype(float).mean(0) for network in cells["by_network"])
        a, b = (set(np.argsort(-mean)[:TOP]) for mean in (first, second))
        row = result.loc[f"B/{number}"]
        assert row["networks"] == NETWORKS and row["first"] == TOP
        assert row["spearman"] == pytest.approx(stats.spearmanr(first, second)[0])
        assert row["jaccard"] == pytest.approx(len(a & b) / len(a | b))


def test_a_network_without_an_order_agrees_with_none(cells):
    cells["by_network"][0][cells["group"] == 1] = 0  # as of a network whose neurons never react to the group
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = stability(whole(cells)).set_index("group")
    assert result.loc["B/1", ["spearman", "jaccard"]].tolist() == [0, 0]
    assert result.notna().all(axis=None) and (result.loc[["B/0", "B/2"], "jaccard"] > 0).all()
    rows = ranked_genes(whole(cells)).set_index("group").loc["B/1"]
    assert set(rows["selected"]) == {0, 1 / NETWORKS}  # the other network alone has top genes


def test_genes_that_tie_across_the_end_are_not_top_genes(cells):
    for network in cells["by_network"]:
        network[:] = np.where(np.arange(GENES) < TOP - 1, network, -1)
        network[:, : TOP - 1] = np.arange(TOP - 1) + 1.0
    rows = ranked_genes(whole(cells)).set_index(["group", "gene"])["selected"]
    assert set(rows[rows > 0].index.get_level_values("gene")) == {f"gene{i}" for i in range(TOP - 1)}


def test_a_single_network_has_no_stability(cells):
    result = stability(whole(cells, networks=1))
    assert result[["spearman", "jaccard"]].isna().all(axis=None) and (result["networks"] == 1).all()


def test_a_group_without_a_counted_cell_has_no_rows(cells):
    cells["counted"] &= cells["group"] != 1
    assert stability(whole(cells))["group"].tolist() == ["B/0", "B/2"]
    with pytest.warns(UserWarning, match=r"no cell of B/1 was explained for its own group"):
        table = ranked_genes(whole(cells))
    assert set(table["group"]) == {"B/0", "B/2"}
    assert table.drop(columns=["p_value", "p_adjusted"]).notna().all(axis=None)
