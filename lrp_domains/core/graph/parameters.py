"""Names for the nodes of a graph: which parameters a node uses, and in which module it was made."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable

import torch

from .graph import Graph
from .operations import Node
from .saved import memory, unpacking
from .saved import names as kept_names
from .weights import leaves_behind, takes_layer_rules, weight_slot


class ParameterNames:
    """The names of a model's parameters, and which of them a node uses; ``frozen`` are those without grad."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._by_identity = defaultdict(set)
        self._by_address = defaultdict(set)
        self._end = defaultdict(int)
        frozen: dict[int, str] = {}
        for name, parameter in model.named_parameters(remove_duplicate=False):
            self._by_identity[id(parameter)].add(name)
            if not parameter.requires_grad:
                frozen.setdefault(id(parameter), name)
            start = parameter.data_ptr()
            self._by_address[start].add(name)
            self._end[start] = max(self._end[start], start + parameter.nbytes)
        self._starts = sorted(self._by_address)
        self.frozen = tuple(frozen.values())

    @property
    def all(self) -> set[str]:
        return {name for names in self._by_identity.values() for name in names}

    def of(self, node: Node, graph: Graph) -> frozenset[str]:
        """Return the names of the parameters among the node's inputs, also behind views.

        For a layer, include those that its weights are computed from: by a weight norm, a mask, a low-rank update, ...
        """
        names = set()
        for edge in graph.edges[node]:
            if edge[0] is not None:
                names |= self._by_identity.get(id(graph.variable(edge)), set())

        op = graph.operations[node]
        if op.kind == "product" and op.base != "Mul" and node in graph.reaching and takes_layer_rules(node, graph):
            weights = graph.edges[node][weight_slot(node, graph)]
            for leaf in leaves_behind(weights, graph) if weights[0] is not None else ():
                names |= self._by_identity.get(id(leaf.variable), set())

        # A frozen weight isn't in the graph: its only trace is the memory that the node keeps.
        for kept in kept_names(op) if op.kind in ("product", "norm", "batch_norm") else ():
            tensor = None if unpacking(node, kept) is not None else memory(node, kept)
            if isinstance(tensor, torch.Tensor) and not tensor.is_sparse:
                names |= self._by_identity.get(id(tensor), set())
                names |= self._at(tensor.data_ptr()) if tensor.data_ptr() else frozenset()
        return frozenset(names)

    def _at(self, address: int) -> set[str]:
        """Return the names of the parameter at an address, which may be inside it, as in multi-head attention."""
        start = self._starts[bisect_right(self._starts, address) - 1] if self._starts else 0
        return self._by_address[start] if start <= address < self._end[start] else set()

    def of_tensor(self, tensor: torch.Tensor) -> str | None:
        """Return the name of a parameter; of several, the first in alphabetical order."""
        return min(self._by_identity.get(id(tensor), ()), default=None)


def modules(graph: Graph, names: ParameterNames, nodes: Iterable[Node] | None = None) -> dict[Node, str]:
    """Return for each node the module whose parameter it uses, or the module whose result it reads.

    Parameters
    ----------
    graph, names
        The graph, and the parameters of the model.
    nodes
        Only these nodes, and those they are named by: most of a large graph needs no name. None: all.
    """
    module_of: dict[Node, str | None] = {}
    for wanted in graph.order if nodes is None else nodes:
        pending = [wanted]
        while pending:
            node = pending[-1]
            if node not in module_of:
                parameter = min(names.of(node, graph), default=None)
                module_of[node] = None if parameter is None else parameter.rpartition(".")[0]
            behind = [] if module_of[node] is not None else [child for child, _ in graph.edges[node] if child]
            # The first of the inputs that has a name, from first to last.
            named = next((child for child in behind if module_of.get(child, "") is not None), None)
            if named is not None and named not in module_of:
                pending.append(named)
                continue
            if named is not None:
                module_of[node] = module_of[named]
            pending.pop()
    return {node: module for node, module in module_of.items() if module is not None}
