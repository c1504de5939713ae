"""Invalid cohorts and requests are refused in one message: what, where, what to do."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from lrp_domains.domain import DomainError
from lrp_domains.genes import (
    CohortError,
    Training,
    gene_model,
    load_trained,
    made_cohort,
    rank,
    read_cohort,
    relevance,
    save_model,
    train,
)

QUICK = Training(folds=3, hidden=4, epochs=2)


def without_label(adata):
    adata.obs.loc[["cell_4", "cell_9"], "group"] = np.nan


def one_group(adata):
    adata.obs["group"] = "T cell"


def small_group(adata):
    adata.obs["group"] = ["rare/1"] * 2 + ["common"] * (adata.n_obs - 2)


def not_finite(value):
    def spoil(adata):
        adata.X[5, 7] = value

    return spoil


def dense_not_finite(adata):
    adata.X = adata.X.toarray()
    adata.X[5, 7] = np.nan


def same_genes(adata):
    adata.var_names = ["CD3D", "CD3D", *adata.var_names[2:]]


def same_cells(adata):
    adata.obs_names = ["AAAC-1", "AAAC-1", *adata.obs_names[2:]]


def no_x(adata):
    adata.layers["counts"] = adata.X
    adata.X = None


@pytest.mark.parametrize(
    "spoil, settings, message",
    [
        (None, {"labels": "Group"}, r"obs has no column 'Group'; did you mean 'group'\?"),
        (None, {"labels": "zzz"}, r"obs has no column 'zzz'; there are: 'group'"),
        (without_label, {}, r"2 of 120 cells have no label in 'group', first 'cell_4'; drop them"),
        (one_group, {}, r"all cells have the label 'T cell' in 'group'"),
        (small_group, {}, r"fewer cells than the 3 folds: 'rare/1 \(2\)'; drop them \(least_cells=3,"),
        (None, {"training": Training(folds=2)}, r"folds is 2; with 3 or more"),
        (not_finite(np.nan), {}, r"not finite, first in cell 'cell_5', gene 'g3_1'"),
        (not_finite(np.inf), {}, r"not finite, first in cell 'cell_5', gene 'g3_1'"),
        (dense_not_finite, {}, r"not finite, first in cell 'cell_5', gene 'g3_1'"),
        (same_genes, {}, r"1 gene name\(s\) are used more than once: 'CD3D'; call adata.var_names_make_unique"),
        (same_cells, {}, r"1 cell name\(s\) are used more than once: 'AAAC-1'; call adata.obs_names_make_unique"),
        (None, {"layer": "raw"}, r"the cohort has no raw; .*'X'"),
        (None, {"layer": "lognorm"}, r"there is no layer 'lognorm'; .*'X'"),
        (no_x, {}, r"the cohort has no X; name a layer: 'counts'"),
    ],
)  # fmt: skip
def test_a_cohort_that_cannot_be_learnt_from_is_refused(spoil, settings, message):
    adata = made_cohort()
    if spoil:
        spoil(adata)
    with pytest.raises(CohortError, match=message):
        train(adata, **({"labels": "group", "training": QUICK} | settings))


@pytest.mark.parametrize("part", [np.s_[:, :0], np.s_[:0]])
def test_a_cohort_without_cells_or_genes_is_refused(part):
    with pytest.raises(CohortError, match="was everything filtered out"):
        train(made_cohort()[part].copy(), "group", training=QUICK)


def test_centred_data_is_warned_of():
    adata = made_cohort()
    adata.X = adata.X.toarray() - 1
    with pytest.warns(UserWarning, match=r"'X' has negative values \(lowest -1\), as centred data have"):
        train(adata, "group", training=QUICK)


@pytest.fixture(scope="module")
def model():
    return train(made_cohort(), "group", training=Training(folds=3, hidden=16))


def fewer_genes(adata):
    adata._inplace_subset_var(np.s_[:-20])


def new_label(adata):
    adata.obs["group"] = adata.obs["group"].cat.rename_categories({"CD19+ B": "B cell"})


@pytest.mark.parametrize(
    "spoil, settings, message",
    [
        (None, {"target": "CD19+B"}, r"unknown target 'CD19\+B'; expected 'predicted', .* did you mean 'CD19\+ B'\?"),
        (None, {"target": "Monocyte"}, r"there are: 'Naive T', 'CD4\+/CD25 T Reg', 'CD19\+ B'"),
        (None, {"score": "margn"}, r"unknown score 'margn'; did you mean 'margin'\?"),
        (None, {"batch_size": 0}, r"batch_size is 0"),
        (None, {"batch_size": "big"}, r"batch_size is 'big'; expected a whole number from 1 on, or None"),
        (None, {"top": -1}, r"top is -1; expected a number of genes"),
        (None, {"against": "Naive"}, r"no class 'Naive' to contrast the target with; did you mean 'Naive T'"),
        (None, {"donor": "donr"}, r"obs has no column 'donr' of donors; there are: 'index', 'group'"),
        (None, {"device": "tpu"}, r"there is no device 'tpu' here"),
        (None, {"groupby": "Group"}, r"obs has no column 'Group'; did you mean 'group'"),
        (None, {"gene_column": "symbol"}, r"var has no column 'symbol' of gene names; there are none"),
        (fewer_genes, {}, r"20 of the model's 60 genes \(33%\) are not in the cohort: 'other_31'.*; allowed are 20%"),
        (new_label, {"target": "labelled"}, r"the model has no class 'B cell'"),
        (not_finite(np.nan), {}, r"not finite, first in cell 'cell_5'"),
    ],
)  # fmt: skip
def test_a_refused_explanation_leaves_nothing_behind(model, spoil, settings, message):
    adata = made_cohort()
    if spoil:
        spoil(adata)
    with pytest.raises(CohortError, match=message):
        relevance(adata, model, **settings)
    assert not adata.layers and not adata.uns and list(adata.obs) == ["group"]


@pytest.mark.parametrize(
    "network, message",
    [
        (nn.Linear(7, 3), r"'Linear' doesn't accept the 60 genes it expects: mat1 and mat2"),
        (nn.Linear(60, 5), r"'Linear' returns shape \(2, 5\), not cells x 3: expected one score for each"),
        (nn.Flatten(0), r"'Flatten' returns shape \(120, 1\)"),
        (nn.Identity(), r"'Identity' returns shape \(2, 60\)"),
    ],
    ids=["genes", "classes", "shape", "nothing"],
)
def test_a_network_that_does_not_fit_is_refused_and_stays_in_its_mode(network, message):
    adata = made_cohort()
    network.train()
    classes = list(adata.obs["group"].cat.categories)
    with pytest.raises(CohortError, match=message):
        relevance(adata, gene_model(network, adata.var_names, classes, labels="group"))
    assert network.training and not adata.layers


def test_ranking_before_explaining_is_refused():
    with pytest.raises(CohortError, match="the cohort has no relevance; run relevance"):
        rank(made_cohort())


def test_another_grouping_requires_the_relevance_of_each_cell(model):
    adata = made_cohort()
    adata.obs["batch"] = np.where(np.arange(adata.n_obs) < 50, 1, 2)
    relevance(adata, model, layer=None)
    with pytest.raises(CohortError, match=r"no relevance of each cell to rank 'batch' by; explain it with layer='lrp'"):
        rank(adata, groupby="batch")


def test_missing_and_foreign_files_are_refused(tmp_path):
    (tmp_path / "text.h5ad").write_text("not a cohort")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    with pytest.raises(CohortError, match=r"there is no file '.*none.h5ad'"):
        read_cohort(tmp_path / "none.h5ad")
    with pytest.raises(CohortError, match=r"text.h5ad' could not be read: .*; write it again"):
        read_cohort(tmp_path / "text.h5ad")
    with pytest.raises(CohortError, match=r"there is no file '.*none.pt'"):
        load_trained(tmp_path / "none.pt")
    for name in ("text.h5ad", "module.pt"):
        with pytest.raises(CohortError, match="is not a whole file of trained models"):
            load_trained(tmp_path / name)


def test_a_failed_write_leaves_the_old_file(model, tmp_path, monkeypatch):
    path = tmp_path / "models.pt"
    path.write_bytes(b"old")

    def full(content, where):
        where.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(DomainError, match=r"models\.pt' could not be written: No space left on device"):
        save_model(model, path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_good_cohort_gives_no_warning(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        relevance(made_cohort(), model, target="labelled")
