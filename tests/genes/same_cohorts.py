"""Comparison of explained cohorts, dense or sparse."""

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse


def dense(matrix):
    """Return a sparse or dense matrix as an array."""
    return matrix.toarray() if sparse.issparse(matrix) else matrix


def same(result: AnnData, expected: AnnData):
    """Check that two explained cohorts hold the same relevance, accounts and expression."""
    pd.testing.assert_frame_equal(result.obs, expected.obs, check_categorical=False)
    assert set(result.layers) == set(expected.layers) and set(result.obsm) == set(expected.obsm)
    for name in expected.layers:
        np.testing.assert_array_equal(dense(result.layers[name]), dense(expected.layers[name]))
    for name in expected.obsm:
        np.testing.assert_array_equal(result.obsm[name], expected.obsm[name])
    assert set(result.uns) == set(expected.uns)
    for slot in ("lrp", "lrp_groups"):
        for name, value in expected.uns[slot].items():
            np.testing.assert_array_equal(result.uns[slot][name], value, err_msg=name)
    np.testing.assert_array_equal(dense(result.X), dense(expected.X))
