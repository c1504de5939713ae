"""Graph layers of PyTorch Geometric: attention over edges equals dense attention, and relevance is conserved."""

from __future__ import annotations

import pytest
import torch

from lrp_domains import ATTN_LRP, CP_LRP, EPSILON, RelevanceError, RuleSet, relevance

from .graphs import ATTENTION, FULL, LAYERS, SPARSE, build, features, over_edges, score
from .known_exceptions import NOT_CONSERVED, REFUSED
from .properties import CLOSE, account_of, difference, imbalance, is_explained, traces

pytestmark = pytest.mark.slow
EXPLAINED = [name for name in LAYERS if f"graph/{name}" not in REFUSED]


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
@pytest.mark.parametrize("name", ATTENTION)
def test_attention_over_the_edges_of_a_full_graph_is_dense_attention(name: str, rules: RuleSet) -> None:
    layer, x = build(name), features()
    over_the_edges, dense = over_edges(layer, x, FULL), ATTENTION[name][1](layer, x)
    torch.testing.assert_close(over_the_edges, dense, rtol=1e-12, atol=1e-12)
    of_edges, expected = (relevance(score(out).sum(), [x], rules=rules, model=layer) for out in (over_the_edges, dense))
    assert is_explained(expected, [x])
    assert difference(of_edges, expected) < CLOSE


@pytest.mark.parametrize("name", EXPLAINED)
def test_relevance_is_conserved(name: str) -> None:
    layer, x = build(name), features()
    account = account_of(score(over_edges(layer, x, SPARSE)), [x], layer)
    assert is_explained(account.relevance, [x])
    assert (imbalance(account) < CLOSE) == (f"graph/{name}" not in NOT_CONSERVED), account


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP, EPSILON], ids=str)
@pytest.mark.parametrize("name", EXPLAINED)
def test_a_graph_alone_has_the_same_relevance(name: str, rules: RuleSet) -> None:
    layer, x = build(name), features()
    (of_both,) = relevance(score(over_edges(layer, x, SPARSE)).sum(), [x], rules=rules, model=layer)
    for number, graph in enumerate(x.detach()):
        alone = graph[None].clone().requires_grad_()
        of_alone = relevance(score(over_edges(layer, alone, SPARSE)).sum(), [alone], rules=rules, model=layer)
        assert difference(of_alone, [of_both[number : number + 1]]) < CLOSE


@pytest.mark.parametrize("name", EXPLAINED)
def test_the_layer_is_left_unchanged(name: str) -> None:
    layer, x = build(name), features()
    scores = score(over_edges(layer, x, SPARSE))
    before = traces(layer)
    relevance(scores.sum(), x, rules=ATTN_LRP, model=layer)
    assert traces(layer) == before and x.grad is None
    assert torch.equal(score(over_edges(layer, x, SPARSE)), scores)


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in EXPLAINED])
def test_a_product_over_neighbours_is_refused(name: str) -> None:
    layer, x = build(name), features()
    with pytest.raises(RelevanceError, match="ScatterReduce"):
        relevance(score(over_edges(layer, x, SPARSE)).sum(), x, rules=CP_LRP)
