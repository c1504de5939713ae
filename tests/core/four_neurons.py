"""A layer of four neurons, its inputs, and their relevance under the sets of layer rules."""

import torch
from torch import nn

from lrp_domains import ALPHA_BETA, GAMMA, deep_taylor, epsilon, relevance

from .layer_loops import only

SETS = {"epsilon": only(epsilon(0.1)), "gamma": GAMMA, "alpha-beta": ALPHA_BETA, "deep Taylor": deep_taylor(-4.0, 4.0)}


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def weights(*shape: int) -> nn.Parameter:
    return nn.Parameter(0.7 * draw(*shape))


def explained(f, inputs, rules, **options) -> torch.Tensor:
    """Return the relevance of all inputs for a weighted sum of the results of f."""
    inputs = [x.detach().clamp(-4, 4).requires_grad_() for x in inputs]
    y = f(*inputs)
    score = (y * torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).view_as(y)).sum()
    return torch.cat([r.flatten() for r in relevance(score, inputs, rules=rules, **options)])


W, U, B = weights(4, 6), weights(4, 3), weights(4)
X, K = draw(2, 3, 6), draw(2, 3)
