"""Folds: networks have not seen the cells that they explain, nor their donors."""

import numpy as np
import pandas as pd
import pytest
import torch

from lrp_domains.genes import Training, made_cohort, relevance, train
from lrp_domains.genes.training.folds import deal, split
from lrp_domains.genes.training.target import Target

from .training_cohorts import QUICK, donors_of, planted, weights


@pytest.mark.parametrize("fold", range(3))
def test_a_network_does_not_depend_on_the_cells_that_it_explains(fold):
    """Overwrite the held-out cells with noise and train again: their networks stay the same to the last bit."""
    adata = made_cohort()
    settings = Training(folds=3, hidden=8, epochs=3, members=2)
    first = train(adata, "group", training=settings)
    adata.X.data[np.repeat((first.folds == fold).to_numpy(), np.diff(adata.X.indptr))] = 9.0
    second = train(adata, "group", training=settings)
    np.testing.assert_array_equal(first.folds, second.folds)
    for k, members in enumerate(zip(first.networks, second.networks, strict=True)):
        same = [torch.equal(weights(a), weights(b)) for a, b in zip(*members, strict=True)]
        assert same == [k == fold] * 2


def test_each_cell_is_explained_by_the_networks_of_its_fold():
    adata = made_cohort()
    model = train(adata, "group", training=Training(folds=3, hidden=8, epochs=5, members=2))
    relevance(adata, model, score="margin")
    np.testing.assert_array_equal(adata.obs["lrp_fold"], model.folds)
    x = torch.tensor(adata.X.toarray())
    logits = torch.stack([sum(network(x) for network in members) / 2 for members in model.networks])
    unseen = logits[model.folds.to_numpy(), np.arange(adata.n_obs)]
    others = (unseen.sum(1) - unseen.max(1).values) / 2
    np.testing.assert_allclose(adata.obs["lrp_score"], (unseen.max(1).values - others).detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("task", ["classes", "value", "survival"])
def test_no_donor_is_on_both_sides(task):
    adata = planted(task, rows=120)
    adata.obs["donor"] = donors_of(adata, 12)
    time = "months" if task == "survival" else None
    settings = Training(folds=3, hidden=4, epochs=1, network="linear")
    model = train(adata, "wanted", task=task, time=time, donor="donor", training=settings)
    assert (model.folds.groupby(adata.obs["donor"]).nunique() == 1).all() and model.folds.nunique() == 3
    assert model.training["donor"] == "donor" and model.training["folds"] == 3


def test_cells_to_stop_early_on_are_of_other_donors():
    codes = np.tile([0, 1, 2], 40)
    target = Target("classes", codes, None, ("a", "b", "c"))
    donors = pd.Series([f"d{(i // 3) % 8}" for i in range(120)], name="donor")
    rows = np.flatnonzero(deal(target, donors, folds=4, seed=0) != 0)
    learn, validate = split(rows, target, donors, share=0.15, seed=0)
    assert not set(donors[learn]) & set(donors[validate]) and sorted([*learn, *validate]) == rows.tolist()
    learn, validate = split(
        rows, target, donors.where(donors == "d0", "d1"), share=0.15, seed=0
    )  # two donors: some of each
    assert set(codes[learn]) == set(codes[validate]) == {0, 1, 2} and len(learn) + len(validate) == len(rows)


def test_a_class_of_few_donors_is_never_without_cells_to_learn_from():
    random = np.random.default_rng(0)
    donors = pd.Series(random.permutation(np.repeat([f"d{i}" for i in range(10)], 12)), name="donor")
    codes = (donors.isin(["d0", "d1"]) & (random.random(120) < 0.5)).astype(int).to_numpy()
    target = Target("classes", codes, None, ("common", "rare"))
    for seed in range(20):
        folds = deal(target, donors, folds=5, seed=seed)
        assert len(set(folds[codes == 1])) == 2 and len(set(folds)) == 5
        for fold in range(5):
            learn, _ = split(np.flatnonzero(folds != fold), target, donors, share=0.15, seed=seed)
            assert set(codes[learn]) == {0, 1}


def test_with_two_donors_each_is_held_out_once():
    adata = made_cohort()
    adata.obs["donor"] = donors_of(adata, 2)
    with pytest.warns(UserWarning, match="2 donors in 'donor' make 2 folds, not 5"):
        model = train(adata, "group", donor="donor", training=Training(hidden=4, epochs=1))
    assert len(model.networks) == 2 and model.folds.groupby(adata.obs["donor"]).nunique().eq(1).all()
    relevance(adata, model)


def test_if_every_row_is_a_donor_rows_are_dealt():
    adata = made_cohort()
    plain = train(adata, "group", training=QUICK)
    by_row = train(adata, "group", donor="index", training=QUICK)
    np.testing.assert_array_equal(plain.folds, by_row.folds)


def test_folds_are_of_similar_composition():
    adata = made_cohort()
    model = train(adata, "group", training=QUICK)
    counts = adata.obs.groupby(["group", model.folds.rename("fold")], observed=True).size()
    assert counts.max() - counts.min() <= 1 and len(counts) == 9
    row = model.performance.iloc[0]
    assert row["training_cells"] + row["validation_cells"] + row["held_out_cells"] == adata.n_obs
    assert row["validation_cells"] > 0
