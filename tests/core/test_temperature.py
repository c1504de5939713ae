"""GIM: softmaxes whose derivative is evaluated at a temperature, and activations that keep their derivative."""

import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from lrp_domains import ATTN_LRP, GIM, RelevanceError, gradient, relevance, tempered
from lrp_domains.core.graph.operations import OPERATIONS
from lrp_domains.core.rules.temperature import _attention_backward

TIGHT = {"rtol": 1e-10, "atol": 1e-12}
ROWS, HEADS, QUERIES, KEYS, WIDTH = 2, 4, 3, 5, 4
INF = float("inf")


def at(temperature, rules=ATTN_LRP):
    return rules.for_nodes(dict.fromkeys(("softmax", "attention"), tempered(temperature)))


def rows(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64).to(dtype).requires_grad_()


def of_queries_and_keys(heads_of_keys=HEADS, queries=QUERIES, keys=KEYS):
    return (rows(ROWS, HEADS, queries, WIDTH), *(rows(ROWS, heads_of_keys, keys, WIDTH) for _ in "kv"))


def eager(q, k, v, mask=None, scale=WIDTH**-0.5):
    scores = q @ k.transpose(-1, -2) * scale
    if mask is not None:
        scores = scores.masked_fill(~mask, -INF) if mask.dtype == torch.bool else scores + mask
    return scores.softmax(-1) @ v


# ---- The softmax


def coefficients_by_loop(x, g, temperature):
    """Return ``s_i (g_i - sum_j s_j g_j)`` with ``s = softmax(x / T)``, for one row."""
    exps = [math.exp((value - max(x)) / temperature) for value in x]
    s = [value / sum(exps) for value in exps]
    mean = sum(a * b for a, b in zip(s, g, strict=True))
    return [a * (b - mean) for a, b in zip(s, g, strict=True)]


@pytest.mark.parametrize("temperature", [0.5, 1, 1.5, 2, 5])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_a_softmax_equals_its_loop(temperature, dim):
    x = rows(4, 6)
    g = torch.randn(4, 6, dtype=torch.float64)
    actual = relevance((x.mul(3).softmax(dim) * g).sum(), x, rules=at(temperature))

    along, g_along = (x.detach() * 3, g) if dim else (x.detach().T * 3, g.T)
    loop = [coefficients_by_loop(a.tolist(), b.tolist(), temperature) for a, b in zip(along, g_along, strict=True)]
    coefficients = torch.tensor(loop, dtype=torch.float64)
    torch.testing.assert_close(actual, x.detach() * 3 * (coefficients if dim else coefficients.T), **TIGHT)


def test_a_masked_softmax_equals_a_softmax_of_masked_scores():
    x = rows(4, 6)
    mask = torch.ones(4, 6, dtype=torch.bool).triu(1)
    expected = relevance((x.masked_fill(mask, -INF).softmax(-1) ** 2).sum(), x, rules=GIM)
    masked = torch._masked_softmax(x, mask, None, 2)  # the default dimension
    torch.testing.assert_close(relevance((masked**2).sum(), x, rules=GIM), expected, **TIGHT)


def test_gim_has_temperature_2():
    q, k, v = of_queries_and_keys()
    x = rows(4, 6)
    for score, inputs in [((x.softmax(-1) ** 2).sum(), x), (F.scaled_dot_product_attention(q, k, v).sum(), q)]:
        expected = relevance(score, inputs, rules=at(2, GIM), retain_graph=True)
        torch.testing.assert_close(relevance(score, inputs, rules=GIM), expected, rtol=0, atol=0)


def test_temperature_1_is_the_derivative():
    q, k, v = of_queries_and_keys()
    for output in (F.scaled_dot_product_attention(q, k, v), eager(q, k, v)):
        score = (output**3).sum()
        expected = relevance(score, (q, k, v), retain_graph=True)
        torch.testing.assert_close(relevance(score, (q, k, v), rules=at(1)), expected, **TIGHT)


@pytest.mark.parametrize("temperature", [0, -1, INF, math.nan])
def test_a_temperature_is_positive_and_finite(temperature):
    with pytest.raises(RelevanceError, match="requires a positive, finite temperature, got"):
        tempered(temperature)


# ---- Fused attention


MASKS = {
    "none": None,
    "boolean": torch.ones(QUERIES, KEYS, dtype=torch.bool).tril(1),
    "added": torch.linspace(-1, 2, QUERIES * KEYS, dtype=torch.float64).view(QUERIES, KEYS),
    "infinite": torch.full((QUERIES, KEYS), -INF, dtype=torch.float64).triu(1),
    "per row": torch.linspace(-2, 2, ROWS * KEYS, dtype=torch.float64).view(ROWS, 1, 1, KEYS),
    "expanded": torch.linspace(-2, 2, ROWS * KEYS, dtype=torch.float64)
    .view(ROWS, 1, 1, KEYS)
    .expand(ROWS, HEADS, QUERIES, KEYS),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("scale", [None, 1.7])
def test_fused_attention_equals_eager_attention(mask, scale):
    q, k, v = of_queries_and_keys()
    g = torch.randn(ROWS, HEADS, QUERIES, WIDTH, dtype=torch.float64)
    fused = F.scaled_dot_product_attention(q, k, v, attn_mask=MASKS[mask], scale=scale)
    assert "ScaledDotProduct" in fused.grad_fn.name()
    by_hand = eager(q, k, v, MASKS[mask], scale or WIDTH**-0.5)
    expected = relevance((by_hand * g).sum(), (q, k, v), rules=GIM)
    torch.testing.assert_close(relevance((fused * g).sum(), (q, k, v), rules=GIM), expected, **TIGHT)
    assert not torch.allclose(expected[0], relevance((eager(q, k, v, MASKS[mask]) * g).sum(), q), rtol=1e-2)


@pytest.mark.parametrize("queries", [KEYS, QUERIES])
def test_causal_attention_equals_eager_attention(queries):
    q, k, v = of_queries_and_keys(queries=queries)
    fused = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    by_hand = eager(q, k, v, torch.ones(queries, KEYS, dtype=torch.bool).tril())
    for actual, expected in zip(
        relevance((fused**3).sum(), (q, k, v), rules=GIM),
        relevance((by_hand**3).sum(), (q, k, v), rules=GIM),
        strict=True,
    ):
        torch.testing.assert_close(actual, expected, **TIGHT)


@pytest.mark.parametrize("names", ["v", "q", "k", "kv", "qk", "qv"])
def test_fused_attention_of_constants_equals_eager_attention(names):
    tensors = {name: t.detach() for name, t in zip("qkv", of_queries_and_keys(), strict=True)}
    inputs = [tensors[name].requires_grad_() for name in names]
    g = torch.randn(ROWS, HEADS, QUERIES, WIDTH, dtype=torch.float64)
    expected = relevance((eager(*tensors.values()) * g).sum(), inputs, rules=GIM)
    fused = F.scaled_dot_product_attention(*tensors.values())
    torch.testing.assert_close(relevance((fused * g).sum(), inputs, rules=GIM), expected, **TIGHT)


def test_grouped_queries_equal_repeated_keys():
    q, k, v = of_queries_and_keys(heads_of_keys=2)
    grouped = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    assert "ScaledDotProduct" in grouped.grad_fn.name()
    repeated = eager(q, k.repeat_interleave(2, 1), v.repeat_interleave(2, 1))
    expected = relevance((repeated**3).sum(), (q, k, v), rules=GIM)
    torch.testing.assert_close(relevance((grouped**3).sum(), (q, k, v), rules=GIM), expected, **TIGHT)


def test_a_checkpoint_changes_nothing():
    q, k, v = of_queries_and_keys()
    expected = relevance((F.scaled_dot_product_attention(q, k, v) ** 3).sum(), (q, k, v), rules=GIM)
    recomputed = checkpoint(F.scaled_dot_product_attention, q, k, v, use_reentrant=False)
    torch.testing.assert_close(relevance((recomputed**3).sum(), (q, k, v), rules=GIM), expected, **TIGHT)


def test_the_values_keep_their_derivative():
    q, k, v = of_queries_and_keys()
    score = (F.scaled_dot_product_attention(q, k, v) ** 3).sum()
    expected = relevance(score, (q, k, v), rules=ATTN_LRP.for_nodes({"activation": gradient}), retain_graph=True)[2]
    torch.testing.assert_close(relevance(score, (q, k, v), rules=GIM)[2], expected, **TIGHT)


KERNELS = {name: op.tensors[3] for name, op in OPERATIONS.items() if op.kind == "attention"}


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_is_read_by_its_names(kernel):
    """Most kernels require a GPU: here a stub has the names, and the derivative of the eager attention."""
    q, k, v = of_queries_and_keys()
    bias = rows(QUERIES, KEYS) if KERNELS[kernel] else None
    g = torch.randn(ROWS, HEADS, QUERIES, WIDTH, dtype=torch.float64)
    inputs = [t for t in (q, k, v, bias) if t is not None]
    saved = {"query": q, "key": k, "value": v, KERNELS[kernel]: bias, "is_causal": False, "scale": None}
    node = SimpleNamespace(
        name=lambda: f"{kernel}Backward0", **{f"_saved_{name}": value for name, value in saved.items()}
    )

    gi = torch.autograd.grad(eager(q, k, v, bias), inputs, g)
    shares = dict(enumerate((0.25, 0.25, 0.5, 0.5)))
    actual = _attention_backward(2, shares, node, (True,) * len(inputs), gi, (g, None))

    # The derivative of softmax((q k scale + bias) / 2), times 2; that of the values is not tempered.
    at_2 = eager(q, k, v, None if bias is None else bias / 2, WIDTH**-0.5 / 2)
    expected = [2 * derivative for derivative in torch.autograd.grad(at_2, inputs, g)]
    expected[2] = gi[2]
    for slot, (result, coefficient) in enumerate(zip(actual, expected, strict=True)):
        torch.testing.assert_close(result, shares[slot] * coefficient, **TIGHT)


def test_a_causal_mask_that_is_aligned_to_the_last_key_is_refused():
    q, k, v = of_queries_and_keys()
    saved = {"query": q, "key": k, "value": v, "is_causal": True, "scale": None}
    node = SimpleNamespace(
        name=lambda: "ScaledDotProductFlashAttentionBackward0",
        **{f"_saved_{name}": value for name, value in saved.items()},
    )
    with pytest.raises(RelevanceError, match="causal with 3 queries and 5 keys"):
        _attention_backward(2, {}, node, (True, True, True), (q, k, v), (q,))


# ---- Masked rows, zeros, half precision


def test_a_row_that_is_masked_as_a_whole_has_no_relevance():
    q, k, v = of_queries_and_keys()
    mask = torch.ones(QUERIES, KEYS, dtype=torch.bool)
    mask[1] = False
    for output in (F.scaled_dot_product_attention(q, k, v, attn_mask=mask), masked_as_a_whole(q, k, v, mask)):
        of_q, of_k, of_v = relevance((output**3).sum(), (q, k, v), rules=GIM)
        assert of_q.isfinite().all() and of_k.isfinite().all() and of_v.isfinite().all()
        assert (of_q[..., 1, :] == 0).all() and (of_q[..., 0, :] != 0).all()


def masked_as_a_whole(q, k, v, mask):
    scores = (q @ k.mT).masked_fill(~mask, -INF)
    return torch.ops.aten._safe_softmax(scores, -1) @ v


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_finite_and_close(dtype):
    x, g = rows(4, 8, dtype=dtype), torch.randn(4, 8).to(dtype)
    with torch.no_grad():
        x[0] *= 40  # saturated: the other probabilities are 0
    wide = x.detach().double().requires_grad_()
    actual = relevance((x.softmax(-1) * g).sum(), x, rules=GIM)
    expected = relevance((wide.softmax(-1) * g.double()).sum(), wide, rules=GIM)
    torch.testing.assert_close(actual.double(), expected, rtol=0.05, atol=0.05)

    q, k, v = (t.detach().to(dtype).requires_grad_() for t in of_queries_and_keys())
    fused = F.scaled_dot_product_attention(q, k, v)
    wide = [t.detach().double().requires_grad_() for t in (q, k, v)]
    expected = relevance(eager(*wide).sum(), wide, rules=GIM)
    for a, b in zip(relevance(fused.sum(), (q, k, v), rules=GIM), expected, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=0.05, atol=0.05)


# ---- What is refused


REFUSED = {
    "exponentials over their sum": lambda x: x.exp() / x.exp().sum(-1, keepdim=True),
    "less the maximum": lambda x: (e := (x - x.amax(-1, keepdim=True)).exp()) / e.sum(-1, keepdim=True),
    "after the values": lambda x: (x.exp() @ torch.eye(6, dtype=x.dtype)) / x.exp().sum(-1, keepdim=True),
    "log_softmax": lambda x: x.log_softmax(-1).exp(),
    "logsumexp": lambda x: (x - x.logsumexp(-1, keepdim=True)).exp(),
    "normalised once more": lambda x: (p := x.softmax(-1).topk(3).values) / p.sum(-1, keepdim=True),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_softmax_written_out_is_refused(name):
    x = rows(4, 6)
    with pytest.raises(RelevanceError, match=r"(that is written out|normalised once more)\. Use one torch\.softmax"):
        relevance((REFUSED[name](x) ** 2).sum(), x, rules=GIM)
    untempered = GIM.for_nodes({"softmax": gradient})
    assert relevance((REFUSED[name](x) ** 2).sum(), x, rules=untempered).isfinite().all()


def test_only_softmaxes_are_tempered():
    x = rows(4, 6)
    with pytest.raises(
        RelevanceError, match="TanhBackward0 cannot have the rule 'derivative at temperature 2': it is not a softmax"
    ):
        relevance(x.tanh().sum(), x, rules=ATTN_LRP.for_nodes({"activation": tempered(2)}))
