"""Mixtures of experts, written in many ways: routers and dispatch of rows ``x`` by the router's ``logits``.

The first form of a family is the reference.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .comparison import Function
from .dispatches import CHOSEN, DISPATCHES, EXPERTS, expert, gathered, looped_over_experts, of_all, one_hot, scattered
from .tensors import WIDTH

# ---- Routers: from logits, the chosen experts and their weights ------------------------------------------------


def over_sum(weights: Tensor) -> Tensor:
    return weights / weights.sum(-1, keepdim=True)


def softmax_of_the_best(logits):
    best, chosen = logits.topk(CHOSEN)
    return chosen, torch.softmax(best, -1)


def best_of_softmax_renormalised(logits):
    best, chosen = torch.softmax(logits, -1).topk(CHOSEN)
    return chosen, over_sum(best)


def best_of_softmax_gathered(logits):
    chosen = logits.argsort(-1, descending=True)[:, :CHOSEN]
    return chosen, over_sum(torch.softmax(logits, -1).gather(1, chosen))


def softmax_of_the_masked(logits):
    chosen = logits.topk(CHOSEN)[1]
    mask = torch.zeros_like(logits, dtype=torch.bool).scatter(1, chosen, True)
    return chosen, torch.softmax(logits.masked_fill(~mask, -math.inf), -1).gather(1, chosen)


def exponentials_of_the_best(logits):
    best, chosen = logits.topk(CHOSEN)
    return chosen, over_sum(best.exp())


def shifted_exponentials_of_the_best(logits):
    best, chosen = logits.topk(CHOSEN)
    return chosen, over_sum(torch.exp(best - best[:, :1]))


def best_less_logsumexp(logits):
    best, chosen = logits.topk(CHOSEN)
    return chosen, torch.exp(best - best.logsumexp(-1, keepdim=True))


def sigmoid_of_the_difference(logits):
    """Compute the softmax of two as a sigmoid of their difference."""
    best, chosen = logits.topk(CHOSEN)
    return chosen, torch.sigmoid(best - best.flip(-1))


ROUTERS = {
    "softmax of the best": softmax_of_the_best,
    "best of a softmax, renormalised": best_of_softmax_renormalised,
    "best of a softmax by argsort, renormalised": best_of_softmax_gathered,
    "softmax, others masked": softmax_of_the_masked,
    "exp of the best / sum": exponentials_of_the_best,
    "exp(best - max) / sum": shifted_exponentials_of_the_best,
    "exp(best - logsumexp)": best_less_logsumexp,
    "sigmoid of the difference": sigmoid_of_the_difference,
}


def best_of_softmax(logits):
    best, chosen = torch.softmax(logits, -1).topk(CHOSEN)
    return chosen, best


def best_of_exponentials(logits):
    best, chosen = logits.topk(CHOSEN)
    return chosen, best.exp() / logits.exp().sum(-1, keepdim=True)


def softmax_of_the_sorted(logits):
    ordered, order = logits.sort(-1, descending=True)
    return order[:, :CHOSEN], torch.softmax(ordered, -1)[:, :CHOSEN]


def sigmoids_of_the_best(logits):
    best, chosen = torch.sigmoid(logits).topk(CHOSEN)
    return chosen, best


def sigmoids_gathered(logits):
    chosen = logits.topk(CHOSEN)[1]
    return chosen, torch.sigmoid(logits).gather(1, chosen)


def sigmoids_over_their_sum(logits):
    chosen, weights = sigmoids_of_the_best(logits)
    return chosen, over_sum(weights)


def sigmoids_gathered_over_their_sum(logits):
    chosen, weights = sigmoids_gathered(logits)
    return chosen, weights * (1 / weights.sum(-1, keepdim=True))


def routed(router: Function, dispatch: Function = gathered) -> Function:
    return lambda x, logits: dispatch(x, *router(logits))


def over_dispatches(router: Function) -> dict[str, Function]:
    return {name: routed(router, dispatch) for name, dispatch in DISPATCHES.items()}


# ---- All experts -----------------------------------------------------------------------------------------------


SOFT = {
    "weights times outputs, summed": lambda x, logits: (torch.softmax(logits, -1).unsqueeze(-1) * of_all(x)).sum(1),
    "einsum": lambda x, logits: torch.einsum("be,bef->bf", torch.softmax(logits, -1), of_all(x)),
    "bmm": lambda x, logits: (torch.softmax(logits, -1).unsqueeze(1) @ of_all(x)).squeeze(1),
    "expert by expert": lambda x, logits: sum(
        torch.softmax(logits, -1)[:, n : n + 1] * expert(x, n) for n in range(EXPERTS)
    ),
    "exp / sum": lambda x, logits: torch.einsum("be,bef->bf", over_sum(logits.exp()), of_all(x)),
    "sum of exp times outputs, divided": lambda x, logits: (
        torch.einsum("be,bef->bf", logits.exp(), of_all(x)) / logits.exp().sum(-1, keepdim=True)
    ),
    "all of the best": lambda x, logits: (
        lambda best, order: (
            best.softmax(-1).unsqueeze(-1) * of_all(x).gather(1, order.unsqueeze(-1).expand(-1, -1, WIDTH))
        ).sum(1)
    )(*logits.topk(EXPERTS)),
}

FAMILIES = {
    "router of the two best": {name: routed(router) for name, router in ROUTERS.items()},
    "dispatch of the two best": over_dispatches(softmax_of_the_best),
    "dispatch of the two best, renormalised": over_dispatches(best_of_softmax_renormalised),
    "two best of a softmax over all": {
        "best of a softmax": routed(best_of_softmax),
        "exp of the best / sum over all": routed(best_of_exponentials),
        "softmax of the sorted": routed(softmax_of_the_sorted),
        "best of a softmax, scattered": routed(best_of_softmax, scattered),
        "best of a softmax, loop over experts": routed(best_of_softmax, looped_over_experts),
    },
    "two best sigmoids": {
        "best of the sigmoids": routed(sigmoids_of_the_best),
        "gathered": routed(sigmoids_gathered),
        "scattered": routed(sigmoids_of_the_best, scattered),
        "one-hot": routed(sigmoids_of_the_best, one_hot),
        "loop over experts": routed(sigmoids_of_the_best, looped_over_experts),
    },
    "two best sigmoids, renormalised": {
        "over their sum": routed(sigmoids_over_their_sum),
        "times the reciprocal": routed(sigmoids_gathered_over_their_sum),
        "scattered": routed(sigmoids_over_their_sum, scattered),
        "loop over experts": routed(sigmoids_over_their_sum, looped_over_experts),
    },
    "all experts": SOFT,
}
