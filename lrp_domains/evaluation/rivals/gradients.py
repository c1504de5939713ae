"""Rivals that average gradients: at the inputs, on the way from the references, or with noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import torch
from torch import Tensor

from .rival import Problem, Rival, Tensors, check_count


def gradient_times_input() -> Rival:
    """Return gradient x (input - reference)."""
    return Rival("gradient x input", partial(_averaged, points=lambda of: [of.inputs]), 1)


def integrated_gradients(steps: int = 50) -> Rival:
    """Return integrated gradients (Sundararajan et al. 2017, ICML, eq. 3), by the midpoint rule."""
    check_count("steps", steps)
    at = [(step + 0.5) / steps for step in range(steps)]
    points = lambda of: (_between(of, share) for share in at)  # noqa: E731
    return Rival(f"integrated gradients, {steps} steps", partial(_averaged, points=points), steps)


def smooth_gradient(samples: int = 25, noise: float = 0.15, seed: int = 0) -> Rival:
    """Return SmoothGrad x (input - reference) (Smilkov et al. 2017, arXiv 1706.03825).

    Parameters
    ----------
    samples
        How many gradients are averaged.
    noise
        The standard deviation of the noise as a share of the range of a sample's input.
    seed
        Of the noise.
    """
    check_count("samples", samples)
    points = partial(_noisy, samples=samples, noise=noise, seed=seed)
    return Rival(f"SmoothGrad, {samples} samples", partial(_averaged, points=points), samples, (noise, seed))


def gradient_shap(samples: int = 25, seed: int = 0) -> Rival:
    """Return expected gradients at random points between reference and input (Erion et al. 2021, Nat. Mach. Intell.
    3:620), with the reference of each sample."""
    check_count("samples", samples)
    points = partial(_random_between, samples=samples, seed=seed)
    return Rival(f"GradientSHAP, {samples} samples", partial(_averaged, points=points), samples, (seed,))


def _averaged(of: Problem, *, points) -> Tensors:
    """Return the mean gradient at some points, times the difference from the reference."""
    sums, count = [torch.zeros_like(x) for x in of.inputs], 0
    for point in points(of):
        leaves = [x.detach().requires_grad_() for x in point]
        grads = torch.autograd.grad(of.score(*leaves).sum(), leaves, allow_unused=True)
        for total, g in zip(sums, grads, strict=True):
            if g is not None:
                total += g
        count += 1
    return tuple(total / count * d for total, d in zip(sums, of.difference, strict=True))


def _between(of: Problem, share: float | Tensor) -> Sequence[Tensor]:
    return [r + share * d for r, d in zip(of.references, of.difference, strict=True)]


def _noisy(of: Problem, *, samples: int, noise: float, seed: int) -> Iterable[Sequence[Tensor]]:
    random = torch.Generator().manual_seed(seed)
    widths = [noise * (flat.amax(1) - flat.amin(1)) for flat in (x.flatten(1) for x in of.inputs)]
    widths = [width.view(-1, *[1] * (x.ndim - 1)) for width, x in zip(widths, of.inputs, strict=True)]
    for _ in range(samples):
        yield [
            x + width * torch.randn(x.shape, generator=random).to(x) for x, width in zip(of.inputs, widths, strict=True)
        ]


def _random_between(of: Problem, *, samples: int, seed: int) -> Iterable[Sequence[Tensor]]:
    random = torch.Generator().manual_seed(seed)
    for _ in range(samples):
        x = of.inputs[0]
        share = torch.rand(len(x), generator=random).to(x)
        yield [r + share.view(-1, *[1] * (d.ndim - 1)) * d for r, d in zip(of.references, of.difference, strict=True)]
