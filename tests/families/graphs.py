"""Graph layers of PyTorch Geometric, and its attention layers written densely with torch.

Nodes have ``WIDTH`` features. On a full graph every node attends to all nodes, itself included, so a layer over its
edges is the dense attention of a sequence.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .models import redraw
from .packages import package

NODES, WIDTH, HEADS, SIZE = 6, 5, 2, 4
FULL = torch.cartesian_prod(torch.arange(NODES), torch.arange(NODES)).T.contiguous()
# Each node has two neighbours, the one before it and the second after it; one edge occurs twice.
NODE = torch.arange(NODES)
SOURCES = torch.cat([NODE - 1, NODE + 2, NODE[:1]]) % NODES
SPARSE = torch.stack([SOURCES, torch.cat([NODE, NODE, NODE[1:2]])])
IN_DEGREES = torch.bincount(torch.bincount(SPARSE[1], minlength=NODES))


def disjoint(edges: Tensor, graphs: int) -> Tensor:
    """Return the edges of several graphs with the same edges, as one graph."""
    return torch.cat([edges + NODES * number for number in range(graphs)], dim=1)


# ---- Dense attention: rows, queries i, keys j, heads h, channels c ----------------------------------------------


def by_heads(x: Tensor) -> Tensor:
    return x.unflatten(-1, (HEADS, SIZE))


def weighted(scores: Tensor, values: Tensor) -> Tensor:
    return torch.einsum("bijh,bjhc->bihc", scores.softmax(2), values).flatten(2)


def gat(layer: nn.Module, x: Tensor) -> Tensor:
    h = by_heads(layer.lin(x))
    of_key, of_query = (h * layer.att_src).sum(-1), (h * layer.att_dst).sum(-1)
    return weighted(F.leaky_relu(of_key[:, None] + of_query[:, :, None], 0.2), h) + layer.bias


def gat_v2(layer: nn.Module, x: Tensor) -> Tensor:
    key, query = by_heads(layer.lin_l(x)), by_heads(layer.lin_r(x))
    both = F.leaky_relu(key[:, None] + query[:, :, None], 0.2)
    return weighted((both * layer.att).sum(-1), key) + layer.bias


def transformer(layer: nn.Module, x: Tensor) -> Tensor:
    q, k, v = (by_heads(linear(x)) for linear in (layer.lin_query, layer.lin_key, layer.lin_value))
    return weighted(torch.einsum("bihc,bjhc->bijh", q, k) / SIZE**0.5, v) + layer.lin_skip(x)


def super_gat(layer: nn.Module, x: Tensor) -> Tensor:
    h = by_heads(layer.lin(x))
    gate = torch.einsum("bihc,bjhc->bijh", h, h).sigmoid()
    of_key, of_query = (h * layer.att_l).sum(-1), (h * layer.att_r).sum(-1)
    return weighted(F.leaky_relu((of_key[:, None] + of_query[:, :, None]) * gate, 0.2), h) + layer.bias


def agnn(layer: nn.Module, x: Tensor) -> Tensor:
    unit = F.normalize(x, dim=-1)
    return (layer.beta * (unit @ unit.mT)).softmax(-1) @ x


# ---- The layers ------------------------------------------------------------------------------------------------

OF_HEADS = {"in_channels": WIDTH, "out_channels": SIZE, "heads": HEADS}
ATTENTION: dict[str, tuple[dict[str, Any], Callable[[nn.Module, Tensor], Tensor]]] = {
    "GATConv": (OF_HEADS | {"add_self_loops": False}, gat),
    "GATv2Conv": (OF_HEADS | {"add_self_loops": False}, gat_v2),
    "TransformerConv": (OF_HEADS, transformer),
    "SuperGATConv": (OF_HEADS | {"add_self_loops": False}, super_gat),
    "AGNNConv": ({"add_self_loops": False}, agnn),
}


def perceptron(before: int) -> nn.Module:
    return nn.Sequential(nn.Linear(before, 8), nn.ReLU(), nn.Linear(8, SIZE))


def with_options(kind: str, *arguments: Any, **options: Any) -> Callable[[], nn.Module]:
    return lambda: getattr(package("torch_geometric.nn"), kind)(*arguments, **options)


def learned_power() -> nn.Module:
    return with_options("SAGEConv", WIDTH, SIZE, aggr=with_options("PowerMeanAggregation", learn=True)())()


SAGE = partial(with_options, "SAGEConv", WIDTH, SIZE)
STATISTICS = ["mean", "min", "max", "std", "var", "sum"]
SCALERS = ["identity", "amplification", "attenuation", "linear", "inverse_linear"]
LAYERS: dict[str, Callable[[], nn.Module]] = {
    **{kind: with_options(kind, **options) for kind, (options, _) in ATTENTION.items()},
    "ARMAConv": with_options("ARMAConv", WIDTH, SIZE, num_stacks=2, num_layers=2),
    "ChebConv": with_options("ChebConv", WIDTH, SIZE, K=3),
    "EGConv": with_options("EGConv", WIDTH, SIZE, ["sum", "max", "std", "symnorm"], num_heads=2, num_bases=2),
    "EdgeConv": lambda: with_options("EdgeConv", perceptron(2 * WIDTH), aggr="max")(),
    "FeaStConv": with_options("FeaStConv", WIDTH, SIZE, heads=2),
    "FiLMConv": with_options("FiLMConv", WIDTH, SIZE),
    "GCNConv": with_options("GCNConv", WIDTH, SIZE),
    "GENConv": with_options("GENConv", WIDTH, SIZE, learn_t=True),
    "GINConv": lambda: with_options("GINConv", perceptron(WIDTH), train_eps=True)(),
    "GatedGraphConv": with_options("GatedGraphConv", WIDTH, num_layers=2),
    "GeneralConv": with_options("GeneralConv", WIDTH, SIZE, attention=True, heads=2),
    "GraphConv": with_options("GraphConv", WIDTH, SIZE, aggr="max"),
    "HypergraphConv": with_options("HypergraphConv", WIDTH, SIZE),
    "PNAConv": with_options("PNAConv", WIDTH, SIZE, STATISTICS, SCALERS, IN_DEGREES),
    "ResGatedGraphConv": with_options("ResGatedGraphConv", WIDTH, SIZE),
    "SAGEConv of maxima": SAGE(aggr="max"),
    "SAGEConv of means": SAGE(normalize=True, project=True),
    "SAGEConv of medians": SAGE(aggr="median"),
    "SAGEConv of powers": learned_power,
    "SAGEConv of products": SAGE(aggr="mul"),
    "SAGEConv of several": SAGE(aggr=["max", "std", "var", "softmax"]),
}


def build(name: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = LAYERS[name]()
    return redraw(layer, torch.Generator().manual_seed(0))


def features(graphs: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(graphs, NODES, WIDTH, generator=generator, dtype=torch.float64).requires_grad_()


def over_edges(layer: nn.Module, x: Tensor, edges: Tensor) -> Tensor:
    """Run a layer over several graphs with the same edges."""
    return layer(x.flatten(0, 1), disjoint(edges, len(x))).unflatten(0, x.shape[:2])


def score(out: Tensor) -> Tensor:
    """Return one number per graph, from all its nodes and channels."""
    return (F.gelu(out) * torch.linspace(-1, 2, out[0].numel(), dtype=out.dtype).view_as(out[0])).flatten(1).sum(1)
