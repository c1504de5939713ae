"""Cells are known by their content: names neither make a cell of another cohort known, nor hide a training cell."""

import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from lrp_domains.genes import (
    Training,
    genes_of_neuron,
    load_trained,
    made_cohort,
    open_cohort,
    rank,
    relevance,
    relevance_on_disk,
    save_model,
    train,
    write_cohort,
)
from lrp_domains.genes.cohorts.values.content import contents_of, gene_keys

from .training_cohorts import weights

SETTINGS = Training(folds=3, hidden=8, epochs=5)
FOLD = "lrp_fold"


@pytest.fixture(scope="module")
def trained():
    adata = made_cohort()
    return adata, train(adata, "group", training=SETTINGS)


def folds_in(adata, model, **settings):
    """Explain a copy of a cohort, and return the fold of each cell."""
    adata = adata.copy()
    relevance(adata, model, **settings)
    return adata.obs[FOLD].to_numpy()


def test_another_cohort_with_the_same_names_is_unseen_and_the_user_is_told(trained):
    _, model = trained
    other = made_cohort(seed=1)
    with pytest.warns(UserWarning, match="120 of 120 cells have the name of a cell that the model was trained on, but"):
        assert (folds_in(other, model) == -1).all()
    other.obs_names = [f"other_{i}" for i in range(other.n_obs)]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*the name of a cell")
        assert (folds_in(other, model) == -1).all()


def test_renamed_and_concatenated_training_cells_keep_their_fold(trained):
    adata, model = trained
    expected = model.folds.to_numpy()
    renamed = adata[::-1].copy()
    renamed.obs_names = [f"renamed_{i}" for i in range(adata.n_obs)]
    np.testing.assert_array_equal(folds_in(renamed, model), expected[::-1])
    both = anndata.concat({"a": made_cohort(seed=1), "b": adata}, index_unique="-", label="batch")
    np.testing.assert_array_equal(folds_in(both, model, batch_size=50), np.r_[np.full(120, -1), expected])


@pytest.mark.parametrize("form", ["dense", "float64", "stored zeros", "other order", "more genes", "file"])
def test_the_form_of_a_cohort_does_not_change_the_content_of_its_cells(trained, form, tmp_path):
    adata, model = trained
    copy = adata.copy()
    if form == "dense":
        copy.X = copy.X.toarray()
    elif form == "float64":
        copy.X = copy.X.astype(np.float64)
    elif form == "stored zeros":
        full = sparse.csr_matrix(np.ones(copy.shape, np.float32))
        full.data = copy.X.toarray().ravel()
        copy.X = full
    elif form == "other order":
        copy = copy[:, ::-1].copy()
    elif form == "more genes":
        more = adata.copy()
        more.var_names = [f"unknown_{i}" for i in range(more.n_vars)]
        copy = anndata.concat([more, adata], axis=1, merge="first")
    else:
        write_cohort(copy, tmp_path / "cohort.h5ad")
        save_model(model, tmp_path / "model.pt")
        with open_cohort(tmp_path / "cohort.h5ad") as stored:
            relevance(stored, load_trained(tmp_path / "model.pt"), layer=None, batch_size=7)
            np.testing.assert_array_equal(stored.obs[FOLD], model.folds)
        return
    np.testing.assert_array_equal(folds_in(copy, model), model.folds)


def test_names_distinguish_cells_of_the_same_values():
    adata = made_cohort()
    adata.X = adata.X.toarray()
    adata.X[1::2] = adata.X[::2]
    model = train(adata, "group", training=SETTINGS)
    assert (model.folds[::2].to_numpy() != model.folds[1::2].to_numpy()).any()
    shuffled = adata[np.random.default_rng(0).permutation(adata.n_obs)].copy()
    np.testing.assert_array_equal(folds_in(shuffled, model), model.folds[shuffled.obs_names])


def test_no_two_cells_of_many_share_a_content():
    """Counts 0 and 1 alone, in few genes: as alike as cells can be."""
    values = ((np.arange(2**16)[:, None] >> np.arange(16)) & 1).astype(np.float32)
    contents = contents_of(values, gene_keys([f"gene_{i}" for i in range(16)]))
    assert len(np.unique(contents)) == 2**16
    swapped = values[:, [1, 0, *range(2, 16)]]
    differ = values[:, 0] != values[:, 1]
    keys = gene_keys([f"gene_{i}" for i in range(16)])
    assert (contents_of(swapped, keys)[differ] != contents[differ]).all()  # a value belongs to its gene
    assert contents_of(np.array([[-0.0] * 16, [0.0] * 16]), keys).tolist() == [0, 0]


@pytest.mark.parametrize("fold", range(3))
def test_held_out_cells_do_not_enter_z_scores(fold):
    adata = made_cohort()
    adata.X = adata.X.toarray()
    first = train(adata, "group", normalisation="zscore", training=SETTINGS)
    adata.X[(first.folds == fold).to_numpy()] *= 3
    second = train(adata, "group", normalisation="zscore", training=SETTINGS)
    for k, (a, b) in enumerate(zip(first.networks, second.networks, strict=True)):
        assert torch.equal(weights(a[0]), weights(b[0])) == (k == fold)


@pytest.mark.parametrize("donor", [None, "index"])
def test_held_out_patients_do_not_enter_the_centre(donor):
    adata = made_cohort()
    adata.X = adata.X.toarray() + 7
    settings = Training(folds=3, hidden=8, epochs=5, members=2)
    first = train(adata, "group", donor=donor, training=settings)
    adata.X[(first.folds == 1).to_numpy()] *= 3
    second = train(adata, "group", donor=donor, training=settings)
    for k, members in enumerate(zip(first.networks, second.networks, strict=True)):
        assert [torch.equal(weights(a), weights(b)) for a, b in zip(*members, strict=True)] == [k == 1] * 2


def test_z_scores_of_training_cells_are_those_of_their_fold_and_others_those_of_their_cohort(tmp_path):
    adata = made_cohort()
    adata.X = adata.X.toarray() + 5
    model = train(adata, "group", normalisation="zscore", training=SETTINGS)
    save_model(model, tmp_path / "model.pt")
    model = load_trained(tmp_path / "model.pt")
    relevance(adata, model, score="logit", target="CD19+ B")
    other = adata.copy()
    other.X = adata.X * 2 + 1  # the same z-scores within this cohort
    with pytest.warns(UserWarning, match="but other values"):
        relevance(other, model, score="logit", target="CD19+ B")
    for cohort in (adata, other):
        for cell in (0, 50, 119):
            fold = cohort.obs[FOLD].iloc[cell]
            training = cohort.X[(model.folds != fold).to_numpy()] if fold >= 0 else cohort.X
            z = (cohort.X[cell] - training.mean(0)) / training.std(0)
            networks = [network for _, network in model.unseen(fold)]
            with torch.no_grad():
                logits = torch.stack([network(torch.as_tensor(z[None])) for network in networks]).mean(0)
            assert cohort.obs["lrp_score"].iloc[cell] == pytest.approx(logits[0, 2].item(), abs=1e-4)
    assert set(adata.obs[FOLD]) == {0, 1, 2} and set(other.obs[FOLD]) == {-1}

    table = rank(adata, wilcoxon=False).set_index(["group", "gene"])
    members = (adata.obs["group"] == "CD19+ B").to_numpy()
    change = adata.X[members].mean(0) - adata.X[~members].mean(0)
    ours = table.loc["CD19+ B"].loc[adata.var_names, "log2_fold_change"]
    np.testing.assert_allclose(ours, change, rtol=1e-4, atol=1e-5)


def test_z_scores_are_the_same_on_disk_and_in_memory(tmp_path):
    adata = made_cohort()
    adata.X = adata.X.toarray()
    model = train(adata, "group", normalisation="zscore", training=SETTINGS)
    write_cohort(adata, tmp_path / "cohort.h5ad")
    relevance_on_disk(tmp_path / "cohort.h5ad", model, tmp_path / "explained.h5ad", batch_size=13)
    relevance(adata, model)
    with open_cohort(tmp_path / "explained.h5ad") as explained:
        np.testing.assert_allclose(explained.layers["lrp"][:], adata.layers["lrp"], rtol=1e-5, atol=1e-6)
        pd.testing.assert_series_equal(explained.obs[FOLD], adata.obs[FOLD])


def test_a_network_inside_is_explained_on_the_cells_that_it_has_not_seen(trained):
    adata, model = trained
    renamed = adata.copy()
    renamed.obs_names = [f"renamed_{i}" for i in range(adata.n_obs)]
    table = genes_of_neuron(renamed, model, "layers.2", 0, network=1, target="CD19+ B")
    assert table.groupby("group")["cells"].first().sum() == (model.folds == 1).sum()
