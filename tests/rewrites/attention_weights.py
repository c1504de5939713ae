"""The softmax of attention by hand, and with a sink, in many ways. The first form is the reference."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .heads import BATCH, HEADS, SCALE, SIZE, TOKENS, by_heads, over_sum, scores, softmax, top, weighted
from .tensors import parameter


def online(q, k, v, chunk=2):
    """Accumulate maximum, sum and output over chunks of keys, as flash attention does."""
    largest, total, out = torch.full((*q.shape[:-1], 1), -math.inf), 0.0, 0.0
    for k_part, v_part in zip(k.split(chunk, 2), v.split(chunk, 2), strict=True):
        s = scores(q, k_part)
        larger = torch.maximum(largest, top(s).detach())
        e, shrink = torch.exp(s - larger), torch.exp(largest - larger)
        total, out = total * shrink + e.sum(-1, keepdim=True), out * shrink + e @ v_part
        largest = larger
    return out / total


def by_parts_and_logsumexp(q, k, v):
    """Merge the softmaxes over two halves of the keys by their logsumexps (tree attention)."""
    parts = [(scores(q, a), b) for a, b in zip(k.chunk(2, 2), v.chunk(2, 2), strict=True)]
    sums = torch.cat([s.logsumexp(-1, keepdim=True) for s, _ in parts], -1)
    shares = softmax(sums)
    return sum(shares[..., i : i + 1] * (softmax(s) @ b) for i, (s, b) in enumerate(parts))


def over_edges(q, k, v):
    """Compute the softmax by group over a list of edges, as graph libraries do."""
    target, source = (index.flatten() for index in torch.meshgrid(*[torch.arange(TOKENS)] * 2, indexing="ij"))
    s = (q[:, :, target] * k[:, :, source]).sum(-1) * SCALE
    group = target.expand_as(s)
    largest = torch.full((*s.shape[:2], TOKENS), -math.inf).scatter_reduce(2, group, s.detach(), "amax")
    e = torch.exp(s - largest.gather(2, group))
    total = torch.zeros_like(largest).scatter_add(2, group, e)
    p = e / (total.gather(2, group) + 1e-16)
    out = torch.zeros(BATCH, HEADS, TOKENS, SIZE)
    return out.index_add(2, target, p.unsqueeze(-1) * v[:, :, source])


SOFTMAX_BY_HAND = {
    "softmax": weighted(softmax),
    "exp / sum": weighted(lambda s: over_sum(s.exp())),
    "exp(s - max) / sum": weighted(lambda s: over_sum(torch.exp(s - top(s)))),
    "exp(s - max.detach()) / sum": weighted(lambda s: over_sum(torch.exp(s - top(s).detach()))),
    "exp(s - logsumexp)": weighted(lambda s: torch.exp(s - s.logsumexp(-1, keepdim=True))),
    "exp(log_softmax)": weighted(lambda s: F.log_softmax(s, -1).exp()),
    "exp * (1 / sum)": weighted(lambda s: s.exp() * (1 / s.exp().sum(-1, keepdim=True))),
    "exp * sum.reciprocal()": weighted(lambda s: s.exp() * s.exp().sum(-1, keepdim=True).reciprocal()),
    "normalize(exp, p=1)": weighted(lambda s: F.normalize(s.exp(), p=1, dim=-1)),
    "exp / (sum + 1e-16)": weighted(lambda s: s.exp() / (s.exp().sum(-1, keepdim=True) + 1e-16)),
    "exp / sum.clamp(min=1e-9)": weighted(lambda s: s.exp() / s.exp().sum(-1, keepdim=True).clamp(min=1e-9)),
    "exp / (exp @ ones)": weighted(lambda s: s.exp() / (s.exp() @ torch.ones(TOKENS, 1))),
    "exp / einsum": weighted(lambda s: s.exp() / torch.einsum("bhqk->bhq", s.exp()).unsqueeze(-1)),
    "exp2(s * log2(e)) / sum": weighted(lambda s: over_sum(torch.exp2(s / math.log(2)))),
    "softmax(s - max)": weighted(lambda s: softmax(s - top(s))),
    "softmax(s - mean)": weighted(lambda s: softmax(s - s.mean(-1, keepdim=True))),
    "softmax(s + 1)": weighted(lambda s: softmax(s + 1)),
    "softmin(-s)": weighted(lambda s: F.softmin(-s, -1)),
    "softmax over its own sum": weighted(lambda s: over_sum(softmax(s))),
    "softmax ** 2 over its sum, of s / 2": weighted(lambda s: over_sum(softmax(s / 2) ** 2)),
    "1 / sum of exp(s_j - s_i)": weighted(lambda s: 1 / torch.exp(s.unsqueeze(-2) - s.unsqueeze(-1)).sum(-1)),
    "(exp @ v) / sum": by_heads(lambda q, k, v: (scores(q, k).exp() @ v) / scores(q, k).exp().sum(-1, keepdim=True)),
    "(exp @ [v, 1]), divided": by_heads(
        lambda q, k, v: (lambda out: out[..., :-1] / out[..., -1:])(scores(q, k).exp() @ F.pad(v, (0, 1), value=1.0))
    ),
    "(exp(s - max) @ v) / sum": by_heads(
        lambda q, k, v: (lambda e: (e @ v) / e.sum(-1, keepdim=True))(torch.exp(scores(q, k) - top(scores(q, k))))
    ),
    "online, over chunks of keys": by_heads(online),
    "online, key by key": by_heads(lambda q, k, v: online(q, k, v, chunk=1)),
    "parts merged by logsumexp": by_heads(by_parts_and_logsumexp),
    "by group over edges": by_heads(over_edges),
}

# ---- Sinks: a learned score per head that takes a part of the softmax and has no value -------------------------

SINK = parameter(HEADS, seed=43)


def sink() -> Tensor:
    return SINK.view(1, HEADS, 1, 1).expand(BATCH, HEADS, TOKENS, 1)


def with_sink(s: Tensor) -> Tensor:
    return torch.cat([s, sink()], -1)


def with_a_sink_key(q, k, v):
    """Append the sink as a score whose value is zero."""
    return softmax(torch.cat([scores(q, k), sink()], -1)) @ F.pad(v, (0, 0, 0, 1))


SINKS = {
    "softmax of [s, sink], cut": weighted(lambda s: softmax(with_sink(s))[..., :-1]),
    "with max subtracted": weighted(lambda s: softmax(with_sink(s) - top(with_sink(s)))[..., :-1]),
    "a value of zeros": by_heads(with_a_sink_key),
    "exp / (sum + exp(sink))": weighted(lambda s: s.exp() / (s.exp().sum(-1, keepdim=True) + sink().exp())),
    "stable, over sum + exp(sink)": weighted(
        lambda s: torch.exp(s - top(s)) / (torch.exp(s - top(s)).sum(-1, keepdim=True) + torch.exp(sink() - top(s)))
    ),
    "exp(s - logaddexp)": weighted(lambda s: torch.exp(s - torch.logaddexp(s.logsumexp(-1, keepdim=True), sink()))),
    "softmax * sigmoid(logsumexp - sink)": weighted(
        lambda s: softmax(s) * torch.sigmoid(s.logsumexp(-1, keepdim=True) - sink())
    ),
}

FAMILIES = {"attention, softmax by hand": SOFTMAX_BY_HAND, "attention with a sink": SINKS}
