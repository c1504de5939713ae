"""Cohorts in the formats of other tools, made for tests."""

import gzip
import shutil

import h5py
import numpy as np
import pandas as pd
from scipy import io, sparse

from lrp_domains.genes import made_cohort


def counted_cohort():
    """The made cohort with whole numbers in X, as files of counts have them."""
    adata = made_cohort()
    adata.X = sparse.csr_matrix(np.round(np.expm1(adata.X.toarray()) * 3).astype(np.float32))
    del adata.obsm
    return adata


def features_of(adata):
    """Return the table of features of 10x: the last two genes are one symbol, the last three are antibodies."""
    names = [*adata.var_names[:-1], adata.var_names[-2]]
    kinds = ["Gene Expression"] * (adata.n_vars - 3) + ["Antibody Capture"] * 3
    return pd.DataFrame({"id": [f"ENSG{i:011d}" for i in range(adata.n_vars)], "name": names, "kind": kinds})


def write_mtx(adata, folder, *, compressed, features="features", prefix=""):
    """Write a folder as cellranger (compressed; older ones genes.tsv) or STARsolo (not compressed) does."""
    folder.mkdir(exist_ok=True)
    table = features_of(adata)
    table = table if features == "features" else table[["id", "name"]]
    io.mmwrite(str(folder / f"{prefix}matrix.mtx"), sparse.coo_matrix(adata.X.T.astype(int)))
    table.to_csv(folder / f"{prefix}{features}.tsv", sep="\t", header=False, index=False)
    pd.Series(adata.obs_names).to_csv(folder / f"{prefix}barcodes.tsv", header=False, index=False)
    if compressed:
        for path in folder.glob(f"{prefix}*"):
            with path.open("rb") as source, gzip.open(f"{path}.gz", "wb") as target:
                shutil.copyfileobj(source, target)
            path.unlink()


def write_10x_h5(adata, path):
    """Write an .h5 file as cellranger 3 and later do."""
    table, counts = features_of(adata), adata.X.tocsr()
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["data"] = counts.data.astype(np.int32)
        group["indices"], group["indptr"] = counts.indices.astype(np.int64), counts.indptr.astype(np.int64)
        group["shape"] = np.array([adata.n_vars, adata.n_obs], np.int32)
        group["barcodes"] = np.array(adata.obs_names, dtype="S")
        features = group.create_group("features")
        for name, values in (("id", table["id"]), ("name", table["name"]), ("feature_type", table["kind"])):
            features[name] = np.array(values, dtype="S")
        features["genome"] = np.array(["GRCh38"] * adata.n_vars, dtype="S")


def write_loom(adata, path):
    """Write a .loom file without loompy."""
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        file["matrix"] = adata.X.toarray().T
        for name in ("layers", "row_graphs", "col_graphs"):
            file.create_group(name)
        file.create_group("attrs")["LOOM_SPEC_VERSION"] = "3.0.0"
        file.create_group("row_attrs")["Gene"] = np.array(adata.var_names, dtype=object).astype(text)
        columns = file.create_group("col_attrs")
        columns["CellID"] = np.array(adata.obs_names, dtype=object).astype(text)
        columns["group"] = np.array(adata.obs["group"].astype(str), dtype=object).astype(text)


def dense_table(adata):
    """Return a cohort's expression as a table, cells x genes."""
    return pd.DataFrame(adata.X.toarray(), index=adata.obs_names, columns=adata.var_names)
