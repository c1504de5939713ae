"""The secant of a softmax, by the logarithmic mean.

With ``s = softmax(x)``, ``d log s_i = dx_i - d lse(x)`` holds for whole differences too, and ``ds_i = L_i d log s_i``
with the logarithmic mean ``L_i = (s1_i - s0_i) / (log s1_i - log s0_i)``. As the ``ds_i`` sum to 0, ``d lse = sum L_j
dx_j / sum L_j``, so

    g_x = L (g - sum(g L) / sum(L))

which depends on the probabilities alone. The secants of log-softmax and logsumexp follow from the same d lse.
"""

from __future__ import annotations

import torch

from ..graph.functions import wide
from ..graph.graph import Edge
from ..graph.saved import dimension, read
from ..roles.shares import Shares
from ..rule import Grads, Rule, Slots
from .elementwise import elementwise
from .pairs import Both, Pair, put, secant_rule
from .quotients import log_mean, quotient

Tensor = torch.Tensor


def softmax_secant(log_s: Both, g: Tensor, dims: int | tuple[int, ...]) -> Tensor:
    """Return the g of a softmax's argument, from the logarithms of the probabilities."""
    mean = log_mean(*log_s)
    part = g * mean
    return part.sub_(mean * quotient(part.sum(dims, keepdim=True), mean.sum(dims, keepdim=True), 0.0))


def _softmax(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    g = wide(go[0])
    s1, s0 = pair.kept("result")
    dim = dimension(read(pair.node, "dim"), s1.ndim)
    log_s = (s1.log(), s0.log())
    if _has_underflowed(s1, s0) and (x := pair.values(0)) is not None:
        log_s = tuple(values.log_softmax(dim) for values in x)
    return put(gi, {0: softmax_secant(log_s, g, dim)})


def _log_softmax(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    g, log_s = wide(go[0]), pair.kept("result")
    dim = dimension(read(pair.node, "dim"), g.ndim)
    mean = log_mean(*log_s)
    return put(gi, {0: g - g.sum(dim, keepdim=True) * quotient(mean, mean.sum(dim, keepdim=True), 0.0)})


def _logsumexp(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    g, x, y = wide(go[0]), pair.kept("self"), pair.kept("result")
    dims = sorted(dimension(d, x[0].ndim) for d in read(pair.node, "dim")) or list(range(x[0].ndim))
    if not read(pair.node, "keepdim"):
        for dim in dims:
            g, y = g.unsqueeze(dim), tuple(result.unsqueeze(dim) for result in y)
    mean = log_mean(x[0] - y[0], x[1] - y[1])
    return put(gi, {0: g * quotient(mean, mean.sum(dims, keepdim=True), 0.0)})


def written_out(pair: Pair, g: Tensor) -> dict[int, Tensor] | None:
    """Return the g of the exponentials in a division ``e / sum(e)``, None if it isn't one.

    They get what the softmax's argument gets, less their own secant, the sum gets nothing: the result is that of a
    softmax in one operation.
    """
    factors = pair.kept("self"), pair.kept("other")
    above = int(pair.operation.base == "Mul" and factors[1][0].numel() > factors[0][0].numel())
    e, by = factors[above], factors[1 - above]
    if pair.operation.base == "Div":
        by = tuple(1 / total for total in by)
    dims = [d for d in range(e[0].ndim) if by[0].ndim == e[0].ndim and by[0].shape[d] == 1 < e[0].shape[d]]
    if not dims or e[0].shape != g.shape:
        return None

    s = tuple(top * inverse for top, inverse in zip(e, by, strict=True))
    if not all(torch.allclose(p.sum(dims), torch.ones_like(p.sum(dims)), rtol=1e-4) for p in s):
        return None  # something else is in the sum
    log_e = e[0].log(), e[1].log()
    if bool(((e[0] == 0) != (e[1] == 0)).any()) and (scores := _scores(pair, pair.edges[above])) is not None:
        log_e = scores  # one of them has underflowed
    of_x = softmax_secant(tuple(log + inverse.log() for log, inverse in zip(log_e, by, strict=True)), g, tuple(dims))
    return {above: quotient(of_x, log_mean(*log_e), 0.0), 1 - above: torch.zeros_like(by[0])}


def _scores(pair: Pair, edge: Edge) -> Both | None:
    """Return the arguments of an exponential, None if they aren't available."""
    is_exp = edge not in pair.graph.sources and pair.graph.operations[edge[0]].base == "Exp"
    return pair.at(pair.graph.edges[edge[0]][0]) if is_exp else None


def _simplest(pair: Pair, carries: Slots) -> Rule | None:
    """Return the rule of an exponential in a softmax that is written out.

    Compute the argument of a softmax whose probabilities have underflowed in one half.
    """
    if pair.operation.function:
        return elementwise.place(pair.node, pair.graph, Shares({pair.node: carries}))
    if _has_underflowed(*pair.kept("result")):
        pair.prepare(pair.edges[0])
    return None


def _has_underflowed(s1: Tensor, s0: Tensor) -> bool:
    return bool(((s1 == 0) != (s0 == 0)).any())


softmax = secant_rule("secant, by logarithmic means", _softmax, simplest=_simplest)
log_softmax = secant_rule("secant, by logarithmic means", _log_softmax)
logsumexp = secant_rule("secant, by logarithmic means", _logsumexp)
