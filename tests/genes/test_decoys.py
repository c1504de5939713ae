"""Decoys: what they are made of, and how genes are compared with them."""

from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from torch import nn

from lrp_domains import CP_LRP, genes
from lrp_domains.genes import CohortError
from lrp_domains.genes.decoys.comparison import compared_with_decoys
from lrp_domains.genes.decoys.draws import generator_of
from lrp_domains.genes.decoys.knockoffs import knockoff_q_values, q_values, scale_of
from lrp_domains.genes.decoys.null import like_genes, p_values
from lrp_domains.genes.decoys.scores import DecoyScores
from lrp_domains.genes.decoys.unlinked import unlinked_rows

from .decoyed_cohorts import TRAINING, cells_of_donors


def test_without_donors_every_cell_is_used_once():
    rows = unlinked_rows(np.arange(50) % 2, None, np.random.default_rng(0))
    assert sorted(rows) == list(range(50)) and (rows != np.arange(50)).mean() > 0.9


def test_cells_of_a_donor_whose_labels_vary_stay_within_the_donor():
    donors = pd.Series(np.repeat(["a", "b", "c"], 20))
    rows = unlinked_rows(np.arange(60) % 3, donors, np.random.default_rng(0))
    assert (donors.to_numpy()[rows] == donors).all() and sorted(rows) == list(range(60))


def test_donors_of_one_label_move_as_a_whole():
    sizes = [10, 25, 5, 12, 40, 8]
    donors = pd.Series(np.repeat(list("abcdef"), sizes))
    labels = np.repeat([0, 1, 0, 1, 0, 1], sizes)
    sources = []
    for seed in range(200):
        rows = unlinked_rows(labels, donors, np.random.default_rng(seed))
        source = pd.Series(donors.to_numpy()[rows]).groupby(donors).agg(["nunique", "first"])
        assert (source["nunique"] == 1).all() and sorted(source["first"]) == list("abcdef")
        used = np.bincount(rows, minlength=len(donors))
        for donor in "abcdef":  # each cell is used as often as any other, but for one
            assert np.ptp(used[(donors == donor).to_numpy()]) <= 1
        sources.append(source["first"].to_numpy())
    linked = (
        labels[np.cumsum(sizes) - 1]
        == np.array([[0, 1, 0, 1, 0, 1][ord(s) - 97] for s in np.ravel(sources)]).reshape(-1, 6)
    ).mean()
    assert abs(linked - 0.5) < 0.06  # a decoy has the label of its cell as often as not


def test_donors_of_one_label_and_of_several_dont_mix():
    donors = pd.Series(np.repeat(list("abcd"), 10))
    labels = np.concatenate([np.zeros(10), np.ones(10), np.arange(20) % 2])
    rows = unlinked_rows(labels, donors, np.random.default_rng(1))
    from_donor = donors.to_numpy()[rows]
    assert set(from_donor[:20]) == {"a", "b"} and (from_donor[20:] == donors[20:]).all()


@pytest.mark.parametrize("draws", [1, 4])
def test_p_values_are_those_of_a_loop_over_decoys(draws):
    random = np.random.default_rng(0)
    scores, decoys = random.normal(0.1, 1, (draws, 30)), random.normal(0, 1, (draws, 30))
    other = [random.permutation([number for number in range(30) if number != gene])[:8] for gene in range(30)]
    like = np.array([[gene, *numbers] for gene, numbers in enumerate(other)])
    others = [[other for other in row if other != gene] for gene, row in enumerate(like)]
    scale = [np.sqrt(np.mean([decoys[draw, other] ** 2 for draw in range(draws) for other in row])) for row in others]
    pool = [decoys[draw, other] / scale[other] for draw in range(draws) for other in range(30)]
    expected = []
    for gene in range(30):
        p = [(1 + sum(d >= score / scale[gene] for d in pool)) / (1 + len(pool)) for score in scores[:, gene]]
        if draws > 1:
            mean = np.mean([np.tan((0.5 - min(value, 0.99)) * np.pi) for value in p])
            p = [0.5 - np.arctan(mean) / np.pi]
        expected.append(p[0])
    np.testing.assert_allclose(p_values(scores, decoys, like), expected, rtol=1e-12)


@pytest.mark.parametrize("draws", [1, 3])
def test_p_values_of_genes_that_are_like_decoys_are_uniform(draws):
    random = np.random.default_rng(0)
    level = np.exp(random.normal(0, 1, 4000))  # the size of relevance follows the level of expression
    noise_of_networks = random.normal(0, 0.5, (2, draws, 4000))
    scores = level * (random.normal(0, 1, 4000) + noise_of_networks[0])
    decoys = level * (random.normal(0, 1, (draws, 4000)) + noise_of_networks[1])
    p = p_values(scores, decoys, like_genes(level, np.ones(4000)))
    assert abs((p < 0.05).mean() - 0.05) < 0.01 and (p < 0.005).mean() < 0.008
    top = level > np.quantile(level, 0.9)
    assert 0.02 < (p[top] < 0.05).mean() < 0.08  # also of the genes that are expressed most


def test_like_genes_are_near_in_level_and_variance():
    random = np.random.default_rng(0)
    mean, deviation = random.normal(0, 1, (2, 3000))
    like = like_genes(mean, deviation)
    assert like.shape == (3000, 60) and (like == np.arange(3000)[:, None]).any(1).all()
    assert np.abs(mean[like] - mean[:, None]).mean() < 0.4 and np.abs(deviation[like] - deviation[:, None]).mean() < 0.4
    tied = like_genes(np.zeros(3000), np.ones(3000))
    assert len(np.unique(tied)) == 3000  # not the same few genes for all
    assert like_genes(np.arange(5.0), np.arange(5.0)).shape == (5, 5)


def naive_q(scores, decoys):
    difference = scores - decoys
    q = []
    for size in difference:
        rates = [
            (1 + sum(difference <= -t)) / sum(difference >= t) for t in np.abs(difference) if 0 < t <= max(size, 0)
        ]
        q.append(min([1.0, *rates]) if size > 0 else 1.0)
    return np.array(q)


@pytest.mark.parametrize("seed", range(5))
def test_q_values_are_those_of_every_threshold(seed):
    random = np.random.default_rng(seed)
    scores, decoys = random.normal(0, 1, 60), random.normal(0, 1, 60)
    scores[:15] += 4
    if seed == 4:
        scores, decoys = scores.round(), decoys.round()  # ties, and genes that equal their decoys
    np.testing.assert_allclose(knockoff_q_values(scores, decoys), naive_q(scores, decoys), rtol=1e-12)
    draws = np.stack([scores, scores + random.normal(0, 1, 60), scores + random.normal(0, 1, 60)])
    of_decoys = np.stack([decoys] * 3)
    like = like_genes(*random.normal(0, 1, (2, 60)))
    sizes = [np.mean([*np.abs(draws[:, gene]), *np.abs(of_decoys[:, gene])]) for gene in range(60)]
    scale = np.array([np.median([sizes[other] for other in others]) for others in like])
    expected = np.median([naive_q(s / scale, d / scale) for s, d in zip(draws, of_decoys, strict=True)], axis=0)
    np.testing.assert_allclose(q_values(draws, of_decoys, like), expected, rtol=1e-12)


def test_the_scale_does_not_tell_genes_from_their_decoys():
    random = np.random.default_rng(0)
    scores, decoys = random.normal(0, 1, (2, 3, 80))
    like = like_genes(*random.normal(0, 1, (2, 80)))
    q = q_values(scores, decoys, like)
    assert (q[(scores > decoys).sum(0) < 2] == 1).all()
    # Of genes that beat their decoys in every draw, half change places with them: the order by size is the same.
    scores, decoys = np.maximum(scores, decoys), np.minimum(scores, decoys)
    swapped = np.arange(80) % 2 == 0
    others = np.where(swapped, decoys, scores), np.where(swapped, scores, decoys)
    np.testing.assert_allclose(scale_of(scores, decoys, like), scale_of(*others, like), rtol=1e-12)


def test_loud_decoys_of_some_level_hide_no_gene_of_another():
    random = np.random.default_rng(0)
    mean = np.r_[np.full(100, 10.0), np.zeros(300)]  # a quarter of the genes are expressed highly
    scores, decoys = random.normal(0, np.where(mean > 0, 30, 1), (2, 3, 400))
    scores[:, -20:] += 8
    found = q_values(scores, decoys, like_genes(mean, np.ones(400))) <= 0.1
    assert found[-20:].all() and found[:-20].sum() <= 2
    alike = np.tile(np.arange(400), (400, 1))  # all genes on one scale
    assert not (q_values(scores, decoys, alike) <= 0.1).any()


def test_no_gene_is_selected_where_as_many_decoys_win():
    scores = np.concatenate([np.full(10, 1.0), np.zeros(10)])
    assert (knockoff_q_values(scores, scores[::-1]) == 1).all()
    assert (knockoff_q_values(scores, np.zeros(20))[:10] == 0.1).all()  # ten wins: 1 / 10, no less


def test_a_draw_without_a_group_is_left_out():
    random = np.random.default_rng(0)
    scores, decoys = random.normal(0, 1, (2, 3, 2, 40))
    scores[1, 0] = decoys[1, 0] = np.nan
    scores[:, 1] = decoys[:, 1] = np.nan
    names = {
        "groups": np.array(["a", "b"], dtype=object),
        "genes": np.array([f"g{i}" for i in range(40)], dtype=object),
    }
    moments = {"mean": np.arange(40.0), "deviation": np.ones(40), "cells": np.zeros((0, 0))}
    tables = compared_with_decoys(DecoyScores(scores=scores, decoys=decoys, **names, **moments))
    expected = compared_with_decoys(DecoyScores(scores=scores[[0, 2]], decoys=decoys[[0, 2]], **names, **moments))
    pd.testing.assert_frame_equal(tables["a"], expected["a"])
    assert tables["a"].notna().all(axis=None) and tables["b"].isna().all(axis=None)


@pytest.fixture(scope="module")
def planted():
    adata = cells_of_donors(0, planted=20)
    model = genes.train(adata, "group", donor="donor", training=TRAINING, fdr=0.2)
    genes.relevance(adata, model)
    return adata, model, genes.rank(adata)


def test_planted_genes_are_found_and_few_others(planted):
    _, _, table = planted
    rows = table[table["group"] == "case"].set_index("gene")
    selected = rows.index[rows["discovery"] == 1]
    right = [int(gene[1:]) < 20 for gene in selected]
    assert sum(right) >= 10 and np.mean(right) >= 0.7
    assert (rows.loc[[f"G{i}" for i in range(20)], "p_value"] < 0.05).mean() >= 0.8
    assert (rows.loc[[f"G{i}" for i in range(20, 200)], "p_value"] < 0.05).mean() < 0.1
    assert rows["p_adjusted"].to_numpy() == pytest.approx(stats.false_discovery_control(rows["p_value"].to_numpy()))
    assert (rows["decoy_score"].abs().mean()) < rows["score"].abs().mean()


def test_decoys_are_kept_in_the_file_of_the_model(planted, tmp_path):
    adata, model, table = planted
    genes.save_model(model, tmp_path / "model.pt")
    again = adata.copy()
    genes.relevance(again, genes.load_trained(tmp_path / "model.pt"))
    pd.testing.assert_frame_equal(genes.rank(again), table)
    assert model.decoys.scores.shape == (TRAINING.decoys, 2, 200)


def test_the_networks_that_are_explained_are_those_without_decoys(planted):
    adata, model, _ = planted
    plain = genes.train(adata, "group", donor="donor", training=TRAINING)
    assert plain.digest() == model.digest() and plain.decoys is None


def test_the_rate_decides_which_genes_are_discoveries(planted):
    adata, _, table = planted
    again = adata.copy()
    strict = genes.rank(again, fdr=0.01)
    assert (strict["discovery"] == 0).all() and (strict["q_value"] == table["q_value"]).all()
    assert again.uns["rank_genes_lrp"]["params"]["lrp_fdr"] == 0.01
    assert genes.rank(again)["discovery"].sum() == (table["q_value"] <= 0.2).sum() > 0


def test_scanpy_reads_the_p_values(planted):
    import scanpy

    adata, _, table = planted
    frame = scanpy.get.rank_genes_groups_df(adata, group="case", key="rank_genes_lrp")
    rows = table[table["group"] == "case"]
    assert frame["pvals"].to_numpy() == pytest.approx(rows["p_value"].to_numpy())
    assert frame["pvals_adj"].to_numpy() == pytest.approx(rows["p_adjusted"].to_numpy())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cells": slice(0, 200)}, "the cells or their labels are not those"),
        ({"score": "logit"}, "decoys are explained for the log-odds"),
        ({"target": "case"}, "decoys are explained for the log-odds"),
        ({"rules": CP_LRP}, "decoys are explained for the log-odds"),
        ({"reference": "zero"}, "decoys are explained for the log-odds"),
        ({"groupby": "donor"}, "the groups are those of 'donor', not of 'group'"),
    ],
)
def test_p_values_are_only_of_what_decoys_were_explained_for(planted, change, reason):
    adata, model, _ = planted
    change = dict(change)
    again = adata[change.pop("cells", slice(None))].copy()
    with pytest.warns(UserWarning, match=f"no p-values and q-values, although the model has decoys: {reason}"):
        genes.relevance(again, model, **change)
    table = genes.rank(again, wilcoxon=False)
    assert table["p_value"].isna().all() and "q_value" not in table


def test_other_labels_of_the_same_cells_have_no_q_values(planted):
    adata, model, _ = planted
    again = adata.copy()
    again.obs["group"] = again.obs["group"].to_numpy()[np.random.default_rng(0).permutation(again.n_obs)]
    with pytest.warns(UserWarning, match="the cells or their labels are not those"):
        genes.relevance(again, model)


def test_other_groups_have_no_q_values(planted):
    adata = planted[0].copy()
    adata.obs["half"] = pd.Categorical(np.where(np.arange(adata.n_obs) % 2, "odd", "even"))
    with pytest.warns(UserWarning, match="the groups of 'half' get no p-values and q-values"):
        table = genes.rank(adata, groupby="half", wilcoxon=False)
    assert table["p_value"].isna().all() and "q_value" not in table
    with pytest.raises(CohortError, match="the groups of 'half' can't be selected"):
        genes.rank(adata, groupby="half", fdr=0.1)


def test_genes_that_were_dropped_or_added_since():
    adata = cells_of_donors(0, genes=40)
    adata.X[:, 7] = 0
    model = genes.train(adata, "group", donor="donor", training=replace(TRAINING, decoys=1, epochs=3), fdr=0.2)
    whole = adata.copy()
    genes.relevance(whole, model)
    expected = genes.rank(whole, wilcoxon=False).set_index(["group", "gene"])["decoy_score"]

    fewer = adata[:, [i != 7 for i in range(40)]].copy()  # as scanpy's filter_genes leaves it
    genes.relevance(fewer, model)
    table = genes.rank(fewer, wilcoxon=False).set_index(["group", "gene"])
    pd.testing.assert_series_equal(table["decoy_score"], expected.loc[table.index])

    more = anndata.concat([adata, adata[:, :2].copy()], axis=1, join="outer", merge="first")
    more.var_names = [*adata.var_names, "other1", "other2"]
    genes.relevance(more, model)
    table = genes.rank(more, donor="donor", wilcoxon=False)
    assert (table["p_value"].isna() == table["gene"].isin(["other1", "other2"])).all()


def test_decoys_are_not_linked_to_labels_that_the_same_seed_shuffled():
    labels = np.random.default_rng(0).permutation(np.arange(300) % 2)
    for draw in range(3):
        rows = unlinked_rows(labels, None, generator_of(0, draw))
        assert abs(np.corrcoef(labels[rows], labels)[0, 1]) < 0.2
        assert abs(np.corrcoef(labels[rows], np.arange(300) % 2)[0, 1]) < 0.2


def test_a_rate_requires_decoys(planted):
    adata, model, _ = planted
    again = adata.copy()
    genes.relevance(again, replace(model, decoys=None))
    with pytest.raises(CohortError, match=r"can't be selected at a false discovery rate.*train the model with fdr"):
        genes.rank(again, fdr=0.1)


def test_an_own_network_must_accept_decoys_before_anything_is_trained(planted):
    fixed = nn.Sequential(nn.Linear(200, 2))
    trained = []
    with pytest.raises(CohortError, match=r"also read a decoy of each gene, 400 inputs in all, but the network"):
        genes.train(
            planted[0],
            "group",
            network=lambda *_: fixed,
            fdr=0.1,
            progress=lambda items, _: trained.append(1) or items,
        )
    assert not trained
    training = replace(TRAINING, decoys=1, epochs=2)
    model = genes.train(planted[0], "group", network=lambda *n: nn.Linear(*n), fdr=0.1, training=training)
    assert model.decoys.scores.shape == (1, 2, 200)


def test_more_draws_keep_the_networks_that_are_trained(tmp_path):
    adata = cells_of_donors(0, genes=40)
    for draws, networks in ((1, 10), (2, 15)):  # five folds each
        training = replace(TRAINING, decoys=draws, epochs=2)
        genes.train(adata, "group", training=training, fdr=0.1, resume=tmp_path)
        assert len(list(tmp_path.glob("*.pt"))) == networks


def test_a_gene_is_not_named_as_a_decoy(planted):
    adata = planted[0][:, :3].copy()
    adata.var_names = ["G0", "decoy of G0", "G2"]
    with pytest.raises(CohortError, match="has a gene named 'decoy of G0', as decoys are; rename it"):
        genes.train(adata, "group", fdr=0.1)


@pytest.mark.parametrize("rate", [0, 1, -0.1, 10, "0.1"])
def test_a_rate_is_between_0_and_1(planted, rate):
    with pytest.raises(CohortError, match="expected a rate between 0 and 1"):
        genes.train(planted[0], "group", fdr=rate)
    with pytest.raises(CohortError, match="expected a rate between 0 and 1"):
        genes.rank(planted[0].copy(), fdr=rate)
