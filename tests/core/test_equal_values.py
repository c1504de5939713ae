"""Values that are equal and values that only look equal, also behind masks."""

import time

import pytest
import torch

from lrp_domains import ATTN_LRP, CP_LRP, relevance

from .test_roles import TIGHT, rows


def of_layers(function) -> torch.Tensor:
    """Return the relevance of rows for a function of two layers, times a third layer."""
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(3, 4, dtype=torch.float64, generator=generator).requires_grad_()
    layers = torch.randn(3, 4, 8, dtype=torch.float64, generator=generator)
    a, b, c = (x @ torch.nn.Parameter(weight) for weight in layers)
    return relevance((function(a, b) * c).sum(), x)


@pytest.mark.parametrize("between", [torch.relu, torch.tanh, lambda u: 0.5 * u, torch.clone])
def test_a_dot_product_of_two_parts_is_not_a_square(between):
    def by_bmm(a, b):
        p, q = between(a[:, :4]), between(a[:, 4:])
        return (p[:, None] @ q[:, :, None])[:, 0]

    def by_sum(a, b):
        return (between(a[:, :4]) * between(a[:, 4:])).sum(-1, keepdim=True)

    torch.testing.assert_close(of_layers(by_bmm), of_layers(by_sum), **TIGHT)


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP])
def test_the_square_of_a_matrix_is_not_an_elementwise_square(rules):
    x = rows(2, 3, 3)
    actual = relevance((x @ x * torch.tanh(x)).sum(), x, rules=rules)
    by_hand = torch.stack([sum(x[:, i, k] * x[:, k, j] for k in range(3)) for i in range(3) for j in range(3)], -1)
    expected = relevance((by_hand.view(2, 3, 3) * torch.tanh(x)).sum(), x, rules=rules)
    torch.testing.assert_close(actual, expected, **TIGHT)


@pytest.mark.parametrize(
    "insert",
    [
        lambda u, number: number - u,
        lambda u, number: torch.nn.functional.pad(u, (1, 1), value=number)[:, :8],
        lambda u, number: u.masked_fill(torch.arange(8) < 2, number),
        lambda u, number: torch.nn.functional.threshold(u, 0.1, number),
        lambda u, number: torch.cat([torch.full_like(u[:, :2], number), u[:, 2:]], -1),
    ],
)
def test_values_with_different_inserted_numbers_are_not_equal(insert):
    """Autograd doesn't keep these numbers, so the two values must not be considered equal."""
    actual = of_layers(lambda a, b: insert(a, 1.0) * torch.sigmoid(insert(a, 2.0)))
    expected = of_layers(lambda a, b: insert(a, 1.0) * torch.sigmoid(insert(a * 1.0000001, 2.0)))
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


def test_networks_that_are_computed_twice_are_compared_in_linear_time():
    x = rows(2, 4)
    weight = torch.nn.Parameter(torch.eye(4, dtype=torch.float64))

    def network() -> torch.Tensor:
        h = x
        for _ in range(60):
            h = h + torch.tanh(h @ weight) * 0.01
        return h

    start = time.perf_counter()
    relevance((network() * network()).sum(), x)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP])
@pytest.mark.parametrize(
    "masked",
    [
        lambda u, mask: u.masked_fill(~mask, 0.0),
        lambda u, mask: torch.where(mask, u, 0.0),
        lambda u, mask: u * mask,
    ],
)
def test_a_masked_row_has_the_same_relevance_alone_and_in_a_batch(masked, rules):
    x, first, second = rows(6, 3, 2), rows(2, 3), rows(2, 3)
    mask = torch.arange(3) < torch.tensor([1, 2, 3, 1, 2, 3])[:, None]

    def score(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return (masked((x @ first)[..., 0], mask) * (x @ second)[..., 1]).sum()

    together = relevance(score(x, mask), x, rules=rules)
    for row in range(6):
        alone = x[row : row + 1].detach().requires_grad_()
        actual = relevance(score(alone, mask[row : row + 1]), alone, rules=rules)
        torch.testing.assert_close(actual[0], together[row], **TIGHT)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_relevance_of_masked_attention_by_hand_is_finite_in_half_precision(dtype):
    layer = torch.nn.Linear(8, 8).to(dtype)
    x = torch.randn(2, 4, 8).to(dtype).requires_grad_()
    h, later = layer(x), torch.ones(4, 4).triu(1).bool()
    weights = (h @ h.transpose(1, 2)).masked_fill(later, -torch.inf).softmax(-1)
    assert relevance((weights @ h).sum(), x).isfinite().all()


def test_a_spectrum_may_be_masked_by_masked_fill_or_by_a_product():
    x, low = rows(2, 8), torch.arange(5) < 2
    by_mask = relevance((torch.fft.irfft(torch.fft.rfft(x).masked_fill(~low, 0)) ** 2).sum(), x)
    by_product = relevance((torch.fft.irfft(torch.fft.rfft(x) * low) ** 2).sum(), x)
    torch.testing.assert_close(by_mask, by_product, **TIGHT)
