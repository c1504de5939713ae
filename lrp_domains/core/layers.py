"""Rules for layers with weights, ``z_j = sum_i x_i w_ij + b_j``: dense layers and convolutions.

Each rule is one way of sharing ``R_j`` among the inputs of neuron j. It is written for any linear map:
``forward(x, w)`` is ``sum_i x_i w_ij``, ``backward(s, w)`` is ``sum_j w_ij s_j``. With ``R_j = z_j g_j`` coming in, a
rule hands on ``g_i = R_i / x_i``, which never divides by x. The rules of the first layer (`z_box`, `w_squared`,
`flat`) give an input relevance even where it is 0; they hand on ``R_i`` itself.

The layer's input must be in the graph: autograd keeps it where the weight requires grad.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from .activations import wide
from .errors import RelevanceError
from .graph import Edge
from .operations import operation
from .rule import Grads, Node, Rule, Slots

Tensor = torch.Tensor


@dataclass(frozen=True)
class Layer:
    """One linear map of the graph, with what a rule needs of it."""

    x: Tensor
    w: Tensor
    b: Tensor
    forward: Callable[[Tensor, Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]

    def z(self) -> Tensor:
        return self.forward(self.x, self.w) + self.b


def epsilon(eps: float = 1e-6) -> Rule:
    """``R_i = sum_j x_i w_ij / (z_j + eps sign(z_j)) R_j`` (Bach et al. 2015, eq. 58). ``eps`` is in units of z."""

    def share(layer: Layer, g: Tensor) -> tuple[Tensor, Tensor]:
        z = layer.z()
        s = z * g / (z + eps * torch.where(z < 0, -1.0, 1.0).to(z.dtype))
        return layer.backward(s, layer.w), s

    return _layer_rule(f"epsilon({eps:g})", share)


def gamma(gamma: float = 0.25) -> Rule:
    """The epsilon rule with ``w + gamma w+``, favouring what speaks for the neuron (Montavon et al. 2019, sec. 10.2.3),
    generalised to inputs and outputs of both signs (Andéol et al. 2021).

    Where ``z_j > 0``: ``R_i = (x_i w_ij + gamma (x_i w_ij)+) / (z_j + gamma (sum_i (x_i w_ij)+ + b_j+)) R_j``; where
    ``z_j < 0`` the same with the negative parts.
    """

    def share(layer: Layer, g: Tensor) -> tuple[Tensor, Tensor]:
        z, (plus, minus) = layer.z(), _signed_sums(layer)
        r = z * g
        s_plus = torch.where(z > 0, r / (z + gamma * plus), 0.0)
        s_minus = torch.where(z < 0, r / (z + gamma * minus), 0.0)
        w_plus, w_minus = layer.w + gamma * layer.w.clamp(min=0), layer.w + gamma * layer.w.clamp(max=0)
        for_positive = layer.backward(s_plus, w_plus) + layer.backward(s_minus, w_minus)
        for_negative = layer.backward(s_plus, w_minus) + layer.backward(s_minus, w_plus)
        positive, negative = (layer.b > 0).to(z.dtype), (layer.b < 0).to(z.dtype)
        for_bias = s_plus * (1 + gamma * positive) + s_minus * (1 + gamma * negative)
        return torch.where(layer.x >= 0, for_positive, for_negative), for_bias

    return _layer_rule(f"gamma({gamma:g})", share)


def alpha_beta(alpha: float = 2.0, beta: float = 1.0) -> Rule:
    """``R_i = sum_j (alpha (x_i w_ij)+ / z_j+ - beta (x_i w_ij)- / z_j-) R_j``, with ``alpha - beta = 1`` (Bach et al.
    2015, eq. 60). The parts are those of the contributions ``x_i w_ij`` and of the bias; ``alpha_beta(1, 0)`` is z+.
    """
    if abs(alpha - beta - 1) > 1e-9 or beta < 0:
        raise RelevanceError(f"alpha_beta needs alpha - beta = 1 and beta >= 0, not alpha={alpha:g}, beta={beta:g}")

    def share(layer: Layer, g: Tensor) -> tuple[Tensor, Tensor]:
        r, (plus, minus) = layer.z() * g, _signed_sums(layer)
        s_plus = torch.where(plus > 0, alpha * r / plus, 0.0)
        s_minus = torch.where(minus < 0, -beta * r / minus, 0.0)
        w_plus, w_minus = layer.w.clamp(min=0), layer.w.clamp(max=0)
        for_positive = layer.backward(s_plus, w_plus) + layer.backward(s_minus, w_minus)
        for_negative = layer.backward(s_plus, w_minus) + layer.backward(s_minus, w_plus)
        for_bias = s_plus * (layer.b > 0) + s_minus * (layer.b < 0)
        return torch.where(layer.x >= 0, for_positive, for_negative), for_bias

    return _layer_rule(f"alpha_beta({alpha:g}, {beta:g})", share)


def z_box(low: float | Tensor, high: float | Tensor) -> Rule:
    """``R_i = sum_j (x_i w_ij - l_i w_ij+ - h_i w_ij-) / (sum_i ...) R_j`` for a first layer whose inputs lie in
    ``[low, high]`` (zB of Montavon et al. 2017, eq. 17). The bounds are numbers or tensors that broadcast to the input.
    """

    def share(layer: Layer, g: Tensor) -> tuple[Tensor, Tensor]:
        x, w = layer.x, layer.w
        l, h = (torch.as_tensor(bound, dtype=x.dtype, device=x.device).expand_as(x) for bound in (low, high))
        if ((x < l) | (x > h)).any():
            raise RelevanceError(
                f"z_box: inputs reach from {x.min():g} to {x.max():g}, outside the bounds given; "
                "name bounds that hold for this layer's input"
            )
        w_plus, w_minus = w.clamp(min=0), w.clamp(max=0)
        z = layer.forward(x, w) - layer.forward(l, w_plus) - layer.forward(h, w_minus)
        s = _safe_divide(layer.z() * g, z)
        return x * layer.backward(s, w) - l * layer.backward(s, w_plus) - h * layer.backward(s, w_minus), 0 * s

    bounds = ", ".join(f"{b:g}" if isinstance(b, int | float) else "tensor" for b in (low, high))
    return _layer_rule(f"z_box({bounds})", share, absolute=True)


def w_squared() -> Rule:
    """``R_i = sum_j w_ij^2 / sum_i w_ij^2 R_j`` for a first layer with unbounded inputs (Montavon 2017, eq. 14)."""

    def share(layer: Layer, g: Tensor) -> tuple[Tensor, Tensor]:
        w2 = layer.w**2
        s = _safe_divide(layer.z() * g, layer.forward(torch.ones_like(layer.x), w2))
        return layer.backward(s, w2), 0 * s

    return _layer_rule("w_squared", share, absolute=True)


def flat() -> Rule:
    """``R_i = sum_j R_j / n_j``: the n inputs of a neuron share alike (Lapuschkin et al. 2019). For a first layer."""

    def share(layer: Layer, g: Tensor) -> tuple[Tensor, Tensor]:
        ones = torch.ones_like(layer.w)
        s = _safe_divide(layer.z() * g, layer.forward(torch.ones_like(layer.x), ones))
        return layer.backward(s, ones), 0 * s

    return _layer_rule("flat", share, absolute=True)


def _signed_sums(layer: Layer) -> tuple[Tensor, Tensor]:
    """``sum_i (x_i w_ij)+ + b_j+`` and the same of the negative parts."""
    x_plus, x_minus = layer.x.clamp(min=0), layer.x.clamp(max=0)
    w_plus, w_minus = layer.w.clamp(min=0), layer.w.clamp(max=0)
    plus = layer.forward(x_plus, w_plus) + layer.forward(x_minus, w_minus) + layer.b.clamp(min=0)
    minus = layer.forward(x_plus, w_minus) + layer.forward(x_minus, w_plus) + layer.b.clamp(max=0)
    return plus, minus


def _safe_divide(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(b == 0, 0.0, a / b.masked_fill(b == 0, 1.0))


def _layer_rule(name: str, share: Callable[[Layer, Tensor], tuple[Tensor, Tensor]], absolute: bool = False) -> Rule:
    """A rule from ``share``: the coefficient of the layer's input, and for each neuron that of its bias."""

    def shares(node: Node, carries: Slots, g: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor, Layer, int]:
        layer, input_slot = _layer(node, carries, name)
        layer = layer if bias is None else replace(layer, b=wide(bias))
        return *share(layer, wide(g)), layer, input_slot

    def backward(node: Node, carries: Slots, gi: Grads, go: Grads, bias: Tensor | None = None) -> Grads:
        of_input, of_bias, layer, input_slot = shares(node, carries, go[0], bias)
        result = list(gi)
        result[input_slot] = of_input.to(go[0].dtype)
        bias_slot = _BIAS_SLOTS.get(operation(node.name()).base)
        if bias_slot is not None and carries[bias_slot]:  # only the ledger asks for it
            result[bias_slot] = of_bias.sum_to_size(layer.b.shape).view_as(gi[bias_slot]).to(go[0].dtype)
        return tuple(result)

    return Rule(name, backward=backward, absolute=absolute, shares=shares)


# The factors as each node names them, and the slot of the bias where the node has one.
LAYER_FACTORS = {
    "Mm": ("self", "mat2"), "Bmm": ("self", "mat2"), "Mv": ("self", "vec"),
    "Addmm": ("mat1", "mat2"), "Baddbmm": ("batch1", "batch2"), "Addmv": ("mat", "vec"),
}  # fmt: skip
_BIAS_SLOTS = {"Addmm": 0, "Baddbmm": 0, "Addmv": 0, "Convolution": 2}


def _layer(node: Node, carries: Slots, rule: str) -> tuple[Layer, int]:
    """The linear map at a node, and the slot of its input."""
    base = operation(node.name()).base
    if base == "Convolution":
        return _convolution(node, rule), 0
    first, second = operation(node.name()).factors
    slot = first if carries[first] else second
    a, b = (getattr(node, f"_saved_{name}") for name in LAYER_FACTORS[base])
    x, w = (a, b) if slot == first else (b, a)
    if x is None:
        raise _input_not_kept(rule)
    x, w = wide(x), wide(w)
    bias = x.new_zeros(())
    if base in _BIAS_SLOTS:
        if (node._saved_alpha, node._saved_beta) != (1, 1):
            raise RelevanceError(
                f"the {rule} rule meets {base.lower()} with alpha or beta other than 1, which no layer uses"
            )
        bias = _bias(node.next_functions[0], rule)
    if slot == second:
        return Layer(x, w, bias, lambda x, w: w @ x, lambda s, w: w.mT @ s), slot
    if w.ndim == 1:  # many inputs, one neuron
        return Layer(x, w, bias, lambda x, w: x @ w, lambda s, w: s[..., None] * w), slot
    return Layer(x, w, bias, lambda x, w: x @ w, lambda s, w: s @ w.mT), slot


def _convolution(node: Node, rule: str) -> Layer:
    x, w = node._saved_input, node._saved_weight
    if x is None:
        raise _input_not_kept(rule)
    x, w = wide(x), wide(w)
    geometry = [
        getattr(node, f"_saved_{name}")
        for name in ("stride", "padding", "dilation", "transposed", "output_padding", "groups")
    ]

    def forward(x: Tensor, w: Tensor) -> Tensor:
        return torch.ops.aten.convolution(x, w, None, *geometry)

    def backward(s: Tensor, w: Tensor) -> Tensor:
        only_input = [True, False, False]
        return torch.ops.aten.convolution_backward(s, x, w, None, *geometry, only_input)[0]

    bias = x.new_zeros(())
    if sum(node._saved_bias_sym_sizes_opt or ()):  # (0,) where there is none
        bias = _bias(node.next_functions[2], rule).view(-1, *[1] * (x.ndim - 2))
    return Layer(x, w, bias, forward, backward)


def _bias(edge: Edge, rule: str) -> Tensor:
    node = edge[0]
    while node is not None and operation(node.name()).base in ("ToCopy", "Expand"):  # a cast, as under autocast
        node = node.next_functions[0][0]
    bias = getattr(node, "variable", None)
    if bias is None:
        raise RelevanceError(
            f"the {rule} rule needs the layer's bias, which is not in the graph because it is frozen or computed; "
            "call model.requires_grad_(True) before the forward pass"
        )
    return wide(bias.detach())


def _input_not_kept(rule: str) -> RelevanceError:
    return RelevanceError(
        f"the {rule} rule needs the layer's input, which autograd did not keep because the weight is frozen; "
        "call model.requires_grad_(True) before the forward pass, or use a rule set without layer rules (ATTN_LRP)"
    )
