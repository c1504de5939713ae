"""Files of every format are read as the cohort that they hold, in memory and on disk."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse

from lrp_domains.genes import (
    CohortError,
    Training,
    made_cohort,
    open_cohort,
    rank,
    rank_on_disk,
    read_cohort,
    relevance,
    relevance_on_disk,
    train,
    write_cohort,
)
from lrp_domains.genes.cohorts.files.on_disk import stays_on_disk
from lrp_domains.genes.cohorts.values.expression import expects_all, expression_of

from .cohort_files import counted_cohort, dense_table, write_10x_h5, write_loom, write_mtx

pytestmark = pytest.mark.filterwarnings("ignore:.*(zarr|Zarr|Consolidated)")
OLD = Path(sc.datasets.__path__[0]) / "10x_pbmc68k_reduced.h5ad"  # of anndata 0.5


def values_of(adata, **settings):
    expression = expression_of(adata, expects_all(adata, **settings))
    values = expression.chunk(0, adata.n_obs).values
    return values.toarray() if sparse.issparse(values) else values


def written(name, path):
    """Write counts in a format; return its path."""
    adata, path = counted_cohort(), path / name
    if name.startswith("mtx"):
        features, prefix = ("genes" if "old" in name else "features"), ("GSM1_" if "geo" in name else "")
        write_mtx(adata, path, compressed="star" not in name and "old" not in name, features=features, prefix=prefix)
        return path / f"{prefix}matrix.mtx.gz" if "file" in name else path
    if ".loom" in name:
        write_loom(adata, path)
    elif ".h5" in name:
        write_10x_h5(adata, path)
    else:
        table = dense_table(adata)
        table = table.T if "transposed" in name else table
        table.to_csv(path, sep="\t" if "tsv" in name else ";" if "semicolon" in name else ",")
    return path


@pytest.mark.parametrize(
    "name",
    ["mtx", "mtx_old", "mtx_star", "mtx_geo", "mtx_geo_file", "ten.h5", "ten.h5ad", "m.csv", "m.csv.gz", "m.tsv.gz",
     "semicolon.txt", "transposed.csv"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*gene name.*more than once", "ignore:.*read as genes x cells")
def test_counts_of_other_tools(tmp_path, name):
    expected = counted_cohort()
    path = written(name, tmp_path)
    expected.obs.to_csv(tmp_path / "cells.csv")
    adata = read_cohort(path, obs=tmp_path / "cells.csv")
    assert list(adata.obs_names) == list(expected.obs_names)
    assert list(adata.obs["group"]) == list(expected.obs["group"])
    np.testing.assert_array_equal(adata.to_df().to_numpy(), expected.X.toarray())
    with open_cohort(path) as opened:
        assert opened.shape in (expected.shape, expected.shape[::-1])
    assert not stays_on_disk(path) and adata.X.format == "csr"
    if name.startswith(("mtx", "ten")):
        assert list(adata.var_names[-2:]) == [expected.var_names[-2], f"{expected.var_names[-2]}-1"]
    if name not in ("mtx_old",) and name.startswith(("mtx", "ten")):
        assert (adata.var["feature_types"] == "Antibody Capture").sum() == 3


def test_repeated_symbols_are_numbered_with_a_warning(tmp_path):
    write_10x_h5(counted_cohort(), tmp_path / "ten.h5")
    with pytest.warns(UserWarning, match=r"1 gene name\(s\) are used more than once and are numbered: 'other_49'"):
        read_cohort(tmp_path / "ten.h5")


def test_columns_of_text_are_about_the_cells(tmp_path):
    adata = counted_cohort()
    table = dense_table(adata).assign(group=adata.obs["group"].astype(str))
    table.iloc[0, -1] = None
    table.to_csv(tmp_path / "named.csv")
    table.to_csv(tmp_path / "numbered.csv", index=False)
    named, numbered = read_cohort(tmp_path / "named.csv"), read_cohort(tmp_path / "numbered.csv")
    assert named.shape == numbered.shape == adata.shape and sparse.issparse(named.X)
    assert list(named.obs_names) == list(adata.obs_names) and list(numbered.obs_names[:2]) == ["0", "1"]
    assert pd.isna(named.obs["group"].iloc[0]) and list(named.obs["group"][1:]) == list(adata.obs["group"][1:])
    write_cohort(named, tmp_path / "again.h5ad")


@pytest.mark.skipif(find_spec("loompy") is None, reason="loompy is not installed")
def test_loom(tmp_path):
    adata = counted_cohort()
    write_loom(adata, tmp_path / "a.loom")
    result = read_cohort(tmp_path / "a.loom")
    assert list(result.obs["group"]) == list(adata.obs["group"]) and list(result.var_names) == list(adata.var_names)
    np.testing.assert_array_equal(result.X.toarray(), adata.X.toarray())


@pytest.mark.skipif(find_spec("loompy") is not None, reason="loompy is installed")
def test_loom_names_the_missing_package(tmp_path):
    write_loom(counted_cohort(), tmp_path / "a.loom")
    with pytest.raises(CohortError, match=r"'.*a.loom' requires the package 'loompy': pip install loompy"):
        read_cohort(tmp_path / "a.loom")


def nothing_there(path):
    pass


def foreign_hdf5(path):
    with h5py.File(path, "w") as file:
        file["weights"] = 1


def names_only(path):
    pd.DataFrame({"a": ["x", "y"], "b": ["u", "v"]}).to_csv(path)


@pytest.mark.parametrize(
    "name, write, message",
    [
        ("none.h5ad", nothing_there, r"there is no file '.*none.h5ad'; .*Read are \.h5ad files, \.zarr folders, 10x"),
        ("a.rds", lambda path: path.write_text("x"), r"has no format that is read\. Read are \.h5ad files"),
        ("a.h5ad", lambda path: path.write_text("x"), r"could not be read: it is not an HDF5 file"),
        ("folder", lambda path: path.mkdir(), r"the folder '.*folder' has no matrix.mtx and is not a .zarr folder"),
        ("a.h5", foreign_hdf5, r"an HDF5 file with 'weights', but neither an \.h5ad, a \.loom nor a 10x file"),
        ("a.csv", names_only, r"has no column of numbers \(it has 'a', 'b'\)"),
        ("empty.csv", lambda path: path.write_text(""), r"could not be read as a delimited table"),
    ],
)  # fmt: skip
def test_other_files_are_refused_with_what_is_read(tmp_path, name, write, message):
    write(tmp_path / name)
    with pytest.raises(CohortError, match=message):
        read_cohort(tmp_path / name)
    with pytest.raises(CohortError, match=message), open_cohort(tmp_path / name):
        pass


@pytest.mark.parametrize(
    "table, message",
    [
        (pd.DataFrame({"cell": ["x", "y"], "group": ["a", "b"]}), r"no cell of .* \('x', 'y'\) is in the cohort"),
        (pd.DataFrame({"": ["cell_0", "cell_0"], "group": ["a", "b"]}), r"has 1 cell\(s\) more than once: 'cell_0'"),
    ],
)
def test_a_table_of_other_cells_is_refused(tmp_path, table, message):
    write_cohort(made_cohort(), tmp_path / "cohort.h5ad")
    table.to_csv(tmp_path / "cells.csv", index=False)
    with pytest.raises(CohortError, match=message):
        read_cohort(tmp_path / "cohort.h5ad", obs=tmp_path / "cells.csv")
    with pytest.raises(CohortError, match="there is no table of cells"):
        read_cohort(tmp_path / "cohort.h5ad", obs=tmp_path / "none.csv")


def test_cells_that_a_table_lacks_have_no_value(tmp_path):
    adata = made_cohort()
    write_cohort(adata, tmp_path / "cohort.h5ad")
    pd.DataFrame({"dose": range(100), "ok": True}, index=adata.obs_names[:100]).to_csv(tmp_path / "cells.tsv", sep="\t")
    with pytest.warns(UserWarning, match=r"20 of 120 cells are not in 'cells.tsv'"):
        result = read_cohort(tmp_path / "cohort.h5ad", obs=tmp_path / "cells.tsv")
    assert result.obs["dose"].notna().sum() == 100
    write_cohort(result, tmp_path / "again.h5ad")


def as_raw(adata):
    adata.raw = adata.copy()
    adata = adata[:, ["other_40", *adata.var_names[:20]]].copy()
    adata.X = adata.X.toarray() - 1
    return adata, {"layer": "raw"}


def as_type(kind):
    def change(adata):
        adata.X = adata.X.toarray().astype(kind)
        return adata, {}

    return change


def as_columns(adata):
    adata.X = adata.X.tocsc()
    return adata, {}


def as_sparse_array(adata):
    adata.X = sparse.csr_array(adata.X)
    return adata, {}


def as_columns_array(adata):
    adata.X = sparse.csc_array(adata.X)
    return adata, {}


@pytest.mark.parametrize(
    "change, suffix",
    [(as_raw, "h5ad"), (as_raw, "zarr"), (as_type(np.float16), "h5ad"), (as_type(np.float16), "zarr"),
     (as_type(">f4"), "h5ad"), (as_type(np.uint16), "h5ad"), (as_columns, "h5ad"), (as_columns, "zarr"),
     (as_sparse_array, "h5ad"), (as_columns_array, "h5ad")],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:the expression is stored by columns", "ignore:'X' should hold")
def test_what_is_trained_on_is_what_is_explained(tmp_path, change, suffix):
    adata, settings = change(made_cohort())
    path, out, ranked = (tmp_path / f"{name}.{suffix}" for name in ("cohort", "explained", "ranked"))
    adata.write_h5ad(path) if suffix == "h5ad" else adata.write_zarr(path)
    in_memory = read_cohort(path)
    with open_cohort(path) as opened:
        np.testing.assert_array_equal(values_of(opened, **settings), values_of(in_memory, **settings))
    model = train(in_memory, "group", training=Training(folds=3, hidden=4, epochs=2), **settings)
    relevance_on_disk(path, model, out, batch_size=50)
    relevance(adata, model, batch_size=50)
    result = rank_on_disk(out, ranked)
    pd.testing.assert_frame_equal(result.table, rank(adata))
    explained = read_cohort(ranked)
    np.testing.assert_allclose(*(cohort.to_df("lrp").to_numpy() for cohort in (explained, adata)), rtol=1e-6, atol=1e-7)
    assert type(explained.X) is type(in_memory.X) and explained.X.dtype == in_memory.X.dtype
    assert "rank_genes_lrp" in explained.uns and (explained.raw is None) == (adata.raw is None)


def test_raw_in_another_order_and_with_more_genes(tmp_path):
    adata, settings = as_raw(made_cohort())
    write_cohort(adata, tmp_path / "cohort.h5ad")
    expected = made_cohort()[:, adata.var_names].X.toarray()
    np.testing.assert_array_equal(values_of(adata, **settings), expected)
    with open_cohort(tmp_path / "cohort.h5ad") as opened:
        np.testing.assert_array_equal(values_of(opened, **settings), expected)
        assert expression_of(opened, expects_all(opened, **settings)).stored.shape == adata.shape


@pytest.mark.skipif(not OLD.is_file(), reason="scanpy has no file of an old layout")
@pytest.mark.filterwarnings("ignore")
def test_an_old_layout_is_read_and_written_again(tmp_path):
    shutil.copy(OLD, tmp_path / "old.h5ad")
    assert not stays_on_disk(tmp_path / "old.h5ad")
    adata = read_cohort(tmp_path / "old.h5ad")[:60].copy()
    model = train(adata, "louvain", layer="raw", least_cells=4, training=Training(folds=3, hidden=4, epochs=2))
    relevance_on_disk(tmp_path / "old.h5ad", model, tmp_path / "explained.h5ad")
    explained = read_cohort(tmp_path / "explained.h5ad")
    assert explained.shape == (700, 765) and "lrp" in explained.layers and explained.raw.shape == (700, 765)


@pytest.mark.parametrize("source, target", [("h5ad", "zarr"), ("zarr", "h5ad"), ("h5ad", "h5ad")])
def test_everything_that_was_there_is_written(tmp_path, source, target):
    adata = made_cohort()
    model = train(adata, "group", training=Training(folds=3, hidden=4, epochs=2))
    adata.raw = adata.copy()
    adata.varm["pcs"], adata.layers["columns"] = np.ones((60, 2)), adata.X.tocsc()
    adata.obsp["distances"], adata.varp["links"] = sparse.eye(120, format="csr"), sparse.eye(60, format="csr")
    adata.uns["colours"] = ["red"]
    getattr(adata, f"write_{source}")(tmp_path / f"cohort.{source}")
    relevance_on_disk(tmp_path / f"cohort.{source}", model, tmp_path / f"out.{target}", target="labelled")
    result = read_cohort(tmp_path / f"out.{target}")
    for part in ("varm", "obsp", "varp", "obsm", "layers", "uns"):
        assert set(getattr(adata, part)) <= set(getattr(result, part)), part
    np.testing.assert_array_equal(result.raw.X.toarray(), adata.raw.X.toarray())
    assert list(result.raw.var_names) == list(adata.raw.var_names)
    np.testing.assert_array_equal(result.layers["columns"].toarray(), adata.X.toarray())
