"""Quotients of differences that keep their digits where the difference is small.

Where the quotient of a function's rise differs from its derivative by no more than rounding, the derivative is used: it
is exact where x1 is x0, and keeps its digits where they are close. So no threshold on their distance is needed, not
even at a kink.
"""

from __future__ import annotations

import torch

from .pairs import Both

Tensor = torch.Tensor
# By how many units in the last place the rise of a function may be wrong.
_ULPS = 16


def quotient(of: Tensor, by: Tensor, otherwise: Tensor | float) -> Tensor:
    """Return ``of / by``, and ``otherwise`` where ``by`` is 0."""
    is_zero = by == 0
    return torch.where(is_zero, otherwise, of / by.masked_fill(is_zero, 1.0))


def secant_of(x: Both, y: Both, g: Tensor, by_slope: Tensor) -> Tensor:
    """Return ``g (y1 - y0) / (x1 - x0)``, or ``by_slope``, which is g times a derivative, where they are too close."""
    run, rise = x[0] - x[1], y[0] - y[1]
    if run.is_complex():
        run, rise = run.conj(), rise.conj()
    if not bool(by_slope.sum().isfinite()):  # an infinite slope, such as of a root at 0
        by_slope = by_slope.masked_fill(~by_slope.isfinite() & (run == 0), 0.0)

    part = g * rise
    error = torch.addcmul(part, by_slope, run, value=-1)
    error = error.abs() if error.is_complex() else error.abs_()
    noise = y[0].abs().add_(y[1].abs()).mul_(g.abs()).mul_(_ULPS * torch.finfo(g.dtype).eps)
    return torch.where(error <= noise, by_slope, part / run if run.is_complex() else part.div_(run))


def log_mean(log_a: Tensor, log_b: Tensor) -> Tensor:
    """Return the logarithmic mean ``(a - b) / (log a - log b)``, from the logarithms: the secant of the exponential."""
    distance = (log_a - log_b).abs_()
    mean = distance.neg().expm1_().neg_().div_(distance).masked_fill_(distance == 0, 1.0)
    # Of two zeros the logarithms have no distance.
    return mean.mul_(torch.maximum(log_a, log_b).exp_()).nan_to_num_(0.0)
