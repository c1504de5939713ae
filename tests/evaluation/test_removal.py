"""Faithfulness: units removed in the order of their relevance, and the measures, against loops."""

import numpy as np
import pytest

from lrp_domains.domain import DomainError
from lrp_domains.evaluation import (
    Removal,
    abpc,
    compare,
    comprehensiveness,
    deletion,
    insertion,
    jaccard,
    mean_interval,
    pruning_error,
    remove,
    soft_measures,
    sufficiency,
)  # fmt: skip
from lrp_domains.evaluation.comparison import lower_is_better

WEIGHTS = [np.array([4.0, -1.0, 2.0, 0.5]), np.array([1.0, 3.0, -2.0, 0.25, 0.125, 7.0, -6.0])]


def additive(samples, kept):
    """Score rows by the sum of the weights of what is kept."""
    return np.array([WEIGHTS[sample][mask].sum() for sample, mask in zip(samples, kept, strict=True)])


def test_curves_are_those_of_a_loop():
    removal = remove(additive, WEIGHTS, fractions=(0.25, 0.5))
    assert removal.fractions.tolist() == [0, 0.25, 0.5, 1]
    for sample, weights in enumerate(WEIGHTS):
        order = np.argsort(-weights)
        for point, fraction in enumerate(removal.fractions):
            count = int(np.ceil(fraction * len(weights)))
            assert removal.without_most[sample, point] == pytest.approx(weights[order[count:]].sum())
            assert removal.without_least[sample, point] == pytest.approx(weights[order[: len(order) - count]].sum())
            assert removal.only_most[sample, point] == pytest.approx(weights[order[:count]].sum())


def test_measures_are_their_formulas():
    removal = remove(additive, WEIGHTS)
    at = removal.fractions
    for sample, weights in enumerate(WEIGHTS):
        order, n = np.argsort(-weights), len(weights)
        counts = [int(np.ceil(f * n - 1e-9)) for f in at]
        most = [weights[order[c:]].sum() for c in counts]
        least = [weights[order[: n - c]].sum() for c in counts]
        only = [weights[order[:c]].sum() for c in counts]

        def area(curve, at=at):
            return sum((a + b) / 2 * (t - s) for a, b, s, t in zip(curve, curve[1:], at, at[1:], strict=False))

        assert deletion(removal)[sample] == pytest.approx(area(most))
        assert insertion(removal)[sample] == pytest.approx(area(only))
        assert abpc(removal)[sample] == pytest.approx(area(least) - area(most))
        assert pruning_error(removal)[sample] == pytest.approx(area([(s - weights.sum()) ** 2 for s in least]))
        bins = [list(at).index(f) for f in (0.01, 0.05, 0.1, 0.2, 0.5)]
        assert comprehensiveness(removal)[sample] == pytest.approx(np.mean([weights.sum() - most[b] for b in bins]))
        assert sufficiency(removal)[sample] == pytest.approx(np.mean([weights.sum() - only[b] for b in bins]))


def test_the_true_weights_are_the_most_faithful_order():
    of_truth = abpc(remove(additive, WEIGHTS))
    random = np.random.default_rng(1)
    for _ in range(20):
        assert (abpc(remove(additive, [random.standard_normal(len(w)) for w in WEIGHTS])) <= of_truth + 1e-12).all()


def test_a_random_order_has_no_area_between_its_curves():
    random = np.random.default_rng(0)
    areas = [abpc(remove(additive, [random.standard_normal(len(w)) for w in WEIGHTS])) for _ in range(400)]
    error = np.std(areas, axis=0) / 20
    assert (np.abs(np.mean(areas, axis=0)) < 4 * error).all()


def test_units_of_equal_relevance_come_in_random_order():
    """Otherwise an explanation without any relevance would be as good as the order of the units."""
    areas = [abpc(remove(additive, [np.zeros(4)], seed=seed))[0] for seed in range(300)]
    assert abs(np.mean(areas)) < 4 * np.std(areas) / np.sqrt(300)
    assert len(set(np.round(areas, 9))) > 4


def test_equal_rows_are_scored_once():
    seen = []

    def counted(samples, kept):
        seen.extend((int(sample), mask.tobytes()) for sample, mask in zip(samples, kept, strict=True))
        return additive(samples, kept)

    remove(counted, WEIGHTS)
    assert len(seen) == len(set(seen))


def test_curves_that_are_not_asked_for_are_not_scored():
    scored = []

    def predict(samples, kept):
        scored.extend(kept)
        return additive(samples, kept)

    alone = remove(predict, WEIGHTS[:1], fractions=(0.25, 0.5), curves=["without_least"]).through(np.square)
    assert len(scored) == 4
    whole = remove(additive, WEIGHTS, fractions=(0.25, 0.5))
    np.testing.assert_array_equal(alone.up_to(0.5).without_least, whole.without_least[:1, :3] ** 2)
    assert alone.without_most is None and alone.only_most is None


def test_rows_come_in_large_pieces():
    """50 fractions of 200 samples are 10,000 rows, in three calls."""
    sizes = []

    def constant(samples, kept):
        sizes.append(len(samples))
        return np.zeros(len(samples))

    random = np.random.default_rng(0)
    remove(constant, [random.standard_normal(60) for _ in range(200)], fractions=np.linspace(0, 1, 51))
    assert sum(sizes) > 10_000
    assert all(size == 4096 for size in sizes[:-1])


@pytest.mark.parametrize(
    ("relevance", "fractions", "message"),
    [
        ([], (0.5,), "no samples"),
        ([np.array([])], (0.5,), "shape"),
        ([np.ones((2, 2))], (0.5,), "shape"),
        ([np.array([1.0, np.nan])], (0.5,), "isn't finite"),
        ([np.ones(3)], (1.5,), "between 0 and 1"),
        ([np.ones(3)], (), "between 0 and 1"),
    ],
)
def test_bad_input_has_one_clear_error(relevance, fractions, message):
    with pytest.raises(DomainError, match=message):
        remove(additive, relevance, fractions=fractions)


def test_a_function_that_returns_another_shape_is_refused():
    with pytest.raises(DomainError, match="one per row"):
        remove(lambda samples, kept: np.zeros((len(samples), 2)), WEIGHTS)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: remove(additive, WEIGHTS, curves=["without_all"]), "without_all"),
        (lambda: remove(lambda samples, kept: 1.0, WEIGHTS), "one per row"),
        (lambda: abpc(remove(additive, WEIGHTS, curves=["without_least"])), "'without_most' weren't measured"),
        (lambda: remove(additive, WEIGHTS).up_to(0), "above 0"),
        (lambda: soft_measures(additive, []), "no samples"),
        (lambda: soft_measures(additive, [np.array([1.0, np.nan])]), "isn't finite"),
        (lambda: soft_measures(additive, WEIGHTS, share=2), "between 0 and 1"),
        (lambda: jaccard(WEIGHTS[0], WEIGHTS[0], 0), "from 1"),
        (lambda: mean_interval(np.arange(5.0), level=95), "such as 0.95"),
        (lambda: compare({}, []), "no methods"),
    ],
)
def test_wrong_arguments_have_one_clear_error(ask, message):
    with pytest.raises(DomainError, match=message):
        ask()


def test_the_curves_up_to_a_fraction_are_those_of_its_points():
    fractions = np.array([0, 0.05, 0.1, 0.5, 1])
    rising = np.arange(10.0).reshape(2, 5)
    part = Removal(fractions, rising, rising + 1, rising + 2).up_to(0.1)
    np.testing.assert_allclose(part.fractions, [0, 0.5, 1])
    np.testing.assert_array_equal(part.without_most, rising[:, :3])
    np.testing.assert_array_equal(part.without_least, rising[:, :3] + 1)
    np.testing.assert_array_equal(part.only_most, rising[:, :3] + 2)
    np.testing.assert_allclose(deletion(part), [1, 6])  # the mean height, here that at the middle


def test_a_measure_is_as_good_whatever_follows_its_name():
    assert lower_is_better("deletion") and lower_is_better("deletion@100")
    assert not lower_is_better("AUAC@100") and not lower_is_better("p@1")


def test_the_mean_of_a_curve_that_was_not_measured_is_unknown():
    means = remove(additive, WEIGHTS, fractions=(0.5,), curves=["without_least"]).means()
    assert means.index.tolist() == [0, 0.5, 1] and means["without_most"].isna().all()
    assert means.loc[0, "without_least"] == pytest.approx(np.mean([w.sum() for w in WEIGHTS]))
