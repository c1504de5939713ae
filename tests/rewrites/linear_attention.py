"""Linear attention, retention and averages of the past: step by step, in parallel and in chunks.

The first form of a family is the reference.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .comparison import Function
from .heads import TOKENS
from .tensors import WIDTH

PAST = torch.ones(TOKENS, TOKENS, dtype=torch.float64).tril()
LAGS = torch.arange(TOKENS)[:, None] - torch.arange(TOKENS)
DECAY = 0.9
DECAYS = torch.where(LAGS >= 0, DECAY ** LAGS.clamp(min=0).double(), 0.0)


def positive(x: Tensor) -> Tensor:
    return F.elu(x) + 1


def featured(f: Function) -> Function:
    return lambda q, k, v: f(positive(q), positive(k), v)


def steps(f: Function, *tensors: Tensor) -> Tensor:
    """Run ``f(state, ...)`` over the tokens; it returns the next state and the output."""
    state, outputs = 0.0, []
    for parts in zip(*(x.unbind(1) for x in tensors), strict=True):
        state, out = f(state, *parts)
        outputs.append(out)
    return torch.stack(outputs, 1)


def outer(k: Tensor, v: Tensor) -> Tensor:
    return k.unsqueeze(-1) * v.unsqueeze(-2)


def read(q: Tensor, state: Tensor) -> Tensor:
    return (q.unsqueeze(-2) @ state).squeeze(-2)


# ---- Linear attention: φ(q) Σ φ(k) v, over φ(q) Σ φ(k) ---------------------------------------------------------

OVER_ALL = {
    "(q @ k.T) @ v": featured(lambda q, k, v: (q @ k.mT) @ v),
    "q @ (k.T @ v)": featured(lambda q, k, v: q @ (k.mT @ v)),
    "einsum of three": featured(lambda q, k, v: torch.einsum("bqd,bkd,bke->bqe", q, k, v)),
    "einsum, keys and values first": featured(
        lambda q, k, v: torch.einsum("bqd,bde->bqe", q, torch.einsum("bkd,bke->bde", k, v))
    ),
    "sum of outer products": featured(lambda q, k, v: q @ outer(k, v).sum(1)),
    "bmm": featured(lambda q, k, v: torch.bmm(torch.bmm(q, k.mT), v)),
    "values transposed": featured(lambda q, k, v: ((v.mT @ k) @ q.mT).mT),
}

NORMALISED = {
    "(q @ k.T) @ v over its sum": featured(lambda q, k, v: (q @ k.mT) @ v / (q @ k.mT).sum(-1, keepdim=True)),
    "weights over their sum": featured(lambda q, k, v: (q @ k.mT / (q @ k.mT).sum(-1, keepdim=True)) @ v),
    "q @ (k.T @ v) over q @ sum of k": featured(lambda q, k, v: q @ (k.mT @ v) / (q @ k.sum(1, keepdim=True).mT)),
    "times the reciprocal": featured(lambda q, k, v: q @ (k.mT @ v) * (1 / (q @ k.sum(1, keepdim=True).mT))),
    "einsum": featured(
        lambda q, k, v: torch.einsum("bqd,bkd,bke->bqe", q, k, v) / torch.einsum("bqd,bkd->bq", q, k).unsqueeze(-1)
    ),
    "a column of ones": featured(
        lambda q, k, v: (lambda out: out[..., :-1] / out[..., -1:])(q @ (k.mT @ F.pad(v, (0, 1), value=1.0)))
    ),
    "normalize(p=1)": featured(lambda q, k, v: F.normalize(q @ k.mT, p=1, dim=-1) @ v),
}


def causal_in_chunks(q, k, v, size=2):
    """Use a state for what precedes a chunk, and compute the chunk itself in parallel."""
    state, outputs = 0.0, []
    for a, b, c in zip(q.split(size, 1), k.split(size, 1), v.split(size, 1), strict=True):
        outputs.append((a @ b.mT).tril() @ c + (a @ state if outputs else 0.0))
        state = state + b.mT @ c
    return torch.cat(outputs, 1)


def causal_step(state, q, k, v):
    state = state + outer(k, v)
    return state, read(q, state)


CAUSAL = {
    "step by step": featured(lambda q, k, v: steps(causal_step, q, k, v)),
    "masked (q @ k.T) @ v": featured(lambda q, k, v: (q @ k.mT * PAST) @ v),
    "tril(q @ k.T) @ v": featured(lambda q, k, v: (q @ k.mT).tril() @ v),
    "cumsum of outer products": featured(lambda q, k, v: read(q, outer(k, v).cumsum(1))),
    "einsum with the cumsum": featured(lambda q, k, v: torch.einsum("btd,btde->bte", q, outer(k, v).cumsum(1))),
    "in chunks of two": featured(causal_in_chunks),
    "in chunks of one": featured(lambda q, k, v: causal_in_chunks(q, k, v, 1)),
    "query by query": featured(
        lambda q, k, v: torch.cat([(q[:, t : t + 1] @ k[:, : t + 1].mT) @ v[:, : t + 1] for t in range(TOKENS)], 1)
    ),
}

# ---- Retention: the state decays by a constant -----------------------------------------------------------------


def retention_step(state, q, k, v):
    state = DECAY * state + outer(k, v)
    return state, read(q, state)


def retention_in_chunks(q, k, v, size=2):
    state, outputs = 0.0, []
    powers, within = DECAY ** torch.arange(size, dtype=torch.float64)[:, None], DECAYS[:size, :size]
    for a, b, c in zip(q.split(size, 1), k.split(size, 1), v.split(size, 1), strict=True):
        outputs.append((a @ b.mT * within) @ c + ((a * powers * DECAY) @ state if outputs else 0.0))
        state = DECAY**size * state + (b * powers.flip(0)).mT @ c
    return torch.cat(outputs, 1)


POWERS = DECAY ** torch.arange(TOKENS, dtype=torch.float64)[:, None]
RETENTION = {
    "step by step": lambda q, k, v: steps(retention_step, q, k, v),
    "parallel": lambda q, k, v: (q @ k.mT * DECAYS) @ v,
    "decays at the queries and keys": lambda q, k, v: ((q * POWERS) @ (k / POWERS).mT).tril() @ v,
    "decays times weights": lambda q, k, v: (DECAYS * (q @ k.mT)) @ v,
    "einsum": lambda q, k, v: torch.einsum("bqd,bkd,qk,bke->bqe", q, k, DECAYS, v),
    "in chunks of two": retention_in_chunks,
    "in chunks of one": lambda q, k, v: retention_in_chunks(q, k, v, 1),
    "cumsum of scaled outer products": lambda q, k, v: read(q * POWERS, (outer(k / POWERS, v)).cumsum(1)),
}

# ---- Averages over the past: functions of one of the tensors, to check the sums alone --------------------------


def moving_average(state, v):
    state = DECAY * state + (1 - DECAY) * v
    return state, state


def moving_average_by_lerp(state, v):
    state = torch.lerp(state if isinstance(state, Tensor) else torch.zeros_like(v), v, 1 - DECAY)
    return state, state


def kernel() -> Tensor:
    """Apply the decays as a causal convolution, oldest first."""
    return (1 - DECAY) * DECAYS[-1].view(1, 1, TOKENS).repeat(WIDTH, 1, 1)


def others(f: Function) -> Function:
    return lambda q, k, v: f(v) + q * k


MOVING_AVERAGE = {
    "step by step": others(lambda v: steps(moving_average, v)),
    "a matrix of decays": others(lambda v: (1 - DECAY) * DECAYS @ v),
    "lerp": others(lambda v: steps(moving_average_by_lerp, v)),
    "causal conv1d": others(lambda v: F.conv1d(F.pad(v.mT, (TOKENS - 1, 0)), kernel(), groups=WIDTH).mT),
    "conv1d with padding, cut": others(
        lambda v: F.conv1d(v.mT, kernel(), padding=TOKENS - 1, groups=WIDTH)[..., :TOKENS].mT
    ),
    "cumsum of scaled values": others(lambda v: (1 - DECAY) * POWERS * (v / POWERS).cumsum(1)),
    "einsum": others(lambda v: torch.einsum("qk,bkd->bqd", (1 - DECAY) * DECAYS, v)),
}

COUNTS = torch.arange(1, TOKENS + 1, dtype=torch.float64)[:, None]
MEAN_OF_THE_PAST = {
    "cumsum / count": others(lambda v: v.cumsum(1) / COUNTS),
    "a matrix of means": others(lambda v: (PAST / PAST.sum(-1, keepdim=True)) @ v),
    "uniform causal attention": others(lambda v: torch.softmax(torch.log(PAST), -1) @ v),
    "mean of each part": others(lambda v: torch.stack([v[:, : t + 1].mean(1) for t in range(TOKENS)], 1)),
    "running mean": others(lambda v: torch.stack([sum(v[:, : t + 1].unbind(1)) / (t + 1) for t in range(TOKENS)], 1)),
}

FAMILIES = {
    "linear attention": OVER_ALL,
    "normalised linear attention": NORMALISED,
    "causal linear attention": CAUSAL,
    "retention": RETENTION,
    "moving average": MOVING_AVERAGE,
    "mean of the past": MEAN_OF_THE_PAST,
}
