"""Secants of selections and statistics against loops: the winner of the half with the larger value takes the rise."""

import pytest
import torch
import torch.nn.functional as F

from lrp_domains import RelevanceError, relevance_against

from .against import TIGHT, assert_complete, double, explained, numbers, scored, weights_of

pytestmark = pytest.mark.filterwarnings("error:.*is not accounted for", "ignore:index_reduce")


def winner_by_loop(x, b, g, windows, sign=1):
    """Return R of one row: of each window the larger maximum's winner takes what the maximum rises by."""
    parts = [0.0] * len(x)
    for weight, window in zip(g, windows, strict=True):
        first, second = (max(window, key=lambda i: sign * values[i]) for values in (x, b))
        rise = x[first] - b[second]
        parts[first if sign * rise >= 0 else second] += weight * rise
    return parts


ROW = range(6)
# The function, the entries of each result, and whether the largest or the smallest of them is selected.
EXTREMES = {
    "amax": (lambda x: x.amax(1, keepdim=True), [ROW], 1),
    "max": (lambda x: x.max(1, keepdim=True)[0], [ROW], 1),
    "amin": (lambda x: x.amin(1, keepdim=True), [ROW], -1),
    "min": (lambda x: x.min(1, keepdim=True)[0], [ROW], -1),
    "aminmax, largest": (lambda x: torch.aminmax(x, dim=1, keepdim=True)[1], [ROW], 1),
    "aminmax, smallest": (lambda x: torch.aminmax(x, dim=1, keepdim=True)[0], [ROW], -1),
    "cummax": (lambda x: x.cummax(1)[0], [range(i + 1) for i in ROW], 1),
    "cummin": (lambda x: x.cummin(1)[0], [range(i + 1) for i in ROW], -1),
    "max pool": (lambda x: F.max_pool1d(x[:, None], 2)[:, 0], [(0, 1), (2, 3), (4, 5)], 1),
    "max pool, overlapping": (
        lambda x: F.max_pool1d(x[:, None], 3, 1, 1)[:, 0],
        [[j for j in (i - 1, i, i + 1) if 0 <= j < 6] for i in ROW],
        1,
    ),
    "adaptive max pool": (lambda x: F.adaptive_max_pool1d(x[:, None], 2)[:, 0], [range(3), range(3, 6)], 1),
    "max pool, 2d": (
        lambda x: F.max_pool2d(x.view(-1, 1, 2, 3), (2, 2), 1).flatten(1),
        [(0, 1, 3, 4), (1, 2, 4, 5)],
        1,
    ),
    "max pool behind another function": (
        lambda x: F.max_pool1d((x / (1 + 0 * x.norm(dim=1, keepdim=True)))[:, None], 2)[:, 0],
        [(0, 1), (2, 3), (4, 5)],
        1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXTREMES)
def test_the_winner_of_the_larger_half_takes_the_rise(name):
    f, windows, sign = EXTREMES[name]
    x, b = numbers(20, 6), numbers(20, 6)
    b[:5] = x[:5]
    b[:5, 2] = numbers(5) * 2
    g = weights_of(f(x)).tolist()
    rows = zip(x.tolist(), b.tolist(), strict=True)
    expected = double([winner_by_loop(*row, g, windows, sign) for row in rows])
    actual = explained(f, x, b)
    torch.testing.assert_close(actual, expected, **TIGHT)
    assert (actual.abs() <= len(windows) * (x - b).abs() + 1e-12).all()  # never more than the entry's change


def test_a_maximum_without_overlap_equals_one_by_relu():
    x, b = numbers(20, 6), numbers(20, 6)
    expected = explained(lambda x: x[:, ::2] + F.relu(x[:, 1::2] - x[:, ::2]), x, b)
    actual = explained(lambda x: F.max_pool1d(x[:, None], 2)[:, 0], x, b)
    torch.testing.assert_close(actual.sum(1), expected.sum(1), **TIGHT)


def selected_by_loop(x, b, g, of_x, of_b):
    """Return R of one row: of each result the entry that changed more takes what the result rises by."""
    parts = [0.0] * len(x)
    for weight, i, j in zip(g, of_x, of_b, strict=True):
        parts[i if abs(x[i] - b[i]) >= abs(x[j] - b[j]) else j] += weight * (x[i] - b[j])
    return parts


SELECTIONS = {
    "sort": lambda x: x.sort(1),
    "sort, descending": lambda x: x.sort(1, descending=True),
    "topk": lambda x: x.topk(3, 1),
    "kthvalue": lambda x: x.kthvalue(2, 1, keepdim=True),
    "median": lambda x: x.median(1, keepdim=True),
    "nanmedian": lambda x: x.nanmedian(1, keepdim=True),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_of_other_selections_the_entry_that_changed_more_takes_the_rise(name):
    x = numbers(20, 6)
    b = x + 2 * numbers(20, 6).sign() * (1 + 0.1 * numbers(20, 6).abs())  # all change by more than what is sorted
    (y, of_x), (_, of_b) = SELECTIONS[name](x), SELECTIONS[name](b)
    g = weights_of(y).tolist()
    rows = zip(x.tolist(), b.tolist(), of_x.tolist(), of_b.tolist(), strict=True)
    expected = [selected_by_loop(x1, x0, g, i, j) for x1, x0, i, j in rows]
    torch.testing.assert_close(explained(lambda x: SELECTIONS[name](x)[0], x, b), double(expected), **TIGHT)


PASSED = {
    "median": (lambda x: x.median(1)[0], -1.0), "median of all": (lambda x: x[0].median().view(1), -1.0),
    "kthvalue": (lambda x: x.kthvalue(2, 1)[0], -1.0), "second of topk": (lambda x: x.topk(2, 1)[0][:, 1], -1.0),
    "sort": (lambda x: x.sort(1)[0] @ double([1.0, 10.0, 100.0]), -513.0),
}  # fmt: skip


@pytest.mark.parametrize("name", PASSED)
def test_an_entry_that_moves_past_others_takes_what_they_shift_by(name, monkeypatch):
    monkeypatch.setattr("lrp_domains.core.secants.selections._BLOCK", 3)
    f, expected = PASSED[name]
    actual = relevance_against(f, double([[3.0, 4.0, 0.0]]), double([[3.0, 4.0, 9.0]]))
    torch.testing.assert_close(actual, double([[0.0, 0.0, expected]]), **TIGHT)


MASK = numbers(4, seed=5) > 0
MASKED = {
    "where, leaky": (lambda x: torch.where(x > 0, x, 0.1 * x), lambda x: F.leaky_relu(x, 0.1)),
    "where, and nothing": (lambda x: torch.where(x > 0, x, 0.0), F.relu),
    "where, of a detached mask": (lambda x: torch.where(x.detach() > 0, x, 0.0), F.relu),
    "masked_fill": (lambda x: x.masked_fill(x < 0, 0.0), F.relu),
    "masked_fill, always": (lambda x: x.masked_fill(MASK, 2.0), lambda x: x * ~MASK),
    "where, always": (lambda x: torch.where(MASK, x.exp(), x), lambda x: x.exp() * MASK + x * ~MASK),
    "threshold": (lambda x: F.threshold(x, 0.3, 2.0), lambda x: torch.where(x > 0.3, x, 2.0)),
}  # fmt: skip


@pytest.mark.parametrize("name", MASKED)
def test_a_mask_that_differs_is_a_selection(name):
    masked, other = MASKED[name]
    x, b = numbers(9, 4), numbers(9, 4)
    torch.testing.assert_close(explained(masked, x, b), explained(other, x, b), **TIGHT)


STEPS = {
    "sign": torch.sign, "round": torch.round, "floor": torch.floor, "ceil": torch.ceil, "trunc": torch.trunc,
    "frac": torch.frac, "fmod": lambda x: torch.fmod(x, 0.7), "remainder": lambda x: torch.remainder(x, 0.7),
    "rounding mode": lambda x: torch.div(x, 0.3, rounding_mode="floor"), "in place": lambda x: (x * 1).gt_(0.1),
}  # fmt: skip


@pytest.mark.parametrize("name", STEPS)
def test_steps_pass_on_what_they_rise_by(name):
    x, b = numbers(9, 4) * 2, numbers(9, 4) * 2
    x[0] = b[0]
    expected = (STEPS[name](x) - STEPS[name](b)) * weights_of(x)
    torch.testing.assert_close(explained(STEPS[name], x, b), expected, **TIGHT)


def test_selections_that_have_no_share_are_refused():
    x, b = numbers(3, 4).sort(1)[0], numbers(3, 4).sort(1, descending=True)[0]
    with pytest.raises(RelevanceError, match="selects other entries for the references"):
        relevance_against(lambda x: x.gather(1, x.argmax(1, keepdim=True))[:, 0], x, b)
    with pytest.raises(RelevanceError, match="changed in place by a function that isn't linear"):
        relevance_against(lambda x: relu_of_a_slice(x).sum(1), x, b - 1)


def relu_of_a_slice(x):
    y = x * 1
    y[:, :2].relu_()
    return y.square()


# ---- Reductions by index, and complex numbers

INDEX = torch.tensor([[0, 1, 1, 0]]).expand(3, 4)
LINEAR = {
    "scatter_reduce, sum": lambda x: x.scatter_reduce(1, INDEX, x.flip(1), "sum"),
    "scatter_reduce, mean": lambda x: x.scatter_reduce(1, INDEX, x.flip(1), "mean"),
    "scatter_reduce, amax": lambda x: x.scatter_reduce(1, INDEX, x.flip(1), "amax"),
    "index_reduce, mean": lambda x: x.index_reduce(1, INDEX[0], x.flip(1), "mean"),
    "fmod": lambda x: torch.fmod(x, 1 + x.flip(1).square()),
    "remainder": lambda x: torch.remainder(x, 1 + x.flip(1).square()),
    "complex": lambda x: torch.complex(x, x.flip(1)).abs(),
    "complex, three factors": lambda x: (lambda z: (z * z.roll(1, 1).conj() * z.exp()).imag)(torch.complex(x, x.cos())),
    "complex, quotient": lambda x: (lambda z: (z / z.roll(1, 1)).real)(torch.complex(x, x.cos())),
    "Fourier transform": lambda x: torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(x.exp()), 4),
}


@pytest.mark.parametrize("name", LINEAR)
def test_reductions_and_complex_numbers_are_complete(name):
    assert_complete(scored(LINEAR[name]), numbers(3, 4), numbers(3, 4), 1e-12)


# ---- Statistics


def powers_by_loop(p):
    def parts(x, b):
        y1, y0 = (sum(abs(v) ** p for v in values) ** (1 / p) for values in (x, b))
        slope = (y1 - y0) / (y1**p - y0**p)
        return [(abs(u) ** p - abs(v) ** p) * slope for u, v in zip(x, b, strict=True)]

    return parts


def spread_by_loop(is_root):
    def parts(x, b):
        n, m1, m0 = len(x), sum(x) / len(x), sum(b) / len(b)
        v1, v0 = (sum((v - m) ** 2 for v in values) / (n - 1) for values, m in ((x, m1), (b, m0)))
        slope = 1 / (v1**0.5 + v0**0.5) if is_root else 1.0
        return [(u - v) * (u - m1 + v - m0) / (n - 1) * slope for u, v in zip(x, b, strict=True)]

    return parts


def largest_by_loop(x, b):
    first, second = (max(range(len(v)), key=lambda i: abs(v[i])) for v in (x, b))
    rise = abs(x[first]) - abs(b[second])
    return [rise if i == (first if rise >= 0 else second) else 0.0 for i in range(len(x))]


STATISTICS = {
    "var": (lambda x: x.var(1), spread_by_loop(False)),
    "std": (lambda x: x.std(1), spread_by_loop(True)),
    "var_mean": (lambda x: torch.var_mean(x, 1)[0], spread_by_loop(False)),
    "std_mean": (lambda x: torch.std_mean(x, 1)[0], spread_by_loop(True)),
    "norm 1": (lambda x: x.norm(1, 1), powers_by_loop(1)),
    "norm 2": (lambda x: x.norm(2, 1), powers_by_loop(2)),
    "norm 3": (lambda x: torch.linalg.vector_norm(x, 3, 1), powers_by_loop(3)),
    "norm 1/2": (lambda x: torch.linalg.vector_norm(x, 0.5, 1), powers_by_loop(0.5)),
    "norm inf": (lambda x: x.norm(torch.inf, 1), largest_by_loop),
    "norm 2 by hand": (lambda x: x.square().sum(1).sqrt(), powers_by_loop(2)),
    "squared error": (lambda x: F.mse_loss(x, torch.ones_like(x), reduction="none").sum(1),
                      lambda x, b: [(u - 1) ** 2 - (v - 1) ** 2 for u, v in zip(x, b, strict=True)]),
}  # fmt: skip


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_equal_their_loop(name):
    f, parts = STATISTICS[name]
    x, b = numbers(8, 5), numbers(8, 5)
    x[0, :3] = b[0, :3]
    expected = [parts(*rows) for rows in zip(x.tolist(), b.tolist(), strict=True)]
    torch.testing.assert_close(relevance_against(f, x, b), double(expected), **TIGHT)
    for x1, x0 in ((x, 0 * b), (0 * x, b), (x.double(), x.clone())):
        assert_complete(f, x1, x0, 1e-12)
