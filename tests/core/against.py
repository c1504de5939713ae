"""What the tests of relevance against a reference share: weighted scores, Shapley values and logarithmic means."""

import itertools
import math

import torch

from lrp_domains import relevance_against

from .examples import fixed

TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def numbers(*shape: int, seed: int | None = None) -> torch.Tensor:
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def double(values: list) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def weights_of(y: torch.Tensor) -> torch.Tensor:
    """Return the weights of the results in the score, the same for every sample."""
    return fixed(*y.shape[1:]).to(y.dtype)


def scored(f):
    """Return a function of one score per sample, a weighted sum of what f returns."""

    def score(*tensors):
        y = f(*tensors)
        return (y * weights_of(y)).flatten(1).sum(1)

    return score


def explained(f, inputs, references, **settings):
    """Return the relevance of each input for the weighted sum of what f returns."""
    return relevance_against(scored(f), inputs, references, **settings)


def shapley(f, ones, zeros):
    """Return the Shapley value of each argument of f, by enumerating all orders in which they move."""
    values = [0.0 for _ in ones]
    for order in itertools.permutations(range(len(ones))):
        arguments = list(zeros)
        for player in order:
            before = f(*arguments)
            arguments[player] = ones[player]
            values[player] += (f(*arguments) - before) / math.factorial(len(ones))
    return values


def log_mean(a, b):
    return a if a == b else 0.0 if a == 0 or b == 0 else (a - b) / (math.log(a) - math.log(b))


def assert_complete(score, inputs, references, tolerance=1e-9, **settings):
    """Check that relevance sums to the difference of the scores, sample by sample; return it as a tuple."""
    relevance = relevance_against(score, inputs, references, **settings)
    parts = (relevance,) if isinstance(relevance, torch.Tensor) else tuple(relevance)
    xs, bs = ((t,) if isinstance(t, torch.Tensor) else t for t in (inputs, references))
    y1, y0 = score(*xs).detach(), score(*bs).detach()
    n = len(xs[0])
    total = sum(r.reshape(n, -1).sum(1) for r in parts)
    gross = (
        sum(r.abs().reshape(n, -1).sum(1) for r in parts) + y1.abs().view(n, -1).sum(1) + y0.abs().view(n, -1).sum(1)
    )
    assert all(r.isfinite().all() for r in parts)
    assert ((total - (y1 - y0).view(n, -1).sum(1)).abs() <= tolerance * gross + 1e-300).all()
    return parts
