"""Rules for layers with weights, ``z_j = sum_i x_i w_ij + b_j``: dense layers and convolutions.

Each rule is one way of sharing ``R_j`` among the inputs of neuron j. It is written for any linear map
(layers/linear_maps.py), in three steps: what the rule sums over a neuron's inputs, how it divides ``R_j = z_j g_j`` by
that sum, and what it hands back to the inputs, ``g_i = R_i / x_i``, without ever dividing by x. Those for a first layer
are in first_layers.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from ..errors import RelevanceError
from ..layers.linear_maps import Layer
from ..rule import Rule

Tensor = torch.Tensor


@dataclass(frozen=True)
class LayerRule(Rule):
    """A rule for layers with weights.

    Attributes
    ----------
    settings
        Further arguments of the functions below.
    sums
        ``sums(layer, *settings)``: what a layer adds to as many sums over a neuron's inputs as the rule needs.
    result
        ``result(layer, sums)``: what it adds to the neuron's value.
    split
        ``split(r, z, b, sums, *settings)``: the neuron's relevance r divided by the sum that it is shared in proportion
        to; z is the neuron's value, b its bias.
    back
        ``back(layer, s, *settings)``: the layer's input's share of ``s``, the result of ``split``.
    of_bias
        ``of_bias(b, s, *settings)``: the coefficient of the bias.
    is_plain
        Neither the sums nor the bias are needed beside the neuron's value, and ``back`` is the plain derivative.
    absolute
        The rule returns relevance itself instead of relevance / input, so it suits only a layer that reads an input.
    """

    settings: tuple = ()
    sums: Callable = field(default=lambda layer, *settings: (), repr=False)
    result: Callable = field(default=lambda layer, sums: layer.forward(layer.x, layer.w), repr=False)
    split: Callable = field(default=None, repr=False)
    back: Callable = field(default=None, repr=False)
    of_bias: Callable = field(default=lambda b, s, *settings: 0 * s[0], repr=False)
    is_plain: bool = False
    absolute: bool = False

    def parts(self, layer: Layer, *, with_result: bool) -> tuple[Tensor, ...]:
        """Return the sums of a layer that the rule needs, after its result if that is asked for."""
        sums = self.sums(layer, *self.settings)
        return (self.result(layer, sums), *sums) if with_result else sums


# ---- Shared by gamma and alpha-beta: the positive and the negative contributions x_i w_ij. Where no input is negative,
# each comes from the weights of one sign.


def _signed_sums(layer: Layer, *settings: float) -> tuple[Tensor, Tensor]:
    w_plus, w_minus = layer.w.clamp(min=0), layer.w.clamp(max=0)
    x_plus = layer.x if layer.is_nonnegative else layer.x.clamp(min=0)
    plus, minus = layer.forward(x_plus, w_plus), layer.forward(x_plus, w_minus)
    if not layer.is_nonnegative:
        x_minus = layer.x.clamp(max=0)
        plus, minus = plus + layer.forward(x_minus, w_minus), minus + layer.forward(x_minus, w_plus)
    return plus, minus


def _total(layer: Layer, sums: tuple[Tensor, Tensor]) -> Tensor:
    return sums[0] + sums[1]


def _signed_back(layer: Layer, s: tuple[Tensor, Tensor], w_plus: Tensor, w_minus: Tensor) -> Tensor:
    """Hand back by sign: positive contributions come from w+ where x is positive, from w- where it is negative."""
    for_positive = layer.backward(s[0], w_plus) + layer.backward(s[1], w_minus)
    if layer.is_nonnegative:
        return for_positive
    for_negative = layer.backward(s[0], w_minus) + layer.backward(s[1], w_plus)
    return torch.where(layer.x >= 0, for_positive, for_negative)


# ---- epsilon


def epsilon(eps: float = 1e-6) -> LayerRule:
    """``R_i = sum_j x_i w_ij / (z_j + eps sign(z_j)) R_j`` (Bach et al. 2015, eq. 58). ``eps`` is in units of z."""
    return LayerRule(
        f"epsilon({eps:g})",
        settings=(eps,),
        split=_epsilon_split,
        back=_plain_back,
        of_bias=lambda b, s, eps: s[0],
        is_plain=True,
    )


def _epsilon_split(r: Tensor, z: Tensor, b: Tensor, sums: tuple, eps: float) -> tuple[Tensor, ...]:
    return (r / (z + eps * torch.where(z < 0, -1.0, 1.0).to(z.dtype)),)


def _plain_back(layer: Layer, s: tuple[Tensor, ...], *settings: float) -> Tensor:
    return layer.backward(s[0], layer.w)


# ---- gamma


def gamma(gamma: float = 0.25) -> LayerRule:
    """LRP-0 with ``w + gamma w+`` for w: positive contributions count more (Montavon et al. 2019, sec. 10.2.3);
    generalised to inputs and outputs of both signs (Andéol et al. 2021).

    Where ``z_j > 0``: ``R_i = (x_i w_ij + gamma (x_i w_ij)+) / (z_j + gamma (sum_i (x_i w_ij)+ + b_j+)) R_j``; where
    ``z_j < 0`` the same with the negative parts.
    """
    return LayerRule(
        f"gamma({gamma:g})",
        settings=(gamma,),
        sums=_signed_sums,
        result=_total,
        split=_gamma_split,
        back=_gamma_back,
        of_bias=_gamma_of_bias,
    )


def _gamma_split(r: Tensor, z: Tensor, b: Tensor, sums: tuple, gamma: float) -> tuple[Tensor, Tensor]:
    plus, minus = sums[0] + b.clamp(min=0), sums[1] + b.clamp(max=0)
    return torch.where(z > 0, r / (z + gamma * plus), 0.0), torch.where(z < 0, r / (z + gamma * minus), 0.0)


def _gamma_back(layer: Layer, s: tuple[Tensor, Tensor], gamma: float) -> Tensor:
    w = layer.w
    return _signed_back(layer, s, w + gamma * w.clamp(min=0), w + gamma * w.clamp(max=0))


def _gamma_of_bias(b: Tensor, s: tuple[Tensor, Tensor], gamma: float) -> Tensor:
    return s[0] * (1 + gamma * (b > 0).to(b.dtype)) + s[1] * (1 + gamma * (b < 0).to(b.dtype))


# ---- alpha-beta


def alpha_beta(alpha: float = 2.0, beta: float = 1.0) -> LayerRule:
    """``R_i = sum_j (alpha (x_i w_ij)+ / z_j+ - beta (x_i w_ij)- / z_j-) R_j``, with ``alpha - beta = 1`` (Bach et al.
    2015, eq. 60). The parts are those of the contributions ``x_i w_ij`` and of the bias; ``alpha_beta(1, 0)`` is z+.
    """
    if abs(alpha - beta - 1) > 1e-9 or beta < 0:
        raise RelevanceError(
            f"alpha_beta requires alpha - beta = 1 and beta >= 0, got alpha={alpha:g} and beta={beta:g}"
        )
    if beta == 0:
        return LayerRule(
            f"alpha_beta({alpha:g}, {beta:g})",
            sums=_positive_sums,
            split=_positive_split,
            back=_positive_back,
            of_bias=lambda b, s: s[0] * (b > 0),
        )
    return LayerRule(
        f"alpha_beta({alpha:g}, {beta:g})",
        settings=(alpha, beta),
        sums=_signed_sums,
        result=_total,
        split=_alpha_beta_split,
        back=_alpha_beta_back,
        of_bias=_alpha_beta_of_bias,
    )


def _alpha_beta_split(r: Tensor, z: Tensor, b: Tensor, sums: tuple, alpha: float, beta: float) -> tuple[Tensor, Tensor]:
    plus, minus = sums[0] + b.clamp(min=0), sums[1] + b.clamp(max=0)
    return torch.where(plus > 0, alpha * r / plus, 0.0), torch.where(minus < 0, -beta * r / minus, 0.0)


def _alpha_beta_back(layer: Layer, s: tuple[Tensor, Tensor], alpha: float, beta: float) -> Tensor:
    return _signed_back(layer, s, layer.w.clamp(min=0), layer.w.clamp(max=0))


def _alpha_beta_of_bias(b: Tensor, s: tuple[Tensor, Tensor], alpha: float, beta: float) -> Tensor:
    return s[0] * (b > 0) + s[1] * (b < 0)


# ---- z+, which needs no negative contributions


def _positive_sums(layer: Layer) -> tuple[Tensor]:
    if layer.is_nonnegative:
        return (layer.forward(layer.x, layer.w.clamp(min=0)),)
    plus = layer.forward(layer.x.clamp(min=0), layer.w.clamp(min=0))
    return (plus + layer.forward(layer.x.clamp(max=0), layer.w.clamp(max=0)),)


def _positive_split(r: Tensor, z: Tensor, b: Tensor, sums: tuple) -> tuple[Tensor]:
    plus = sums[0] + b.clamp(min=0)
    return (torch.where(plus > 0, r / plus, 0.0),)


def _positive_back(layer: Layer, s: tuple[Tensor]) -> Tensor:
    for_positive = layer.backward(s[0], layer.w.clamp(min=0))
    if layer.is_nonnegative:
        return for_positive
    return torch.where(layer.x >= 0, for_positive, layer.backward(s[0], layer.w.clamp(max=0)))
