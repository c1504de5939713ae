"""Fixtures of several files: the made cohort as a file, and networks trained on it."""

import pytest

from lrp_domains.genes import Training, made_cohort, train, write_cohort


@pytest.fixture(scope="session")
def made_model():
    """Return networks of three folds, trained on the made cohort."""
    return train(made_cohort(), "group", training=Training(folds=3, hidden=8, epochs=20))


@pytest.fixture
def made_path(tmp_path):
    """Write the made cohort, and return its path."""
    write_cohort(made_cohort(), tmp_path / "cohort.h5ad")
    return tmp_path / "cohort.h5ad"


@pytest.fixture(scope="module")
def trained():
    """A cohort of three groups, and two networks for each of three folds."""
    adata = made_cohort(cells=150)
    return adata, train(adata, "group", training=Training(folds=3, members=2, hidden=8, epochs=40))
