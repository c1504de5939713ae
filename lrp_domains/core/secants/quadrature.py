"""Gauss-Legendre quadrature, which integrates polynomials exactly."""

from __future__ import annotations

import math
from functools import cache

import torch

# The largest number of factors of a product along a dimension.
MOST_FACTORS = 1024


@cache
def gauss_legendre(n: int) -> tuple[tuple[float, float], ...]:
    """Return n points and weights that integrate polynomials of degree ``2 n - 1`` on [0, 1] exactly (Golub and Welsch
    1969)."""
    k = torch.arange(1, n, dtype=torch.float64)
    off_diagonal = k / (4 * k**2 - 1).sqrt()
    points, vectors = torch.linalg.eigh(torch.diag(off_diagonal, 1) + torch.diag(off_diagonal, -1))
    return tuple(zip(((points + 1) / 2).tolist(), vectors[0].square().tolist(), strict=True))


def points_for(factors: int) -> tuple[tuple[float, float], ...]:
    """Return the quadrature that splits a product of that many factors."""
    return gauss_legendre(max(math.ceil(factors / 2), 1))
