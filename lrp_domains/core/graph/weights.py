"""What a layer is: a product of weights with one factor that carries relevance."""

from __future__ import annotations

from contextlib import nullcontext

import torch

from .checkpoints import Rereading
from .graph import Edge, Graph, Node, dtype_of, shape_of
from .operations import VIEWS, Operation
from .quantised import BIAS, PACKINGS
from .questions import question
from .saved import dimension, keeps, read, unpacking

DENSE = frozenset("Mm Addmm Bmm Baddbmm Mv Addmv Dot SparseAddmm EmbeddingBag Trilinear Mul".split()) | PACKINGS.keys()
CONVOLUTIONS = frozenset(("Convolution",))
# Layers that the layer rules have no formula for.
OTHERS = frozenset("Addbmm Addr Linear MkldnnLinear GroupedMm ConvolutionOverrideable CudnnConvolution ConvTbc".split())
_WITH_WEIGHTS = DENSE | CONVOLUTIONS | OTHERS
_ENTRY_BY_ENTRY = frozenset("Add Sub Rsub Mul Div Neg Scale Pow".split())
# Operations that may come between an attention's scores and its softmax.
_TO_SCORES = VIEWS | frozenset("Add Sub Mul Div Scale MaskedFill Where Tanh Relu Cat".split())


def adds_bias(node: Node, op: Operation) -> int | None:
    """Return the slot of the bias that a layer adds in the same operation, if it adds one."""
    if op.base == "Convolution":
        return 2 if sum(read(node, "bias_sym_sizes_opt") or ()) else None  # (0,) without a bias
    if op.base in PACKINGS:
        return BIAS if len(node.next_functions) > BIAS else None
    return 0 if op.kind == "product" and op.factors == (1, 2) and op.base != "Addcmul" else None


def weight_slot(node: Node, graph: Graph) -> int | None:
    """Return the slot of the factor that carries nothing, if a matrix product or convolution has one."""
    op, slots = graph.operations[node], graph.reaching[node]
    if op.kind != "product" or op.base not in _WITH_WEIGHTS:
        return None
    factors = [slot for slot in op.factors if slot < len(slots)]
    constant = [slot for slot in factors if not slots[slot]]
    return constant[0] if constant and len(constant) == len(factors) - 1 else None


def layers(graph: Graph) -> set[Node]:
    """Return the products whose weights are parameters or computed from parameters.

    A product with a constant matrix, such as an adjacency matrix, a mask or a permutation, is not a layer: a gate times
    it is a gate.
    """
    nodes = _summed_products(graph)
    for node in graph.of(_WITH_WEIGHTS - {"Mul"}):
        if (slot := weight_slot(node, graph)) is None:
            continue
        if graph.edges[node][slot][0] is not None or _kept_parameter(node, slot, graph) is not False:
            nodes.add(node)
    return nodes


def takes_layer_rules(node: Node, graph: Graph) -> bool:
    """Return whether a product is a layer for the rules of layers.py.

    Its weights may be parameters, computed from parameters, or any other tensor in the position of a weight: in a
    convolution that is no fixed filter, or as a matrix on the right of rows of features (dequantised, cast, merged).
    The products of an attention are not layers; but a matrix that is computed only from parameters, on the right of
    rows, makes a layer before a softmax too.
    """
    op, edges = graph.operations[node], graph.edges[node]
    if op.base == "Mul" and node not in graph.once(_summed_products):
        return False
    slot = weight_slot(node, graph)
    if slot is None or dtype_of((node, 0)).is_complex:
        return False

    if op.base == "Mul":
        return True
    if op.base in CONVOLUTIONS:
        return slot == op.factors[1] and not (edges[slot][0] is None and _is_filter(node))

    # A parameter is a weight wherever it is.
    if (leaf := graph.leaf(edges[slot])) is not None:
        return is_parameter(leaf) or len(shape_of((leaf, 0))) <= 2
    if edges[slot][0] is None:
        if op.base in ("Mm", "Addmm") and slot == op.factors[1]:
            return True  # on the right of rows: a weight, whether it is a parameter or not
        if _kept_parameter(node, slot, graph) is not False:
            return True

    # For any other tensor its position decides.
    on_the_right, batched = slot == op.factors[1] and _is_matrix(node, slot, graph), op.base in ("Bmm", "Baddbmm")
    of_attention = node in graph.once(scores) or _is_probability(node, graph)
    if edges[slot][0] is None:
        return on_the_right and not (batched and of_attention)
    of_parameters = all(map(is_parameter, leaves_behind(edges[slot], graph)))
    if of_attention:
        return on_the_right and of_parameters and not batched and not _is_of_data(edges[slot], graph)
    return of_parameters or (on_the_right and not batched)


def _kept_parameter(node: Node, slot: int, graph: Graph) -> bool | None:
    """Return whether a weight that is not in the graph is a parameter; None if autograd didn't keep it."""
    name = graph.operations[node].slot_kept(slot)
    if name is None:
        return None
    if graph.operations[node].base in PACKINGS:
        return True
    return keeps_parameter(node, name)


@question
def keeps_parameter(node: Node, name: str) -> bool | None:
    """Return whether what a node keeps under a name is a parameter, or a view of one; None if it keeps nothing."""
    with Rereading().of(node) if unpacking(node, name) is not None else nullcontext():
        kept = read(node, name, None)
    return None if kept is None else isinstance(kept if kept._base is None else kept._base, torch.nn.Parameter)


@question
def keeps_no_row(node: Node, name: str) -> bool:
    """Return whether what a node keeps under a name belongs to the model, not to the rows of a batch.

    That is a parameter, a vector, or a view of one; or a tensor of three and more dimensions that is no view, such as
    the ``(1, C, 1, 1)`` of a frozen norm. A gate per row and channel is a view of a matrix.
    """
    with Rereading().of(node) if unpacking(node, name) is not None else nullcontext():
        kept = read(node, name)
    whole = kept if kept._base is None else kept._base
    return isinstance(whole, torch.nn.Parameter) or whole.ndim <= 1 or (kept._base is None and kept.ndim > 2)


@question
def _is_filter(node: Node) -> bool:
    """Return whether a convolution has the same kernel for each channel, no parameter, as blurs and poolings have."""
    if (
        read(node, "groups") == 1
        or sum(read(node, "bias_sym_sizes_opt") or ())
        or keeps_parameter(node, "weight") is not False
    ):
        return False
    kernels = read(node, "weight")
    return len(kernels) == read(node, "groups") and kernels.shape[1] == 1 and bool((kernels == kernels[:1]).all())


@question
def is_parameter(leaf: Node) -> bool:
    """Return whether a leaf of a graph is a parameter."""
    return isinstance(leaf.variable, torch.nn.Parameter)


def _is_matrix(node: Node, slot: int, graph: Graph) -> bool:
    """Return whether a factor is one matrix, possibly repeated for a whole batch."""
    name = graph.operations[node].slot_kept(slot)
    kept = None if name is None or unpacking(node, name) is not None else read(node, name, None)
    if graph.operations[node].base in ("Bmm", "Baddbmm"):
        return kept is not None and (len(kept) == 1 or kept.stride(0) == 0)
    return kept is None or kept.ndim <= 2


def _summed_products(graph: Graph) -> set[Node]:
    """Return the products with a parameter that are summed along its entries: ``(x w).sum(-1)`` is ``x @ w``."""
    products = set()
    for node in graph.of(("Sum", "Mean")):
        child = graph.edges[node][0][0]
        if child not in graph.reaching or graph.operations[child].base != "Mul":
            continue

        slot = weight_slot(child, graph)
        edge = (None, 0) if slot is None else graph.edges[child][slot]
        if edge[0] is not None and graph.leaf(edge) is not None:
            shape = shape_of(edge)
        elif edge[0] is None and slot is not None and _kept_parameter(child, slot, graph):
            shape = read(child, graph.operations[child].slot_kept(slot)).shape
        else:
            continue

        # A parameter that is broadcast along a summed dimension scales the sum: it is not a weight of it.
        ndim = len(shape_of((child, 0)))
        dims = [dimension(d, ndim) for d in (read(node, "dim", None) or range(ndim))]
        shape = (1,) * (ndim - len(shape)) + tuple(shape)
        if all(shape[d] > 1 for d in dims):
            products.add(child)
    return products


def _is_probability(node: Node, graph: Graph) -> bool:
    """Return whether one of the factors is the result of a softmax."""
    ends = (graph.through(edge) for edge in graph.edges[node] if graph.leads_to_source(edge))
    return any(end not in graph.sources and graph.operations[end[0]].kind == "softmax" for end in ends)


def scores(graph: Graph) -> set[Node]:
    """Return the products that the argument of a softmax is computed from."""
    pending = [node for node in graph.reaching if graph.operations[node].kind == "softmax"]
    pending += [node for node in graph.reaching if graph.operations[node].base == "Exp"]
    products, seen = set(), set(pending)
    while pending:
        for child, _ in graph.edges[pending.pop()]:
            if child not in graph.reaching or child in seen:
                continue
            seen.add(child)
            if graph.operations[child].base in DENSE - {"Mul"}:
                products.add(child)
            elif graph.operations[child].base in _TO_SCORES:
                pending.append(child)
    return products


def leaves_behind(edge: Edge, graph: Graph) -> list[Node]:
    """Return the leaves behind an edge."""
    return [node for node in _nodes_behind(edge, graph) if hasattr(node, "variable")]


def is_of_no_row(edge: Edge, graph: Graph) -> bool:
    """Return whether the value at an edge is computed from parameters alone, and from each entry on its own.

    A lookup, a selection or a layer may depend on what belongs to a row, such as the class of a picture.
    """
    for node in _nodes_behind(edge, graph):
        op = graph.operations[node]
        if hasattr(node, "variable"):
            if not is_parameter(node):
                return False
        elif op.base not in VIEWS | _ENTRY_BY_ENTRY and op.function is None:
            return False
        for slot in op.factors if op.base in ("Mul", "Div") else ():
            name = op.slot_kept(slot)
            is_constant = slot < len(graph.edges[node]) and graph.edges[node][slot][0] is None
            if is_constant and keeps(node, name) and not keeps_no_row(node, name):
                return False
    return True


def _is_of_data(edge: Edge, graph: Graph) -> bool:
    """Return whether a layer or a lookup is behind an edge, such as for keys that are computed from a context."""
    for node in _nodes_behind(edge, graph):
        op, edges = graph.operations[node], graph.edges[node]
        is_product = op.base in DENSE - {"Mul"} and len(shape_of((node, 0))) > 1
        factors = [edges[slot][0] for slot in op.factors if slot < len(edges)]
        if op.base == "Embedding" or (is_product and None in factors):
            return True
    return False


def _nodes_behind(edge: Edge, graph: Graph) -> list[Node]:
    """Return all nodes behind an edge."""
    nodes, seen = [edge[0]], {edge[0]}
    for node in nodes:  # the list grows
        for child, _ in graph.edges[node]:
            if child is not None and child not in seen:
                seen.add(child)
                nodes.append(child)
    return nodes
