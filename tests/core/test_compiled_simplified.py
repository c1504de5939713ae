"""Recorded graphs have fewer views than the passes that they record, and write to the same memory."""

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from lrp_domains.core.compiled.simplify import simplify

aten = torch.ops.aten


def written_through_views(x: Tensor) -> Tensor:
    y = x * 1.0
    y.view(6).view(3, 2).view(2, 3)[0].mul_(3)
    y.t().t().detach().view(2, 3).add_(1)
    y.t()[1].sub_(2)
    return y.t() @ y.view(2, 3) + y.t().sum()


def transposed(x: Tensor) -> Tensor:
    y = x[None].transpose(0, 2).transpose(2, 0).transpose(-1, 1).transpose(1, 2)
    return y.transpose(0, 1) + y.transpose(1, 0) * y.transpose(0, 1).transpose(0, 2).transpose(2, 0)


def of_matrices(x: Tensor) -> Tensor:
    w = torch.arange(9.0).view(3, 3)
    h = torch.addmm(w[0], x.view(1, 2, 3).view(2, 3), w.t())
    return (h @ w.t().t()) @ w.t()


@pytest.mark.parametrize("function", [written_through_views, transposed, of_matrices])
def test_the_results_are_the_same(function):
    x, other = torch.randn(2, 3), torch.randn(2, 3)
    graph = make_fx(function)(x)
    before = len(graph.graph.nodes)
    simplify(graph)
    assert len(graph.graph.nodes) < before
    assert torch.equal(graph(other.clone()), function(other.clone()))


def test_views_that_change_nothing_are_dropped():
    graph = make_fx(lambda x: x.detach().view(6).view(2, 3).t().t().view(2, 3).exp())(torch.randn(2, 3))
    simplify(graph)
    assert [node.target for node in graph.graph.nodes if node.op == "call_function"] == [aten.exp.default]
