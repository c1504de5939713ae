"""Deletion and insertion curves: against a loop over cells and genes, and on a network that uses known genes."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lrp_domains import genes

FOLDS = {"folds": 3, "epochs": 60, "members": 2}


def explained(adata, model, **asked):
    genes.relevance(adata, model, **asked)
    return genes.rank(adata, cohort="made")


def planted(adata, classes, marked=3, strength=4.0):
    """A network that reads the marker genes of each group and nothing else; no fold, so it predicts all cells."""
    network = nn.Linear(adata.n_vars, len(classes))
    with torch.no_grad():
        network.weight.zero_(), network.bias.zero_()
        for number in range(len(classes)):
            network.weight[number, number * marked : (number + 1) * marked] = strength
    return genes.gene_model(network, adata.var_names, classes, labels="group")


@pytest.fixture(scope="module")
def trained():
    adata = genes.made_cohort()
    model = genes.train(adata, "group", training=genes.Training(**FOLDS))
    return adata, model, explained(adata, model)


def test_the_planted_genes_decide_the_prediction():
    adata = genes.made_cohort()
    model = planted(adata, list(adata.obs["group"].cat.categories))
    table = explained(adata, model)
    result = genes.curves(adata, model, table, most=10)
    assert (result["cohort"] == "made").all()
    for group in model.classes:
        rows = result[result["group"] == group].set_index(["order", "curve", "genes"])["probability"]
        intact = rows["relevance", "deletion", 0]
        assert rows["relevance", "deletion", 3] < 0.1 * intact  # all three markers of the group are gone
        assert rows["random", "deletion", 3] > 0.8 * intact
        assert rows["relevance", "insertion", 3] > 0.9 > 0.6 > rows["random", "insertion", 3]
        assert rows["relevance", "insertion", 0] == pytest.approx(1 / 3)  # all read as 0: the biases alone
    area = genes.areas(result).set_index(["group", "order"])
    for group in model.classes:
        ours, chance = area.loc[(group, "relevance")], area.loc[(group, "random")]
        assert ours["deletion"] < 0.5 * chance["deletion"] and ours["insertion"] > 1.5 * chance["insertion"]


def test_against_a_loop_over_cells_genes_and_networks(trained):
    adata, model, table = trained
    result = genes.curves(adata, model, table, most=7, points=4, cells=adata.n_obs)
    dense = torch.as_tensor(adata.X.toarray())
    for group in ("Naive T", "CD19+ B"):
        target = model.classes.index(group)
        cells = np.flatnonzero(adata.obs["group"] == group)
        for order, column in (("relevance", "rank"), ("differential", "de_rank")):
            ranked = table[table["group"] == group].sort_values(column)["gene"]
            ranked = [adata.var_names.get_loc(gene) for gene in ranked]
            part = result[(result["group"] == group) & (result["order"] == order)]
            for row in part.itertuples():
                probabilities = []
                for cell in cells:
                    x = dense[cell].clone()
                    lost = ranked[: row.genes] if row.curve == "deletion" else ranked[row.genes :]
                    for gene in lost:
                        x[gene] = 0
                    networks = model.networks[model.folds[adata.obs_names[cell]]]
                    with torch.no_grad():
                        logits = sum(network.eval()(x[None]) for network in networks) / len(networks)
                    probabilities.append(logits.double().softmax(1)[0, target].item())
                assert row.probability == pytest.approx(np.mean(probabilities), abs=1e-6)
                assert row.standard_error == pytest.approx(pd.Series(probabilities).sem(), abs=1e-6)


def test_one_curve_per_group_order_and_kind(trained):
    adata, model, table = trained
    result = genes.curves(adata, model, table, most=20, cells=10)
    shape = result.groupby(["group", "order", "curve"], sort=False).size()
    assert len(shape) == 3 * 3 * 2 and shape.nunique() == 1
    assert list(result["group"].unique()) == list(adata.obs["group"].cat.categories)
    assert result["probability"].between(0, 1).all()
    start = result[(result["curve"] == "deletion") & (result["genes"] == 0)]
    # The same intact cells, whatever the order; the mean over draws of the same number may be rounded.
    assert start.groupby("group")["probability"].agg(np.ptp).max() < 1e-12
    pd.testing.assert_frame_equal(result, genes.curves(adata, model, table, most=20, cells=10))
    assert not result.equals(genes.curves(adata, model, table, most=20, cells=10, seed=1))
    only = genes.curves(adata, model, table, most=20, cells=10, orders=["relevance"])
    assert set(only["order"]) == {"relevance"}


def test_the_cohort_may_be_on_disk(trained, tmp_path):
    adata, model, table = trained
    genes.write_cohort(adata, tmp_path / "explained.h5ad")
    with genes.open_cohort(tmp_path / "explained.h5ad") as stored:
        result = genes.curves(stored, model, table, most=10, cells=10)
    pd.testing.assert_frame_equal(result, genes.curves(adata, model, table, most=10, cells=10))


def test_z_scored_genes_are_set_to_the_mean():
    adata = genes.made_cohort()
    adata.X = adata.X.toarray() + 5
    model = genes.train(adata, "group", normalisation="zscore", training=genes.Training(**FOLDS))
    table = explained(adata, model)
    result = genes.curves(adata, model, table, most=60, cells=200)
    mean = (adata.X - adata.X.mean(0)).mean(0) * 0  # a cell of which every gene is at the mean
    group = model.classes[0]
    cells = np.flatnonzero(adata.obs["group"] == group)
    with torch.no_grad():
        logits = [
            torch.stack([net.eval()(torch.as_tensor(mean[None])) for net in model.networks[fold]]).mean(0)
            for fold in model.folds.loc[adata.obs_names[cells]]
        ]
    expected = np.mean([mean.double().softmax(1)[0, 0].item() for mean in logits])
    all_gone = result.query("group == @group and order == 'relevance' and curve == 'deletion' and genes == 60")
    assert all_gone["probability"].item() == pytest.approx(expected, abs=1e-6)


def test_curves_of_a_value_measure_its_change():
    adata = genes.made_cohort()
    dense = adata.X.toarray()
    adata.obs["dose"] = dense[:, 0] * 2 - dense[:, 1]
    network = nn.Linear(adata.n_vars, 1)
    with torch.no_grad():
        network.weight.zero_(), network.bias.fill_(1.0)
        network.weight[0, :2] = torch.tensor([2.0, -1.0])
    model = genes.gene_model(network, adata.var_names, ["dose"], task="value", labels="dose")
    table = explained(adata, model)
    result = genes.curves(adata, model, table, most=5, cells=200)
    assert "probability" not in result
    rows = result[result["order"] == "relevance"].set_index(["group", "curve", "genes"])
    groups = adata.obs["lrp_predicted"]
    for group in ("low", "high"):
        expected = adata.obs["dose"][groups == group].abs().mean()  # the output without both genes is the bias
        assert rows.loc[(group, "deletion", 0), "change"] == 0
        assert rows.loc[(group, "deletion", 2), "change"] == pytest.approx(expected, rel=1e-5)
        assert rows.loc[(group, "insertion", 0), "change"] == pytest.approx(expected, rel=1e-5)
        assert rows.loc[(group, "insertion", 2), "change"] == pytest.approx(0, abs=1e-6)
    assert set(genes.areas(result).columns) == {"cohort", "group", "order", "deletion", "insertion"}


def test_the_area_is_the_mean_height():
    rows = [("c", "B", "relevance", "deletion", n, p, 0.0) for n, p in ((0, 1.0), (2, 0.5), (4, 0.5))]
    rows += [("c", "B", "relevance", "insertion", n, 0.25, 0.0) for n in (0, 2, 4)]
    columns = ["cohort", "group", "order", "curve", "genes", "probability", "standard_error"]
    area = genes.areas(pd.DataFrame(rows, columns=columns))
    assert area.to_dict("records") == [
        {"cohort": "c", "group": "B", "order": "relevance", "deletion": 0.625, "insertion": 0.25}
    ]


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda table: table.assign(gene="x" + table["gene"]), "ranks genes that the model doesn't read, such as 'xg1"),
        (lambda table: table.assign(group="B"), "no group of 'group' is a class of the model"),
        (lambda table: pd.concat([table, table.assign(cohort="other")]), "genes of several cohorts"),
    ],
)
def test_another_table_is_refused(trained, change, message):
    adata, model, table = trained
    with pytest.raises(genes.CohortError, match=message):
        genes.curves(adata, model, change(table))


def test_an_unknown_order_is_refused(trained):
    adata, model, table = trained
    with pytest.raises(genes.CohortError, match="unknown order 'relevanc'; did you mean 'relevance'"):
        genes.curves(adata, model, table, orders=["relevanc"])
