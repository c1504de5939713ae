"""The biases of neurons that leave no trace in the graph: they are recovered from what later operations keep."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from lrp_domains import ALPHA_BETA, EPSILON, GAMMA, RelevanceError, relevance

from .four_neurons import B, W, X, draw
from .layer_loops import TIGHT

# Where a later operation keeps the sum.
TRACELESS = {
    "the output": lambda x, w, b: F.linear(x, w, b),
    "a positive ReLU": lambda x, w, b: F.relu(F.linear(x, w, b)).sum(-1),
    "a ReLU of a transpose": lambda x, w, b: F.relu(F.linear(x, w, b).transpose(0, 1)).sum(-1),
    "a ReLU, of Python's sum": lambda x, w, b: F.relu(
        sum([F.linear(x[..., :3], w[:, :3], b), F.linear(x[..., 3:], w[:, 3:])])
    ),
    "a norm": lambda x, w, b: F.layer_norm(F.linear(x, w, b), (4,)).square().sum(-1),
    "a tanh": lambda x, w, b: torch.tanh(F.linear(x, w, b)).sum(-1),
}


@pytest.mark.parametrize("name", TRACELESS)
def test_frozen_biases_are_recovered_from_the_sums_that_are_kept(name):
    x = X.clone().requires_grad_()
    for rules in (GAMMA, ALPHA_BETA):
        expected = relevance(TRACELESS[name](x, W, B).abs(), x, rules=rules)
        output = TRACELESS[name](x, W, B.detach())
        output = output if name == "the output" else output.abs()
        expected = relevance(TRACELESS[name](x, W, B), x, rules=rules) if name == "the output" else expected
        torch.testing.assert_close(relevance(output, x, rules=rules), expected, rtol=1e-7, atol=1e-9)


def test_a_constant_that_is_stacked_and_summed_is_recovered_from_the_sum():
    x, other = X.clone().requires_grad_(), draw(2, 3, 4)
    stacked = torch.stack([F.linear(x, W, B), other]).sum(0)
    expected = relevance(F.gelu(F.linear(x, W, B) + nn.Parameter(other)).sum(), x, rules=GAMMA)
    torch.testing.assert_close(relevance(F.gelu(stacked).sum(), x, rules=GAMMA, retain_graph=True), expected, **TIGHT)
    with pytest.raises(RelevanceError, match="buffer"):
        relevance(stacked.sum(), x, rules=GAMMA)


def test_a_frozen_bias_before_a_saturated_activation_is_recovered_where_it_is_not_saturated():
    """A channel in which all entries have saturated is refused."""
    bias = torch.tensor([0.5, -0.5], dtype=torch.float64)
    weight = nn.Parameter(torch.tensor([[1.0], [1.0]], dtype=torch.float64))
    x = torch.tensor([[0.1], [10.0], [15.0]], dtype=torch.float64, requires_grad=True)
    actual = relevance(torch.tanh(F.linear(x, weight, bias)).sum(), x, rules=GAMMA)
    expected = relevance(torch.tanh(F.linear(x, weight, nn.Parameter(bias))).sum(), x, rules=GAMMA)
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-6)
    far = torch.tensor([[16.0], [17.0]], dtype=torch.float64, requires_grad=True)
    with pytest.raises(RelevanceError, match="saturated"):
        relevance(torch.tanh(F.linear(far, weight, bias)).sum(), far, rules=GAMMA)


@pytest.mark.parametrize("bias", ["frozen", "with zeros for the keys"])
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("rules", [EPSILON, GAMMA, ALPHA_BETA], ids=str)
def test_a_bias_without_a_trace_is_recovered_from_what_an_attention_keeps(bias, fused, rules):
    """In BEiT and Swin v2, the bias of queries, keys and values has zeros for the keys."""
    generator = torch.Generator().manual_seed(0)
    weight, values, x = (torch.randn(*shape, generator=generator).double() for shape in ((18, 6), (18,), (2, 4, 6)))
    weight, x = torch.nn.Parameter(weight), x.requires_grad_()
    values[6:12] = 0
    parameter = torch.nn.Parameter(values)
    without = {
        "frozen": values.detach(),
        "with zeros for the keys": torch.cat([parameter[:6], torch.zeros(6, dtype=torch.float64), parameter[12:]]),
    }

    def score(bias: torch.Tensor) -> torch.Tensor:
        q, k, v = F.linear(x, weight, bias).reshape(2, 4, 3, 2, 3).permute(2, 0, 3, 1, 4).unbind(0)
        if fused:
            return F.scaled_dot_product_attention(q, k, v).sum()
        return (((q * 3**-0.5) @ k.mT).softmax(-1) @ v).sum()

    expected = relevance(score(parameter), x, rules=rules)
    torch.testing.assert_close(relevance(score(without[bias]), x, rules=rules), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_bias_is_recovered_from_the_entries_that_are_joined_unchanged(is_first):
    """As in EVA-02: the class token enters the attention as it is, the other tokens are rotated by fixed numbers."""
    weight, values, x, angles = nn.Parameter(draw(4, 6)), draw(4), draw(2, 3, 6).requires_grad_(), draw(2, 4)

    def score(bias: torch.Tensor) -> torch.Tensor:
        y = F.linear(x, weight, bias)
        if is_first:
            unchanged, others = y[:, :1], y[:, 1:]
        else:
            others, unchanged = y[:, 1:], y[:, :1]
        others = others * angles.cos() + others.flip(-1) * angles.sin()
        return torch.tanh(torch.cat([unchanged, others], 1)).sum()

    expected = relevance(score(nn.Parameter(values)), x, rules=EPSILON)
    torch.testing.assert_close(relevance(score(values), x, rules=EPSILON), expected, **TIGHT)


def test_frozen_layers_inside_a_checkpoint_have_the_same_relevance():
    inner, last = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.GELU()), nn.Linear(6, 3)
    x = torch.randn(2, 6, requires_grad=True)
    expected = relevance(last(inner(x)).sum(), x, rules=GAMMA)
    inner.requires_grad_(False)
    actual = relevance(last(checkpoint(inner, x, use_reentrant=False)).sum(), x, rules=GAMMA)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "score",
    [
        lambda y: y[:, 1],
        lambda y: y[:, 1:2],
        lambda y: y.max(-1).values,
        lambda y: y.gather(1, torch.tensor([[0], [2]])),
        lambda y: y[torch.arange(2), torch.tensor([1, 0])],
    ],
)
def test_the_bias_of_a_frozen_head_is_recovered_from_the_explained_scores(score):
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).double()
    x = draw(2, 6).requires_grad_()
    expected = relevance(score(net(x)), x, rules=GAMMA)
    net.requires_grad_(False)
    torch.testing.assert_close(relevance(score(net(x)), x, rules=GAMMA), expected, **TIGHT)
