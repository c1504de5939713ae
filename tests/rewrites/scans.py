"""The gated delta rule and selective scans: step by step, in parallel and in chunks.

The first form of a family is the reference.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .comparison import Function
from .heads import BATCH, TOKENS
from .linear_attention import PAST, outer, read, steps
from .tensors import WIDTH, parameter

# ---- Gated delta rule: S' = a S + b k (v - S k)ᵀ ---------------------------------------------------------------


def gates(g: Tensor) -> tuple[Tensor, Tensor]:
    """Return the strength b of writing and the logarithm of the state's decay a, both per token."""
    return torch.sigmoid(g[..., :1]), -F.softplus(g[..., 1:2])


def between(log_decay: Tensor) -> Tensor:
    """Return the decay from each token to each other, 0 to earlier ones."""
    total = log_decay.cumsum(1)
    past = PAST[: total.shape[1], : total.shape[1]].bool()
    return torch.where(past, total - total.mT, -torch.inf).exp()


def delta_step(state, q, k, v, b, log_decay):
    if not isinstance(state, Tensor):
        state = torch.zeros(BATCH, WIDTH, WIDTH)
    state = log_decay.exp().unsqueeze(-1) * state
    state = state + outer(k, b * (v - read(k, state)))
    return state, read(q, state)


def delta_step_by_matrix(state, q, k, v, b, log_decay):
    """Compute S' = (I - b k kᵀ) a S + b k vᵀ."""
    if not isinstance(state, Tensor):
        state = torch.zeros(BATCH, WIDTH, WIDTH)
    forget = torch.eye(WIDTH) - b.unsqueeze(-1) * outer(k, k)
    state = forget @ (log_decay.exp().unsqueeze(-1) * state) + outer(k, b * v)
    return state, read(q, state)


def delta_in_chunks(q, k, v, b, log_decay, size):
    """Compute chunks in parallel, by the inverse of a triangular matrix (Yang et al. 2024)."""
    state, outputs = torch.zeros(BATCH, WIDTH, WIDTH), []
    for q_c, k_c, v_c, b_c, log_c in zip(*(x.split(size, 1) for x in (q, k, v, b, log_decay)), strict=True):
        total, decay = log_c.cumsum(1), between(log_c)
        strict = ((b_c * k_c) @ k_c.mT * decay).tril(-1)
        inverse = torch.linalg.solve_triangular(torch.eye(size) + strict, torch.eye(size), upper=False)
        new = inverse @ (b_c * v_c) - inverse @ (b_c * k_c * total.exp()) @ state
        outputs.append((q_c * total.exp()) @ state + (q_c @ k_c.mT * decay) @ new)
        last = total[:, -1:]
        state = last.exp() * state + (k_c * (last - total).exp()).mT @ new
    return torch.cat(outputs, 1)


def delta(f: Function) -> Function:
    """Normalise keys and queries to unit length."""
    return lambda q, k, v, g: f(F.normalize(q, dim=-1), F.normalize(k, dim=-1), v, *gates(g))


DELTA_RULE = {
    "step by step": delta(lambda *tensors: steps(delta_step, *tensors)),
    "step by step, by matrices": delta(lambda *tensors: steps(delta_step_by_matrix, *tensors)),
    "in chunks of one": delta(lambda *tensors: delta_in_chunks(*tensors, 1)),
    "in chunks of two": delta(lambda *tensors: delta_in_chunks(*tensors, 2)),
    "in one chunk": delta(lambda *tensors: delta_in_chunks(*tensors, TOKENS)),
}

# ---- Gated linear attention: S' = a S + k vᵀ, with a decay per token -------------------------------------------


def gated_step(state, q, k, v, log_decay):
    state = log_decay.exp().unsqueeze(-1) * state + outer(k, v)
    return state, read(q, state)


def gated_in_chunks(q, k, v, log_decay, size=2):
    state, outputs = 0.0, []
    for q_c, k_c, v_c, log_c in zip(*(x.split(size, 1) for x in (q, k, v, log_decay)), strict=True):
        total = log_c.cumsum(1)
        outputs.append((q_c @ k_c.mT * between(log_c)) @ v_c + ((q_c * total.exp()) @ state if outputs else 0.0))
        last = total[:, -1:]
        state = last.exp() * state + (k_c * (last - total).exp()).mT @ v_c
    return torch.cat(outputs, 1)


def gated_by_cumprod(q, k, v, log_decay):
    product = log_decay.exp().cumprod(1)
    return ((q * product) @ (k / product).mT).tril() @ v


def gated_by_exp_of_sums(q, k, v, log_decay):
    total = log_decay.cumsum(1)
    return ((q * total.exp()) @ (k * (-total).exp()).mT).tril() @ v


def gated(f: Function) -> Function:
    return lambda q, k, v, g: f(q, k, v, gates(g)[1])


GATED_LINEAR_ATTENTION = {
    "step by step": gated(lambda *tensors: steps(gated_step, *tensors)),
    "parallel, by segment sums": gated(lambda q, k, v, log_decay: (q @ k.mT * between(log_decay)) @ v),
    "parallel, by a cumprod": gated(gated_by_cumprod),
    "parallel, by exp of a cumsum": gated(gated_by_exp_of_sums),
    "in chunks of two": gated(gated_in_chunks),
    "in chunks of one": gated(lambda *tensors: gated_in_chunks(*tensors, 1)),
}

# ---- Selective scan: h' = exp(Δ A) h + Δ B u, y = C h (Mamba) --------------------------------------------------

A, SKIP = parameter(WIDTH, WIDTH, seed=53), parameter(WIDTH, seed=54)


def scan(f: Function) -> Function:
    """Return a scan; ``f`` gets the decays' logarithms and the inputs, both per token, channel and state."""

    def run(u, delta, b, c):
        delta, rate = F.softplus(delta), -torch.exp(0.3 * A)
        return f(delta.unsqueeze(-1) * rate, (delta * u).unsqueeze(-1) * b.unsqueeze(-2), c) + u * SKIP

    return run


def discretised_first(u, delta, b, c):
    """Compute Δ B first, as the original discretisation does, then multiply by u."""
    delta, rate = F.softplus(delta), -torch.exp(0.3 * A)
    log_decay = torch.einsum("btd,dn->btdn", delta, rate)
    write = torch.einsum("btd,btn->btdn", delta, b) * u.unsqueeze(-1)
    return steps(scan_step, log_decay, write, c) + u * SKIP


def scan_step(state, log_decay, write, c):
    state = log_decay.exp() * state + write
    return state, (state * c.unsqueeze(-2)).sum(-1)


def states_first(log_decay, write, c):
    state, states = 0.0, []
    for d, w in zip(log_decay.exp().unbind(1), write.unbind(1), strict=True):
        state = d * state + w
        states.append(state)
    return torch.einsum("btdn,btn->btd", torch.stack(states, 1), c)


def by_cumprod(log_decay, write, c):
    product = log_decay.exp().cumprod(1)
    return (product * (write / product).cumsum(1) * c.unsqueeze(-2)).sum(-1)


def by_exp_of_sums(log_decay, write, c):
    total = log_decay.cumsum(1)
    return (total.exp() * (write * (-total).exp()).cumsum(1) * c.unsqueeze(-2)).sum(-1)


def by_doubling(log_decay, write, c):
    """Compute Hillis and Steele's associative scan."""
    decay, shift = log_decay.exp(), 1
    while shift < TOKENS:
        write = write + decay * F.pad(write, (0, 0, 0, 0, shift, 0))[:, :TOKENS]
        decay = decay * F.pad(decay, (0, 0, 0, 0, shift, 0), value=1.0)[:, :TOKENS]
        shift *= 2
    return torch.einsum("btdn,btn->btd", write, c)


def by_segment_sums(log_decay, write, c):
    total = log_decay.cumsum(1)
    past = PAST.bool()[None, :, :, None, None]
    weights = torch.where(past, total.unsqueeze(2) - total.unsqueeze(1), -torch.inf).exp()
    return torch.einsum("btsdn,bsdn,btn->btd", weights, write, c)


SELECTIVE_SCAN = {
    "step by step": scan(lambda *tensors: steps(scan_step, *tensors)),
    "states first": scan(states_first),
    "by a cumprod": scan(by_cumprod),
    "by exp of a cumsum": scan(by_exp_of_sums),
    "by doubling": scan(by_doubling),
    "by segment sums": scan(by_segment_sums),
    "Δ B first": discretised_first,
}

FAMILIES = {
    "gated delta rule": DELTA_RULE,
    "gated linear attention": GATED_LINEAR_ATTENTION,
    "selective scan": SELECTIVE_SCAN,
}
