"""Layers as linear maps: their input, their weights, and how the two are multiplied, for each kind of product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from ..errors import RelevanceError
from ..graph.graph import Graph, Node
from ..graph.quantised import PACKINGS
from ..graph.saved import keeps, read
from ..graph.weights import adds_bias, weight_slot
from ..roles.roles import Roles
from .first_layers import Way
from .signs import is_nonnegative

Tensor = torch.Tensor


@dataclass(frozen=True)
class Layer:
    """One linear map of the graph.

    Attributes
    ----------
    x, w
        Its input and its weights.
    forward
        ``forward(x, w)`` is ``sum_i x_i w_ij``.
    backward
        ``backward(s, w)`` is ``sum_j w_ij s_j``.
    slot
        The slot at which the node takes its input.
    way
        The path from the explained inputs to that slot (first_layers.py).
    is_nonnegative
        Whether the input can't be negative.
    """

    x: Tensor
    w: Tensor
    forward: Callable[[Tensor, Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]
    slot: int
    way: Way
    is_nonnegative: bool = False

    def result(self) -> Tensor:
        """Return what the layer computes, without a bias."""
        return self.forward(self.x, self.w)

    def scaled(self, number: float) -> Layer:
        """Return the layer with its weights multiplied by a number."""
        return self if number == 1 else replace(self, w=self.w * number)


def layer_at(node: Node, graph: Graph) -> Layer:
    """Return the linear map at a node, and whether its input can't be negative.

    Raises
    ------
    RelevanceError
        Autograd didn't keep the input, as the weight is frozen, and it can't be computed from what was kept.
    """
    op = graph.operations[node]
    of_weight = weight_slot(node, graph)
    slot = next(factor for factor in op.factors if factor != of_weight and graph.reaching[node][factor])
    x, w = kept_factor(node, slot, graph), kept_factor(node, of_weight, graph)
    if x is None or w is None:
        remedy = (
            "the weight is frozen or a buffer; call model.requires_grad_(True) before the forward pass, make buffers "
            "Parameters"
        )
        if op.base in PACKINGS:
            remedy = "the weight is quantised; dequantise the model (model.dequantize())"
        raise RelevanceError(
            f"a layer rule needs the {'input' if x is None else 'weights'} of {node.name()}, which autograd did not "
            f"keep because {remedy}, or use a rule set without layer rules (ATTN_LRP)"
        )
    behind = graph.edges[node][slot]
    return replace(_linear_map(node, x, w, slot, Way(behind, graph)), is_nonnegative=is_nonnegative(behind, graph))


def _linear_map(node: Node, x: Tensor, w: Tensor, slot: int, way: Way) -> Layer:
    """Return the linear map of an input and weights at a node."""
    graph, op = way.graph, way.graph.operations[node]
    if op.base == "Convolution":
        return Layer(x, w, *_convolution(node, x), slot, way)
    if op.base == "Mul":
        return Layer(x, w, lambda x, w: x * w, lambda s, w: (s * w).sum_to_size(x.shape), slot, way)
    if op.base == "EmbeddingBag":
        return Layer(x, w[graph.once(Roles).values.kept(node, "indices")], *_bag(node, graph), slot, way)
    if op.base == "Trilinear":
        w = _of_bilinear(node, w, slot, graph)
        return Layer(x, w, lambda x, w: (x[:, None] @ w)[:, 0], lambda s, w: (w @ s[..., None])[..., 0], slot, way)

    # Matrix products.
    alpha = read(node, "alpha", 1)
    w = (w.to_dense() if w.is_sparse else w) * alpha if alpha != 1 or w.is_sparse else w
    if w.ndim == 1 and x.ndim == 1:  # one neuron
        return Layer(x, w, lambda x, w: x @ w, lambda s, w: s * w, slot, way)
    if slot == op.factors[1]:
        return Layer(x, w, lambda x, w: w @ x, lambda s, w: w.mT @ s, slot, way)
    if w.ndim == 1:  # one neuron per row
        return Layer(x, w, lambda x, w: x @ w, lambda s, w: s[..., None] * w, slot, way)
    return Layer(x, w, lambda x, w: x @ w, lambda s, w: s @ w.mT, slot, way)


def is_kept(node: Node, graph: Graph) -> bool:
    """Return whether autograd kept the input and the weights of a layer."""
    op = graph.operations[node]
    return all(keeps(node, op.slot_kept(slot)) for slot in op.factors[:2])


def kept_factor(node: Node, slot: int, graph: Graph) -> Tensor | None:
    """Return a factor of a layer, as it was kept or computed from what was kept."""
    name = graph.operations[node].slot_kept(slot)
    if keeps(node, name):
        return graph.once(Roles).values.kept(node, name)
    return graph.once(Roles).values.value(graph.edges[node][slot])


def own_bias(node: Node, graph: Graph) -> Tensor | None:
    """Return the bias that a layer adds in the same operation; None if it leaves no trace."""
    op = graph.operations[node]
    convolution = op.base == "Convolution"
    bias = graph.once(Roles).values.value(graph.edges[node][adds_bias(node, op)])
    if bias is None:
        return None
    ndim = len(node._input_metadata[0].shape)
    return bias.view(-1, *[1] * (ndim - 2)) if convolution else bias * read(node, "beta", 1)


def _bag(node: Node, graph: Graph) -> tuple[Callable, Callable]:
    """Return forward and backward of a bag of embeddings, weighted by x; w are the rows that were looked up."""
    bags, count = graph.once(Roles).values.kept(node, "result1"), node._input_metadata[0].shape[0]

    def forward(x: Tensor, w: Tensor) -> Tensor:
        return w.new_zeros(count, w.shape[-1]).index_add(0, bags, x[:, None] * w)

    return forward, lambda s, w: (s[bags] * w).sum(-1)


def _of_bilinear(node: Node, w: Tensor, slot: int, graph: Graph) -> Tensor:
    """Return the weights of a bilinear layer whose other input is a constant: one matrix per row."""
    if list(read(node, "sumdim")) != [2, 3]:
        raise RelevanceError(f"the layer rules have no formula for {node.name()} as it is used here")
    other = kept_factor(node, 2 - slot, graph)
    return torch.einsum("oik,bk->bio" if slot == 0 else "oki,bk->bio", w, other)


def _convolution(node: Node, x: Tensor) -> tuple[Callable, Callable]:
    """Return forward and backward of a convolution without its bias."""
    names = ("stride", "padding", "dilation", "transposed", "output_padding", "groups")
    geometry = [read(node, name) for name in names]

    def forward(x: Tensor, w: Tensor) -> Tensor:
        return torch.ops.aten.convolution(x, w, None, *geometry)

    def backward(s: Tensor, w: Tensor) -> Tensor:
        only_input = [True, False, False]
        return torch.ops.aten.convolution_backward(s, x, w, None, *geometry, only_input)[0]

    return forward, backward
