"""Attention: one head written out in loops against all ways to compute it in PyTorch."""

import math

import pytest
import torch
import torch.nn.functional as F

from lrp_domains import ATTN_LRP, CP_LRP, relevance

TIGHT = {"rtol": 1e-10, "atol": 1e-12}
ROWS, HEADS, QUERIES, KEYS, WIDTH = 2, 2, 3, 4, 3


def relevance_by_loop(q, k, v, g, rules, carrying, bias=None):
    """Return R(q), R(k), R(v) for one head, from the output's coefficient g, where R_out = O * g.

    Achtibat et al. 2024: O_jp = sum_i A_ji V_ip shares R_jp in equal halves among A and V (Prop. 3.3); the softmax
    passes R_i = s_i (R(A_i) - A_i sum_l R(A_l)) to its argument s (Prop. 3.1); s_ji = sum_p q_jp k_ip / sqrt(d) again
    shares in halves. If one factor carries no relevance, the other takes its half.
    """
    n, m, d = len(q), len(k), len(q[0])
    s = [[sum(q[j][p] * k[i][p] for p in range(d)) / math.sqrt(d) for i in range(m)] for j in range(n)]
    biased = [[s[j][i] + (bias[j][i] if bias is not None else 0.0) for i in range(m)] for j in range(n)]
    a = []
    for j in range(n):
        e = [math.exp(value - max(biased[j])) for value in biased[j]]
        a.append([value / sum(e) for value in e])
    r_q, r_k, r_v = (torch.zeros(size, d, dtype=torch.float64) for size in (n, m, m))
    scores_carry = (carrying["q"] or carrying["k"]) and rules is ATTN_LRP
    share_v = 0.5 if scores_carry else 1.0
    share_a = 0.5 if carrying["v"] else 1.0
    share_q, share_k = (0.5, 0.5) if carrying["q"] and carrying["k"] else (1.0, 1.0)
    for j in range(n):
        r_a = [0.0] * m
        for i in range(m):
            for p in range(d):
                contribution = a[j][i] * v[i][p] * g[j][p]
                r_v[i, p] += share_v * contribution
                r_a[i] += share_a * contribution
        if not scores_carry:
            continue
        for i in range(m):
            # R(s_i) / s_i, so that a bias that is added to the scores gets its part
            coefficient = r_a[i] - a[j][i] * sum(r_a)
            for p in range(d):
                r_s = q[j][p] * k[i][p] / math.sqrt(d) * coefficient
                r_q[j, p] += share_q * r_s
                r_k[i, p] += share_k * r_s
    return r_q, r_k, r_v


def fused(q, k, v, bias):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


def fused_in_many_dimensions(q, k, v, bias):
    return F.scaled_dot_product_attention(q[:, :, None], k[:, :, None], v[:, :, None], attn_mask=bias).squeeze(2)


def eager(q, k, v, bias):
    scores = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(WIDTH)
    return F.softmax(scores if bias is None else scores + bias, dim=-1) @ v


def eager_scaled_before(q, k, v, bias):
    scores = torch.matmul(q * WIDTH**-0.5, k.transpose(-1, -2))
    return torch.softmax(scores if bias is None else scores + bias, -1).matmul(v)


def einsum(q, k, v, bias):
    scores = torch.einsum("bhqd,bhkd->bhqk", q, k) / WIDTH**0.5
    weights = (scores if bias is None else scores + bias).softmax(-1)
    return torch.einsum("bhqk,bhkd->bhqd", weights, v)


def bmm(q, k, v, bias):
    q, k, v = (x.reshape(ROWS * HEADS, -1, WIDTH) for x in (q, k, v))
    if bias is None:
        scores = torch.bmm(q, k.mT) * WIDTH**-0.5
    else:
        scores = torch.baddbmm(
            bias.expand(ROWS, HEADS, QUERIES, KEYS).reshape(-1, QUERIES, KEYS), q, k.mT, alpha=WIDTH**-0.5
        )
    return torch.bmm(scores.softmax(-1), v).view(ROWS, HEADS, QUERIES, WIDTH)


WAYS = [fused, fused_in_many_dimensions, eager, eager_scaled_before, einsum, bmm]
CARRYING = ["qkv", "v", "q", "k", "kv", "qk", "qv"]
MASKS = {
    "none": None,
    "causal": torch.full((QUERIES, KEYS), -torch.inf, dtype=torch.float64).triu(1),
    "relative": torch.linspace(-1, 2, QUERIES * KEYS, dtype=torch.float64).view(QUERIES, KEYS),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("names", CARRYING)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
def test_every_way_to_compute_attention_equals_its_loops(way, names, mask, rules):
    if rules is CP_LRP and "v" not in names:
        pytest.skip("nothing flows: the weights are constant")
    shapes = {"q": (ROWS, HEADS, QUERIES, WIDTH), "k": (ROWS, HEADS, KEYS, WIDTH), "v": (ROWS, HEADS, KEYS, WIDTH)}
    tensors = {name: torch.randn(shape, dtype=torch.float64) for name, shape in shapes.items()}
    for name in names:
        tensors[name].requires_grad_()
    output = way(*tensors.values(), MASKS[mask])
    g = torch.randn(output.shape, dtype=torch.float64)

    explained = [name for name in names if rules is ATTN_LRP or name == "v"]
    inputs = [tensors[name] for name in explained]
    actual = dict(zip(explained, relevance((output * g).sum(), inputs, rules=rules), strict=True))

    carrying = {name: name in explained for name in "qkv"}
    for row in range(ROWS):
        for head in range(HEADS):
            arguments = [tensors[name][row, head].tolist() for name in "qkv"]
            bias = None if MASKS[mask] is None else MASKS[mask].tolist()
            loop = relevance_by_loop(*arguments, g[row, head].tolist(), rules, carrying, bias)
            for name, expected in zip("qkv", loop, strict=True):
                if name in explained:
                    torch.testing.assert_close(actual[name][row, head], expected, **TIGHT)


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
def test_multihead_attention_is_the_same_written_out(rules):
    """nn.MultiheadAttention, fused or eager (with returned weights), equals its projections and heads by hand."""
    module = torch.nn.MultiheadAttention(6, 2, batch_first=True).double().eval()
    x = torch.randn(2, 4, 6, dtype=torch.float64, requires_grad=True)

    def by_hand():
        q, k, v = (
            t.view(2, 4, 2, 3).transpose(1, 2)
            for t in F.linear(x, module.in_proj_weight, module.in_proj_bias).chunk(3, -1)
        )
        return module.out_proj(eager(q, k, v, None).transpose(1, 2).reshape(2, 4, 6))

    results = [
        relevance(score[:, :, 1].sum(), x, rules=rules)
        for score in (by_hand(), module(x, x, x, need_weights=False)[0], module(x, x, x, need_weights=True)[0])
    ]
    torch.testing.assert_close(results[1], results[0], **TIGHT)
    torch.testing.assert_close(results[2], results[0], **TIGHT)


def test_grouped_queries_equal_repeated_keys():
    q = torch.randn(1, 4, 5, 3, dtype=torch.float64, requires_grad=True)
    k, v = (torch.randn(1, 2, 5, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    grouped = F.scaled_dot_product_attention(q, k, v, enable_gqa=True).sum()
    repeated = F.scaled_dot_product_attention(q, k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)).sum()
    for a, b in zip(relevance(grouped, [q, k, v]), relevance(repeated, [q, k, v]), strict=True):
        torch.testing.assert_close(a, b, **TIGHT)
