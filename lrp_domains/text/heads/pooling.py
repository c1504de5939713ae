"""Pooling: one vector per text from the vectors of its tokens."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def _weighted(states: Tensor, weight: Tensor) -> Tensor:
    return (states * weight[:, :, None].to(states.dtype)).sum(1)


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    return _weighted(states, mask / mask.sum(1, keepdim=True))


def _first(states: Tensor, mask: Tensor) -> Tensor:
    return _weighted(states, (mask.cumsum(1) == 1) * mask)


def _last(states: Tensor, mask: Tensor) -> Tensor:
    return _weighted(states, (mask.cumsum(1) == mask.sum(1, keepdim=True)) * mask)


def _max(states: Tensor, mask: Tensor) -> Tensor:
    return states.masked_fill(mask[:, :, None] == 0, -torch.inf).amax(1)


def _mean_sqrt_len(states: Tensor, mask: Tensor) -> Tensor:
    return _weighted(states, mask / mask.sum(1, keepdim=True).sqrt())


def _weighted_mean(states: Tensor, mask: Tensor) -> Tensor:
    weight = mask.cumsum(1) * mask
    return _weighted(states, weight / weight.sum(1, keepdim=True))


POOLINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": _mean,
    "first": _first,
    "last": _last,
    "max": _max,
    "mean-sqrt-length": _mean_sqrt_len,
    "weighted-mean": _weighted_mean,
}
"""The poolings by name: the mean, the first token, the last, the maximum, the sum divided by the root of the number of
tokens, and the mean weighted by the number of the token from 1."""


def pooled(states: Tensor, mask: Tensor, poolings: Sequence[str]) -> Tensor:
    """Return the vector of each text, the results of the poolings side by side.

    Parameters
    ----------
    states
        B x T x H.
    mask
        B x T, not 0 at tokens.
    poolings
        Names of `POOLINGS`.
    """
    # Half precision would round a mean of many tokens.
    mask = mask.to(states.device).bool().to(torch.promote_types(states.dtype, torch.float32))
    return torch.cat([POOLINGS[name](states, mask) for name in poolings], dim=-1)
