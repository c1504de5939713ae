"""Rules for a first layer, which reads the explained inputs.

They give relevance even to inputs that are 0, so they hand back relevance itself instead of relevance / input.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..layers.linear_maps import Layer
from .layers import LayerRule

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class _Bound:
    """A tensor among a rule's settings, compared by identity."""

    value: Tensor


def z_box(low: float | Tensor, high: float | Tensor) -> LayerRule:
    """``R_i = sum_j (x_i w_ij - l_i w_ij+ - h_i w_ij-) / (sum_i ...) R_j`` for a first layer whose inputs are in
    ``[low, high]`` (zB of Montavon et al. 2017, eq. 17). The bounds are numbers or tensors that broadcast to the
    model's input; padding, scaling and normalisation between the input and the layer are applied to them too.
    """
    shown = ", ".join(f"{b:g}" if isinstance(b, int | float) else "tensor" for b in (low, high))
    settings = tuple(_Bound(b) if isinstance(b, Tensor) else b for b in (low, high))
    return LayerRule(
        f"z_box({shown})", settings=settings, sums=_box_sums, split=_first_split, back=_box_back, absolute=True
    )


def _box(layer: Layer, low, high) -> tuple[Tensor, Tensor]:
    """Return ``x - l`` and ``x - h``."""
    return layer.way.margins("z_box", *(b.value if isinstance(b, _Bound) else b for b in (low, high)))


def _box_sums(layer: Layer, low, high) -> tuple[Tensor]:
    above, below = _box(layer, low, high)
    return (layer.forward(above, layer.w.clamp(min=0)) + layer.forward(below, layer.w.clamp(max=0)),)


def _box_back(layer: Layer, s: tuple[Tensor], low, high) -> Tensor:
    (above, below), w = _box(layer, low, high), layer.w
    return above * layer.backward(s[0], w.clamp(min=0)) + below * layer.backward(s[0], w.clamp(max=0))


def _first_split(r: Tensor, z: Tensor, b: Tensor, sums: tuple, *settings) -> tuple[Tensor]:
    return (_safe_divide(r, sums[0]),)


def w_squared(bias: bool = False) -> LayerRule:
    """``R_i = sum_j w_ij^2 / sum_i w_ij^2 R_j`` for a first layer with unbounded inputs (Montavon 2017, eq. 14).
    Scaling between the model's input and the layer counts as a part of the weights.

    With ``bias`` the sum includes the square of the bias, as in zennit, and the bias keeps its share.
    """
    return LayerRule(
        "w_squared(bias)" if bias else "w_squared",
        settings=(bias,),
        sums=_square_sums,
        split=_square_split,
        back=_square_back,
        of_bias=_square_of_bias,
        absolute=True,
    )


def _square_sums(layer: Layer, bias: bool) -> tuple[Tensor]:
    return (layer.forward(layer.way.slope("w_squared") ** 2, layer.w**2),)


def _square_split(r: Tensor, z: Tensor, b: Tensor, sums: tuple, bias: bool) -> tuple[Tensor]:
    return (_safe_divide(r, sums[0] + b**2 if bias else sums[0]),)


def _square_back(layer: Layer, s: tuple[Tensor], bias: bool) -> Tensor:
    return layer.way.slope("w_squared") ** 2 * layer.backward(s[0], layer.w**2)


def _square_of_bias(b: Tensor, s: tuple[Tensor], bias: bool) -> Tensor:
    return b * s[0] if bias else 0 * s[0]


def flat() -> LayerRule:
    """``R_i = sum_j R_j / n_j``: the n inputs of a neuron get equal shares (Lapuschkin et al. 2019). For a first layer;
    padding doesn't count as an input."""
    return LayerRule("flat", sums=_flat_sums, split=_first_split, back=_flat_back, absolute=True)


def _flat_sums(layer: Layer) -> tuple[Tensor]:
    is_of_input = (layer.way.slope("flat") != 0).to(layer.w.dtype)
    return (layer.forward(is_of_input, torch.ones_like(layer.w)),)


def _flat_back(layer: Layer, s: tuple[Tensor]) -> Tensor:
    return layer.backward(s[0], torch.ones_like(layer.w))


def _safe_divide(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(b == 0, 0.0, a / b.masked_fill(b == 0, 1.0))
