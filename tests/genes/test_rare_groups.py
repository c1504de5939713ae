"""Groups of too few cells are dropped or merged, by name and number."""

import numpy as np
import pytest

from lrp_domains.genes import CohortError, Training, made_cohort, train, without_rare_groups

QUICK = Training(folds=3, hidden=4, epochs=2)


def with_rare():
    adata = made_cohort()
    labels = adata.obs["group"].astype(str).to_numpy(dtype=object)
    labels[:2], labels[2] = "MK", "HSC"
    adata.obs["group"] = labels
    return adata


def test_they_are_dropped():
    adata = with_rare()
    with pytest.warns(
        UserWarning, match=r"dropped 3 cells of groups of 'group' with fewer than 3 cells: 'HSC' \(1\), 'MK' \(2\)"
    ):
        kept = without_rare_groups(adata, "group", 3)
    assert list(kept.obs_names) == list(adata.obs_names[3:]) and adata.n_obs == 120
    with pytest.warns(UserWarning, match="dropped 3 cells"):
        model = train(adata, "group", least_cells=3, training=QUICK)
    assert model.classes == ("CD19+ B", "CD4+/CD25 T Reg", "Naive T") and model.n_networks == 3


def test_they_are_merged():
    adata = with_rare()
    with pytest.warns(UserWarning, match=r"merged 3 cells of .* into 'other': 'HSC' \(1\), 'MK' \(2\)"):
        merged = without_rare_groups(adata, "group", 3, rare="other")
    assert merged.n_obs == 120 and (merged.obs["group"][:3] == "other").all()
    assert list(merged.obs["group_before_merging"][:3]) == ["MK", "MK", "HSC"]
    np.testing.assert_array_equal(merged.obs["group"][3:].astype(str), adata.obs["group"][3:])
    assert list(merged.obs["group"].cat.categories)[-1] == "other"


def test_a_cohort_without_any_is_unchanged():
    adata = made_cohort()
    assert without_rare_groups(adata, "group", 40) is adata


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"least_cells": 0}, "least_cells is 0; expected a whole number from 1 on"),
        ({"least_cells": 1000}, "all groups of 'group' have fewer than 1000 cells"),
        ({"least_cells": 3, "rare": ""}, "rare is ''; expected the name of the group"),
        ({"rare": "other"}, "pass least_cells too"),
        ({}, r"'MK \(2\)', 'HSC \(1\)'; drop them \(least_cells=3, --least-cells 3\), merge them .*--rare other"),
    ],
)
def test_what_does_not_fit_is_refused(settings, message):
    with pytest.raises(CohortError, match=message):
        train(with_rare(), "group", training=QUICK, **settings)
