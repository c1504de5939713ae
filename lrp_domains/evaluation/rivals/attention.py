"""Rivals that read attention weights: those of the last layer, and rollout over all layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ...domain import DomainError
from .rival import Problem, Rival, Tensors, as_inputs


def last_attention(position: int | None = None) -> Rival:
    """Return the attention of the last layer, averaged over heads.

    Parameters
    ----------
    position
        Whose attention it is, such as 0 for [CLS] and -1 for a causal model. None: the mean over all positions.
    """
    return Rival(
        "attention of the last layer", partial(_of_attention, lambda layers: layers[-1], position), 0.5, (position,)
    )


def rollout(position: int | None = None) -> Rival:
    """Return attention rollout (Abnar and Zuidema 2020, ACL, eq. 1): the product over layers of ``(A + 1) / 2``, with A
    averaged over heads. `position` as for `last_attention`."""
    return Rival("attention rollout", partial(_of_attention, _rolled_out, position), 0.5, (position,))


def _rolled_out(layers: Sequence[Tensor]) -> Tensor:
    own = torch.eye(layers[0].shape[-1]).to(layers[0])
    product = own.expand_as(layers[0])
    for layer in layers:
        product = (layer + own) / 2 @ product
    return product


@torch.no_grad()
def _of_attention(combined, position: int | None, of: Problem) -> Tensors:
    rows, units = of.inputs[0].shape[:2]
    with _Recorded() as recorded:
        of.score(*of.inputs)
    layers = [weights for weights in recorded.weights if weights.shape == (rows, units, units)]
    if not layers:
        raise DomainError(
            f"{type(of.model).__name__} computes no attention among its {units} units that could be seen: choose "
            "another rival"
        )
    attention = combined(layers)
    if position is None:
        return as_inputs(of, attention.mean(1))
    chosen = attention[:, position]
    if units > 1 and torch.equal(chosen != 0, F.one_hot(chosen.argmax(1), units).bool()):
        raise DomainError(
            f"at position {position}, attention is to one of {units} units alone, as that of a causal model's first "
            "token is: choose another position, or another rival"
        )
    return as_inputs(of, chosen)


class _Recorded(TorchFunctionMode):
    """The attention weights of what runs within, B x T x T, averaged over heads."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Tensor] = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is F.scaled_dot_product_attention:
            self.weights.append(_weights(*args, **kwargs).mean(1))
            return function(*args, **kwargs)
        result = function(*args, **kwargs)
        if function in (torch.softmax, F.softmax, Tensor.softmax) and result.ndim == 4:
            self.weights.append(result.detach().mean(1))
        return result


def _weights(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Compute the weights of fused attention, B x heads x T x T."""
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
    scores = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return scores.softmax(-1).nan_to_num()
