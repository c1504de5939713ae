"""Agreement with a truth, complexity and intervals, against loops and known values."""

import itertools

import numpy as np
import pytest

from lrp_domains.domain import DomainError
from lrp_domains.evaluation import (
    auprc,
    auroc,
    entropy,
    gini,
    localisation,
    mass_accuracy,
    mean_interval,
    paired_difference,
    precision_at,
    rank_accuracy,
)  # fmt: skip


def test_precision_counts_ties_in_proportion():
    relevance, truth = np.array([3.0, 1.0, 1.0, 1.0, 0.0]), np.array([True, True, False, False, True])
    orders = [p for p in itertools.permutations(range(5)) if all(np.diff(relevance[list(p)]) <= 0)]
    for k in range(1, 6):
        expected = np.mean([truth[list(p[:k])].mean() for p in orders])
        assert precision_at(relevance, truth, k) == pytest.approx(expected)
    assert precision_at(relevance, truth) == pytest.approx(precision_at(relevance, truth, 3))
    with pytest.raises(DomainError, match="k is 0"):
        precision_at(relevance, truth, 0)


def test_auroc_is_the_share_of_pairs_in_order():
    random = np.random.default_rng(0)
    relevance, truth = random.integers(0, 5, 30).astype(float), random.random(30) < 0.3
    pairs = [(a > b) + 0.5 * (a == b) for a in relevance[truth] for b in relevance[~truth]]
    assert auroc(relevance, truth) == pytest.approx(np.mean(pairs))


def test_auprc_of_a_perfect_and_of_a_random_order():
    truth = np.arange(200) < 20
    assert auprc(-np.arange(200.0), truth) == pytest.approx(1)
    random = np.random.default_rng(0)
    assert np.mean([auprc(random.random(200), truth) for _ in range(300)]) == pytest.approx(0.1, abs=0.03)


def test_mass_accuracy_is_the_share_of_magnitude():
    assert mass_accuracy(np.array([1.0, -2.0, 1.0]), np.array([False, True, False])) == pytest.approx(0.5)


def test_rank_accuracy_of_a_picture_is_that_of_a_loop():
    random = np.random.default_rng(0)
    relevance, truth = random.standard_normal((6, 7)), random.random((6, 7)) < 0.3
    places = sorted(np.ndindex(6, 7), key=lambda place: -relevance[place])[: truth.sum()]
    assert rank_accuracy(relevance, truth) == pytest.approx(sum(truth[place] for place in places) / truth.sum())
    assert rank_accuracy(relevance, truth) == precision_at(relevance, truth)
    assert rank_accuracy(truth + 0.1 * random.random((6, 7)), truth) == 1
    assert rank_accuracy(-1.0 * truth, truth) == 0
    assert rank_accuracy(np.ones((6, 7)), truth) == pytest.approx(truth.mean())


def test_random_relevance_is_localised_by_chance():
    random = np.random.default_rng(0)
    truth = [random.random((8, 8)) < share for share in (0.1, 0.4) for _ in range(400)]
    found = localisation(truth)([random.standard_normal((8, 8)) for _ in truth])
    share = np.mean([mask.mean() for mask in truth])
    assert found["mass accuracy (positive)"].mean() == pytest.approx(share, abs=0.01)
    assert found["rank accuracy (positive)"].mean() == pytest.approx(share, abs=0.01)


def test_relevance_is_localised_by_its_positive_part():
    truth = [np.array([True, True, False, False])]
    found = localisation(truth)([np.array([3.0, -9.0, 1.0, -5.0])])
    assert found["mass accuracy (positive)"] == pytest.approx([0.75])
    assert found["rank accuracy (positive)"] == pytest.approx([0.5])
    found = localisation(truth)([np.array([3.0, -9.0, -1.0, -5.0])])  # three share the second place
    assert found["rank accuracy (positive)"] == pytest.approx([2 / 3])
    found = localisation(truth)([-np.ones(4)])
    assert np.isnan(found["mass accuracy (positive)"]).all() and found["rank accuracy (positive)"] == [0.5]
    assert [v[0] for v in localisation(truth)([np.array([3.0, 2.0, -1.0, 0.0])]).values()] == [1, 1]


@pytest.mark.parametrize("measure", [precision_at, rank_accuracy, auroc, auprc, mass_accuracy])
def test_what_is_not_defined_is_nan(measure):
    assert np.isnan(measure(np.ones(3), np.zeros(3, bool)))
    assert np.isnan(measure(np.ones(3), np.ones(3, bool)))
    with pytest.raises(DomainError, match="one of each per unit"):
        measure(np.ones(3), np.ones(2, bool))
    with pytest.raises(DomainError, match="one of each per unit"):
        measure(np.ones((2, 3)), np.ones((3, 2), bool))


def test_gini_is_the_mean_difference():
    sizes = np.abs(np.random.default_rng(0).standard_normal(9))
    differences = [abs(a - b) for a in sizes for b in sizes]
    assert gini(-sizes) == pytest.approx(np.mean(differences) / (2 * sizes.mean()))
    assert gini(np.array([0, 0, 0, 5.0])) == pytest.approx(0.75)
    assert np.isnan(gini(np.zeros(3)))


def test_entropy_of_equal_shares_and_of_one():
    assert entropy(np.array([2.0, -2.0, 2.0, 2.0])) == pytest.approx(np.log(4))
    assert entropy(np.array([0.0, 3.0])) == pytest.approx(0)
    assert np.isnan(entropy(np.zeros(3)))


def test_intervals_hold_the_mean_as_often_as_they_say():
    random = np.random.default_rng(0)
    held = 0
    for number in range(200):
        interval = mean_interval(random.exponential(size=60), draws=400, seed=number)
        held += interval.low <= 1 <= interval.high
    assert 0.86 <= held / 200 <= 0.99


def test_pairing_removes_what_samples_share():
    random = np.random.default_rng(0)
    of_sample = random.standard_normal(100) * 10
    a, b = of_sample + random.standard_normal(100) * 0.1 + 0.1, of_sample
    difference = paired_difference(a, b)
    assert difference.low > 0
    assert difference.mean == pytest.approx((a - b).mean())
    assert mean_interval(a).standard_error > 10 * difference.standard_error
    with pytest.raises(DomainError, match="can't be paired"):
        paired_difference(a, b[1:])


def test_undefined_values_do_not_count():
    interval = mean_interval(np.array([1.0, np.nan, 3.0]))
    assert (interval.mean, interval.n) == (2.0, 2)
    assert np.isnan(mean_interval(np.array([5.0])).low)
