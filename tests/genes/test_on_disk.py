"""From file to file: the same relevance and ranking as in memory, in every format and form of a cohort."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData

from lrp_domains import CP_LRP
from lrp_domains.genes import (
    gene_model,
    made_cohort,
    open_cohort,
    rank,
    rank_on_disk,
    read_cohort,
    relevance,
    relevance_on_disk,
    stability,
    write_cohort,
)

from .same_cohorts import same

KEY = "rank_genes_lrp"
REQUESTS = [
    {},
    {"layer": None, "top": 3},
    {"target": "CD19+ B", "score": "margin", "rules": CP_LRP},
    {"target": "labelled", "donor": "donor"},
]


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
@pytest.mark.parametrize("form", ["sparse", "dense"])
def test_the_same_as_in_memory(made_model, tmp_path, form, request_):
    adata = made_cohort()
    adata.obs["donor"] = np.array(["a", "b", "c", "d"])[np.arange(adata.n_obs) % 4]
    if form == "dense":
        adata.X = adata.X.toarray()
    write_cohort(adata, tmp_path / "cohort.h5ad")
    relevance_on_disk(tmp_path / "cohort.h5ad", made_model, tmp_path / "out.h5ad", batch_size=32, **request_)
    relevance(adata, made_model, batch_size=32, **request_)
    same(read_cohort(tmp_path / "out.h5ad"), adata)
    assert {entry.name for entry in tmp_path.iterdir()} == {"cohort.h5ad", "out.h5ad"}
    with open_cohort(tmp_path / "out.h5ad") as opened:
        pd.testing.assert_frame_equal(rank(opened, wilcoxon=False), rank(adata, wilcoxon=False))
    if request_.get("layer", "lrp"):
        adata.obs["batch"] = np.where(np.arange(adata.n_obs) < 50, "one", "two")
        write_cohort(adata, tmp_path / "again.h5ad")
        with open_cohort(tmp_path / "again.h5ad") as opened:
            result = rank(opened, groupby="batch", wilcoxon=False)
        pd.testing.assert_frame_equal(result, rank(adata, groupby="batch", wilcoxon=False))


@pytest.mark.parametrize("source, out", [("zarr", "zarr"), ("zarr", "h5ad"), ("h5ad", "zarr")])
def test_zarr_folders_are_read_and_written(made_model, tmp_path, source, out):
    adata = made_cohort()
    adata.layers["dense"] = adata.X.toarray()
    getattr(adata, f"write_{source}")(tmp_path / f"cohort.{source}")
    relevance_on_disk(tmp_path / f"cohort.{source}", made_model, tmp_path / f"out.{out}", batch_size=50)
    relevance(adata, made_model, batch_size=50)
    with open_cohort(tmp_path / f"out.{out}") as opened:
        result = AnnData(
            opened.X[:], opened.obs, opened.var, dict(opened.uns), dict(opened.obsm),
            layers={name: opened.layers[name][:] for name in opened.layers},
        )  # fmt: skip
        same(result, adata)


def test_a_matrix_stored_by_columns_is_read_as_a_whole(made_model, tmp_path):
    adata = made_cohort()
    adata.X = adata.X.tocsc()
    write_cohort(adata, tmp_path / "cohort.h5ad")
    with pytest.warns(UserWarning, match=r"stored by columns \(CSC\).*adata.X = adata.X.tocsr\(\)"):
        relevance_on_disk(tmp_path / "cohort.h5ad", made_model, tmp_path / "out.h5ad")
    relevance(adata, made_model)
    same(read_cohort(tmp_path / "out.h5ad"), adata)


def test_a_file_without_empty_groups(made_model, made_path, tmp_path):
    with h5py.File(made_path, "r+") as file:
        for name in ("layers", "obsm", "uns"):
            del file[name]
    relevance_on_disk(made_path, made_model, tmp_path / "out.h5ad", top=2)
    assert "lrp" in read_cohort(tmp_path / "out.h5ad").layers


def test_explained_again_without_a_layer_holds_no_old_one(made_model, made_path, tmp_path):
    relevance_on_disk(made_path, made_model, tmp_path / "once.h5ad", top=3)
    relevance_on_disk(tmp_path / "once.h5ad", made_model, tmp_path / "twice.h5ad", layer=None)
    adata = made_cohort()
    relevance(adata, made_model, layer=None)
    same(read_cohort(tmp_path / "twice.h5ad"), adata)


@pytest.mark.parametrize("form", ["h5ad", "zarr"])
def test_tables_without_matrices_can_be_ranked(made_path, tmp_path, form):
    adata = made_cohort()
    network = torch.nn.Linear(60, 3)
    single = gene_model(network, adata.var_names, list(adata.obs["group"].cat.categories), labels="group")
    relevance_on_disk(made_path, single, tmp_path / f"out.{form}", layer=None, copy=False)
    relevance(adata, single, layer=None)
    with open_cohort(tmp_path / f"out.{form}") as opened:
        assert opened.X is None and not opened.layers
        pd.testing.assert_frame_equal(opened.obs, adata.obs, check_categorical=False)
        pd.testing.assert_frame_equal(rank(opened), rank(adata, wilcoxon=False))


def test_ranked_from_file_to_file(made_model, made_path, tmp_path):
    relevance_on_disk(made_path, made_model, tmp_path / "explained.h5ad")
    result = rank_on_disk(tmp_path / "explained.h5ad", tmp_path / "ranked.h5ad", cohort="made")
    adata = made_cohort()
    statistics = relevance(adata, made_model)
    pd.testing.assert_frame_equal(result.table, rank(adata, cohort="made"))
    pd.testing.assert_frame_equal(result.stability, stability(statistics))
    again = read_cohort(tmp_path / "ranked.h5ad")
    for group in again.uns[KEY]["names"].dtype.names:
        np.testing.assert_array_equal(again.uns[KEY]["names"][group], adata.uns[KEY]["names"][group])
