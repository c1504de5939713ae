"""Statistics hold where nothing is there: labels dealt at random; and find what is planted, in the same cohorts."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lrp_domains import genes

from .decoyed_cohorts import TRAINING, cells_of_donors, patients

pytestmark = pytest.mark.slow

SEEDS = range(3)
KINDS = {
    "cells of donors": (cells_of_donors, {"donor": "donor"}),
    "patients": (patients, {"donor": "index", "normalisation": "centred"}),
}


def ranking(kind, seed, *, planted=0, cohort="cohort"):
    make, settings = KINDS[kind]
    adata = make(seed, planted=planted)
    members = 2 if kind == "patients" else 1
    training = replace(TRAINING, members=members, seed=seed)
    model = genes.train(adata, "group", training=training, fdr=0.1, **settings)
    genes.relevance(adata, model, layer=None)
    return genes.rank(adata, cohort=cohort, wilcoxon=False)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_at_random_have_uniform_p_values_and_no_discovery(kind):
    tables = [ranking(kind, seed) for seed in SEEDS]
    shares = [(table["p_value"] < 0.05).mean() for table in tables]
    assert 0.03 <= np.mean(shares) <= 0.07
    assert not any((table["p_adjusted"] < 0.05).any() for table in tables)
    assert not any((table["discovery"] == 1).any() for table in tables)


@pytest.mark.parametrize("kind", KINDS)
def test_planted_genes_are_found_in_the_same_cohorts(kind):
    false = []
    for seed in SEEDS:
        table = ranking(kind, seed, planted=20)
        rows = table[table["group"] == "case"].set_index("gene")
        found = rows.index[rows["p_adjusted"] < 0.1]
        planted = [int(gene[1:]) < 20 for gene in found]
        linked = KINDS[kind][0](seed, planted=20).var["linked"]
        assert sum(planted) >= 8, (seed, len(found), sum(planted))
        false.append(1 - linked[found].mean())
    assert np.mean(false) < 0.2  # 0.1 is expected


def test_three_cohorts_agree_on_nothing_where_nothing_is_there():
    shares, adjusted = [], 0
    for seed in SEEDS:
        tables = [ranking("cells of donors", 10 * seed + i, cohort=f"c{i}") for i in range(3)]
        result = genes.consensus(pd.concat(tables))
        shares.append((result["p_value"] < 0.05).mean())
        adjusted += (result["p_adjusted"] < 0.05).sum()
    assert 0.03 <= np.mean(shares) <= 0.07 and adjusted == 0
