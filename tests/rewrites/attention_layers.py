"""Attention with its projections, as modules and by hand. The first form of a family is the reference."""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from .attention import PLAIN
from .comparison import Context, Function
from .heads import HEADS, SEQUENCE, TOKENS, scores, softmax, split
from .tensors import WIDTH, draw, parameter

IN, IN_BIAS = parameter(3 * WIDTH, WIDTH, seed=44), parameter(3 * WIDTH, seed=45)
OUT, OUT_BIAS = parameter(WIDTH, WIDTH, seed=46), parameter(WIDTH, seed=47)


def module(batch_first: bool) -> nn.MultiheadAttention:
    layer = nn.MultiheadAttention(WIDTH, HEADS, batch_first=batch_first, device="meta")  # draws no random numbers
    layer.in_proj_weight, layer.in_proj_bias = IN, IN_BIAS
    layer.out_proj.weight, layer.out_proj.bias = OUT, OUT_BIAS
    return layer


BATCH_FIRST, TOKENS_FIRST = module(True), module(False)


def by_hand(attend: Function) -> Function:
    def run(q, k, v):
        parts = zip((q, k, v), IN.chunk(3), IN_BIAS.chunk(3), strict=True)
        return F.linear(attend(*(F.linear(x, w, b) for x, w, b in parts)), OUT, OUT_BIAS)

    return run


def tokens_first(q, k, v):
    return TOKENS_FIRST(*(x.transpose(0, 1) for x in (q, k, v)), need_weights=False)[0].transpose(0, 1)


def sum_over_heads(q, k, v):
    """Multiply each head by its part of the output matrix, and sum."""
    parts = zip((q, k, v), IN.chunk(3), IN_BIAS.chunk(3), strict=True)
    q, k, v = (split(F.linear(x, w, b)) for x, w, b in parts)
    heads = (softmax(scores(q, k)) @ v).unbind(1)
    return sum(head @ w.T for head, w in zip(heads, OUT.chunk(HEADS, 1), strict=True)) + OUT_BIAS


PROJECTED = {
    "nn.MultiheadAttention": lambda q, k, v: BATCH_FIRST(q, k, v, need_weights=False)[0],
    "with weights": lambda q, k, v: BATCH_FIRST(q, k, v, need_weights=True)[0],
    "tokens first": tokens_first,
    "by hand with sdpa": by_hand(PLAIN["scaled_dot_product_attention"]),
    "by hand with softmax": by_hand(PLAIN["softmax(q @ k.T) @ v"]),
    "by hand, head by head": by_hand(PLAIN["head by head"]),
    "sum over heads": sum_over_heads,
}


def all_of_one(f: Function) -> Function:
    """Return self-attention, of the first tensor only."""
    return lambda q, k, v: f(q, q, q) + 0.1 * (k + v)


def one_layer_for_all(attend: Function) -> Function:
    def run(q, k, v):
        three = F.linear(q, IN, IN_BIAS).chunk(3, -1)
        return F.linear(attend(*three), OUT, OUT_BIAS) + 0.1 * (k + v)

    return run


SELF = {name: all_of_one(PROJECTED[name]) for name in PROJECTED} | {
    "one layer for q, k and v": one_layer_for_all(PLAIN["scaled_dot_product_attention"]),
    "one layer, softmax": one_layer_for_all(PLAIN["softmax(q @ k.T) @ v"]),
}


# ---- Under the layer rules, which mustn't treat a product of attention as a layer ------------------------------

CONTEXT, LATENTS = draw(*SEQUENCE, seed=49), parameter(1, TOKENS, WIDTH, seed=50)
OF_QUERIES, OF_KEYS, OF_VALUES = ((parameter(WIDTH, WIDTH, seed=s), parameter(WIDTH, seed=s + 1)) for s in (56, 58, 66))


def to_a_context(attend: Function) -> Function:
    """Return attention with queries of the input, and keys and values of a context that isn't explained."""
    return lambda x: attend(F.linear(x, *OF_QUERIES), F.linear(CONTEXT, *OF_KEYS), F.linear(CONTEXT, *OF_VALUES))


def of_latents(attend: Function) -> Function:
    """Return attention with learned queries, as in Perceiver and DETR."""

    def run(x):
        queries = F.linear(LATENTS, *OF_QUERIES).expand(len(x), -1, -1)
        return attend(queries, F.linear(x, *OF_KEYS), F.linear(x, *OF_VALUES))

    return run


SPELLINGS = (
    "scaled_dot_product_attention", "softmax(q @ k.T) @ v", "einsum", "einsum, heads last", "head by head",
    "query by query", "bmm", "vmap over heads", "weights times values, summed",
)  # fmt: skip
UNDER_LAYER_RULES = {
    "attention to a fixed context": {name: to_a_context(PLAIN[name]) for name in SPELLINGS},
    "attention of learned queries": {name: of_latents(PLAIN[name]) for name in SPELLINGS},
}

FAMILIES = {"attention with projections": PROJECTED, "self-attention": SELF}
X = (draw(*SEQUENCE, seed=9).clamp(-1, 1),)
CONTEXTS = {
    "on the input": Context(lambda f: lambda x: F.relu(f(x)), X),
    "before a layer": Context(lambda f: lambda x: F.linear(F.relu(f(x)), OUT, OUT_BIAS), X),
}
