"""Models trained with decoys: discoveries among planted genes, and requests that decoys don't fit."""

from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from torch import nn

from lrp_domains import CP_LRP, genes
from lrp_domains.genes import CohortError

from .decoyed_cohorts import TRAINING, cells_of_donors


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
