"""What ranking reads into memory is decided by the size of the numbers, not by that of a compressed file."""

import numpy as np
import pytest
from scipy import sparse

from lrp_domains.genes import made_cohort, open_cohort, rank, rank_on_disk, relevance
from lrp_domains.genes.cohorts.files.rows_on_disk import SomeColumns, bytes_in_memory
from lrp_domains.genes.cohorts.values.layers import find_layer
from lrp_domains.genes.rankings import rank_file

from .report_pages import linear


@pytest.fixture(params=["dense", "sparse"])
def explained(request, tmp_path):
    adata = made_cohort()
    if request.param == "dense":
        adata.X = adata.X.toarray()
    relevance(adata, linear(adata, list(adata.obs["group"].cat.categories), labels="group"))
    adata.write_h5ad(tmp_path / "explained.h5ad", compression="gzip")
    return adata, tmp_path


def test_bytes_are_those_of_the_numbers(explained):
    adata, folder = explained
    adata.write_zarr(folder / "explained.zarr")
    for name in ("explained.h5ad", "explained.zarr"):
        with open_cohort(folder / name) as opened:
            stored = find_layer(opened, "X")
            if sparse.issparse(adata.X):
                parts = [adata.X.data, adata.X.indices]
                expected = sum(part.nbytes for part in parts) + 8 * (adata.n_obs + 1)
            else:
                expected = adata.X.nbytes
            assert bytes_in_memory(stored) == bytes_in_memory(SomeColumns(stored, np.arange(3))) == expected


@pytest.mark.parametrize("fits", [True, False])
def test_expression_is_only_read_whole_if_it_fits(explained, monkeypatch, fits):
    adata, folder = explained
    with open_cohort(folder / "explained.h5ad") as opened:
        needed = bytes_in_memory(find_layer(opened, "X"))
    monkeypatch.setattr(rank_file, "MOST_BYTES_IN_MEMORY", needed if fits else needed - 1)
    result = rank_on_disk(folder / "explained.h5ad", folder / "ranked.h5ad", cohort="made").table
    assert result.equals(rank(adata, cohort="made", wilcoxon=fits))


def test_relevance_stays_on_disk(explained, monkeypatch):
    _, folder = explained
    read = []
    monkeypatch.setattr(rank_file, "open_cohort", lambda path: (read.append(path), open_cohort(path))[1])
    rank_on_disk(folder / "explained.h5ad", folder / "ranked.h5ad")
    assert read == [folder / "explained.h5ad"]
