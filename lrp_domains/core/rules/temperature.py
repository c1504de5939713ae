"""The tempered softmax of GIM, Gradient Interaction Modifications (Edin et al. 2025, arXiv 2505.17630).

A saturated softmax has a derivative near 0. GIM evaluates the derivative of ``p = softmax(x)`` at a temperature T:

    g_x = s (g_p - sum(s g_p))    with    s = softmax(x / T) = p^(1/T) / sum(p^(1/T))

The factor 1/T is left out, and T = 1 is the derivative. A fused attention doesn't keep p. The coefficients of its
queries and keys are those of a second fused call, with scores divided by T, times T, so memory stays linear in the
length; those of the values are its derivative. Then AttnLRP's shares apply.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch.nn import functional as F

from ..errors import RelevanceError
from ..graph.functions import wide
from ..graph.graph import Graph
from ..graph.operations import KEY, MASK, QUERY, VALUE, operation
from ..graph.saved import dimension, read
from ..roles.shares import Shares
from ..roles.softmaxes import softmaxes
from ..rule import Grads, Node, Rule, Slots

Tensor = torch.Tensor


@dataclass(frozen=True)
class TemperedRule(Rule):
    """A rule that evaluates the derivative of softmaxes at a temperature."""

    temperature: float = 1.0


def tempered(temperature: float) -> Rule:
    """Return the rule that evaluates the derivative of a softmax at a temperature, for softmaxes and fused attention.

    A softmax that is written out, as exponentials over their sum, or whose result is normalised once more is refused.

    >>> ATTN_LRP.for_nodes({"softmax": tempered(2), "attention": tempered(2)})
    """
    if not 0 < temperature < math.inf:
        raise RelevanceError(f"tempered requires a positive, finite temperature, got {temperature:g}")
    name = f"derivative at temperature {temperature:g}"
    return TemperedRule(name, place=partial(_placed, name, temperature), temperature=temperature)


def _placed(name: str, temperature: float, node: Node, graph: Graph, shares: Shares) -> Rule:
    if graph.operations[node].kind == "attention":
        return Rule(name, backward=partial(_attention_backward, temperature, shares.of[node]))
    if (reason := _reason_against(node, graph)) is not None:
        raise RelevanceError(
            f"{node.name()} cannot have the rule {name!r}: {reason}. Use one torch.softmax in the model, or another "
            'rule, such as rules.for_nodes({"softmax": gradient})'
        )
    return Rule(name, backward=partial(_softmax_backward, temperature))


def _reason_against(node: Node, graph: Graph) -> str | None:
    """Return why the formula doesn't apply to a node, or None if it does."""
    written_out = graph.once(softmaxes)
    if node in written_out.members:
        return "it is a part of a softmax that is written out"
    if graph.operations[node].kind != "softmax":
        return "it is not a softmax"
    if any((node, 0) in written_out.masses[part].scores for part in written_out.parts):
        return "its probabilities are normalised once more"
    return None


def _softmax_backward(temperature: float, node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    p, dim = wide(read(node, "result").detach()), read(node, "dim")
    dim = -1 if dim is None else dimension(dim, p.ndim or 1)  # only a masked softmax has a default
    s = _tempered(p, dim, temperature)
    h = s * wide(go[0])
    return (h.sub_(s * h.sum(dim, keepdim=True)).to(gi[0].dtype),)


def _tempered(p: Tensor, dim: int, temperature: float) -> Tensor:
    """Return ``softmax(x / T)`` for ``p = softmax(x)``, and 0 for a row of zeros, which was masked as a whole."""
    largest = p.amax(dim, keepdim=True)
    s = (p / largest.masked_fill(largest == 0, 1.0)).pow_(1 / temperature)
    return s.div_(s.sum(dim, keepdim=True).clamp_min_(1.0))  # at least 1, as the largest entry is 1


# ---- Fused attention


def _attention_backward(
    temperature: float, shares: dict[int, float], node: Node, carries: Slots, gi: Grads, go: Grads
) -> Grads:
    of_scores = [slot for slot, is_open in enumerate(carries) if is_open and slot != VALUE]
    if of_scores:
        coefficients = _of_scores(temperature, of_scores, node, go[0])
        gi = tuple(coefficients.get(slot, g) for slot, g in enumerate(gi))
    return tuple(g * shares[slot] if g is not None and carries[slot] else g for slot, g in enumerate(gi))


def _of_scores(temperature: float, slots: list[int], node: Node, g: Tensor) -> dict[int, Tensor]:
    """Return the coefficients of what the scores are computed from, before shares: queries, keys, a mask that is added.

    The second call divides the scores ``q k scale + mask`` by T, and so the derivatives of queries and keys too.
    """
    arguments = _arguments(node, temperature, is_mask_open=MASK in slots)
    q, k, v, mask = arguments
    is_causal, scale = read(node, "is_causal"), read(node, "scale")
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    has_groups = q.shape[1] != k.shape[1]  # of queries that share a key
    _check_causal(node, is_causal, q, k)

    variables = [arguments[slot].requires_grad_() for slot in slots]
    with torch.enable_grad(), torch.autocast(q.device.type, enabled=False):
        output = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=is_causal, scale=scale / temperature, enable_gqa=has_groups
        )
    grads = torch.autograd.grad(output, variables, g)
    return {
        slot: coefficient if slot == MASK else coefficient * temperature
        for slot, coefficient in zip(slots, grads, strict=True)
    }


def _arguments(node: Node, temperature: float, is_mask_open: bool) -> tuple[Tensor | None, ...]:
    """Return the queries, keys, values and the mask of the second call, detached."""
    op = operation(node.name())
    q, k, v = (read(node, op.tensors[slot]).detach() for slot in (QUERY, KEY, VALUE))
    mask = read(node, op.tensors[MASK]) if op.slot_kept(MASK) else None
    if mask is None or mask.dtype == torch.bool:
        return q, k, v, mask

    mask = mask.detach()
    if not is_mask_open:  # one entry of what is expanded, so that the division copies no more than was allocated
        mask = mask[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in mask.stride())]
    return q, k, v, mask / temperature


def _check_causal(node: Node, is_causal: bool, q: Tensor, k: Tensor) -> None:
    """Raise for a causal mask that is aligned to the last query and key: the second call aligns it to the first."""
    if is_causal and operation(node.name()).base == "ScaledDotProductFlashAttention" and q.shape[-2] != k.shape[-2]:
        raise RelevanceError(
            f"{node.name()} is causal with {q.shape[-2]} queries and {k.shape[-2]} keys, which the tempered softmax "
            "has no formula for: pass the mask as a tensor (attn_mask)"
        )
