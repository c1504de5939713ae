"""Which cell's expression a decoy has: cells change places so that decoys aren't linked to labels."""

import numpy as np
import pandas as pd

from lrp_domains.genes.decoys.unlinked import unlinked_rows
from lrp_domains.genes.training.decoy_scores import generator_of


def test_without_donors_every_cell_is_used_once():
    rows = unlinked_rows(np.arange(50) % 2, None, np.random.default_rng(0))
    assert sorted(rows) == list(range(50)) and (rows != np.arange(50)).mean() > 0.9


def test_cells_of_a_donor_whose_labels_vary_stay_within_the_donor():
    donors = pd.Series(np.repeat(["a", "b", "c"], 20))
    rows = unlinked_rows(np.arange(60) % 3, donors, np.random.default_rng(0))
    assert (donors.to_numpy()[rows] == donors).all() and sorted(rows) == list(range(60))


def test_donors_of_one_label_move_as_a_whole():
    sizes = [10, 25, 5, 12, 40, 8]
    donors = pd.Series(np.repeat(list("abcdef"), sizes))
    labels = np.repeat([0, 1, 0, 1, 0, 1], sizes)
    sources = []
    for seed in range(200):
        rows = unlinked_rows(labels, donors, np.random.default_rng(seed))
        source = pd.Series(donors.to_numpy()[rows]).groupby(donors).agg(["nunique", "first"])
        assert (source["nunique"] == 1).all() and sorted(source["first"]) == list("abcdef")
        used = np.bincount(rows, minlength=len(donors))
        for donor in "abcdef":  # each cell is used as often as any other, but for one
            assert np.ptp(used[(donors == donor).to_numpy()]) <= 1
        sources.append(source["first"].to_numpy())
    linked = (
        labels[np.cumsum(sizes) - 1]
        == np.array([[0, 1, 0, 1, 0, 1][ord(s) - 97] for s in np.ravel(sources)]).reshape(-1, 6)
    ).mean()
    assert abs(linked - 0.5) < 0.06  # a decoy has the label of its cell as often as not


def test_donors_of_one_label_and_of_several_dont_mix():
    donors = pd.Series(np.repeat(list("abcd"), 10))
    labels = np.concatenate([np.zeros(10), np.ones(10), np.arange(20) % 2])
    rows = unlinked_rows(labels, donors, np.random.default_rng(1))
    from_donor = donors.to_numpy()[rows]
    assert set(from_donor[:20]) == {"a", "b"} and (from_donor[20:] == donors[20:]).all()


def test_decoys_are_not_linked_to_labels_that_the_same_seed_shuffled():
    labels = np.random.default_rng(0).permutation(np.arange(300) % 2)
    for draw in range(3):
        rows = unlinked_rows(labels, None, generator_of(0, draw))
        assert abs(np.corrcoef(labels[rows], labels)[0, 1]) < 0.2
        assert abs(np.corrcoef(labels[rows], np.arange(300) % 2)[0, 1]) < 0.2
