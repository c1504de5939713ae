"""Every cell is explained by a network that has not seen it."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from torch import nn

from lrp_domains.genes import explain, load_classifiers, made_cohort, save_classifiers, train_out_of_fold
from lrp_domains.genes.training import Training

QUICK = Training(folds=3, hidden=8, epochs=5)


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


@pytest.mark.parametrize("fold", range(3))
def test_a_network_does_not_depend_on_the_cells_that_it_explains(fold):
    """Overwrite the held-out cells with noise and train again: their own network stays the same to the last bit."""
    adata = made_cohort()
    first = train_out_of_fold(adata, "group", training=QUICK)
    adata.X.data[np.repeat((first.folds == fold).to_numpy(), np.diff(adata.X.indptr))] = 9.0
    second = train_out_of_fold(adata, "group", training=QUICK)
    np.testing.assert_array_equal(first.folds, second.folds)
    same = [torch.equal(weights(a), weights(b)) for a, b in zip(first.networks, second.networks, strict=True)]
    assert same == [k == fold for k in range(3)]


def test_each_cell_is_explained_by_the_network_of_its_fold():
    adata = made_cohort()
    classifiers = train_out_of_fold(adata, "group", training=QUICK)
    explain(adata, classifiers)
    np.testing.assert_array_equal(adata.obs["lrp_fold"], classifiers.folds)
    x = torch.tensor(adata.X.toarray())
    logits = torch.stack([network(x) for network in classifiers.networks])
    own = logits[classifiers.folds.to_numpy(), np.arange(adata.n_obs)]
    others = (own.sum(1) - own.max(1).values) / 2
    np.testing.assert_allclose(adata.obs["lrp_score"], (own.max(1).values - others).detach(), rtol=1e-4, atol=1e-5)


def test_folds_are_of_like_composition():
    adata = made_cohort()
    classifiers = train_out_of_fold(adata, "group", training=QUICK)
    counts = adata.obs.groupby(["group", classifiers.folds.rename("fold")], observed=True).size()
    assert counts.max() - counts.min() <= 1 and len(counts) == 9
    assert classifiers.folds.value_counts().max() - classifiers.folds.value_counts().min() <= 1
    row = classifiers.accuracy.iloc[0]
    assert row["training_cells"] + row["validation_cells"] + row["held_out_cells"] == adata.n_obs
    assert row["validation_cells"] > 0


def test_rare_groups_are_learnt():
    """Without class weights five cells beside forty are not worth learning."""
    adata = made_cohort()
    rare = np.flatnonzero(adata.obs["group"] == "CD19+ B")[9:]
    adata = adata[np.setdiff1d(np.arange(adata.n_obs), rare)].copy()
    classifiers = train_out_of_fold(adata, "group", training=Training(folds=3, hidden=16, batch_size=16))
    assert classifiers.accuracy["held_out_balanced_accuracy"].mean() > 0.8


def test_the_seed_fixes_everything_and_the_callers_random_numbers_go_on():
    adata = made_cohort()
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    torch.set_num_threads(2)
    first = train_out_of_fold(adata, "group", training=QUICK)
    assert torch.equal(torch.rand(1), expected) and torch.get_num_threads() == 2
    torch.set_num_threads(1)
    second = train_out_of_fold(adata, "group", training=QUICK)
    other = train_out_of_fold(adata, "group", training=Training(folds=3, hidden=8, epochs=5, seed=1))
    assert torch.equal(weights(first.networks[0]), weights(second.networks[0]))
    assert not torch.equal(weights(first.networks[0]), weights(other.networks[0]))
    assert (first.folds != other.folds).any()


def test_early_stopping_keeps_the_best_epoch():
    """Labels at random: the validation loss soon rises, so training ends long before the last epoch."""
    adata = made_cohort()
    adata.obs["group"] = np.random.default_rng(0).permutation(adata.obs["group"])
    classifiers = train_out_of_fold(adata, "group", training=Training(folds=3, hidden=32, epochs=300, patience=5))
    assert (classifiers.accuracy["epochs"] < 200).all()


def test_accuracies_are_of_held_out_cells():
    adata = made_cohort()
    classifiers = train_out_of_fold(adata, "group", training=QUICK)
    explain(adata, classifiers)
    for fold, row in classifiers.accuracy.iterrows():
        own = adata.obs[classifiers.folds == fold]
        assert row["held_out_accuracy"] == accuracy_score(own["group"], own["lrp_predicted"])
        assert row["held_out_balanced_accuracy"] == pytest.approx(
            balanced_accuracy_score(own["group"], own["lrp_predicted"])
        )


def test_written_and_read_again(tmp_path):
    adata = made_cohort()
    classifiers = train_out_of_fold(adata, "group", training=QUICK)
    save_classifiers(classifiers, tmp_path / "models.pt")
    again = load_classifiers(tmp_path / "models.pt")
    assert again.training == classifiers.training and again.classes == classifiers.classes
    again_explained, explained = adata.copy(), adata.copy()
    explain(explained, classifiers)
    explain(again_explained, again)
    np.testing.assert_array_equal(explained.layers["lrp"].toarray(), again_explained.layers["lrp"].toarray())


def test_ones_own_network_is_trained_the_same_way():
    """With batch norm, which fails on a lone cell: 121 cells leave one over for the last batch of some fold."""
    adata = made_cohort(cells=121)

    def network(genes, classes):
        return nn.Sequential(nn.Linear(genes, 8), nn.BatchNorm1d(8), nn.SiLU(), nn.Linear(8, classes))

    classifiers = train_out_of_fold(
        adata, "group", network=network, training=Training(folds=3, epochs=15, batch_size=66)
    )
    assert classifiers.accuracy["training_cells"].eq(67).any()
    explain(adata, classifiers)
    assert not any(module.training for network in classifiers.networks for module in network.modules())
    assert np.isfinite(adata.layers["lrp"].data).all()
