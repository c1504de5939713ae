"""A signal ``a`` times a gate of ``b``, each written in many ways. The first form is the reference."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from .comparison import Function
from .products import in_a_buffer, of_halves
from .tensors import ROWS, WIDTH, draw

ALL = torch.ones(ROWS, WIDTH, dtype=torch.bool)
BACK = torch.arange(WIDTH).flip(0)
E, LOG2 = math.e, math.log(2)


def where_between(b: Tensor) -> Tensor:
    return torch.where(b < -3, 0.0, torch.where(b > 3, 1.0, b / 6 + 0.5))


def stable_softplus(b: Tensor) -> Tensor:
    return F.relu(b) + torch.log1p(torch.exp(-b.abs()))


# ---- The product of a signal and a gate ------------------------------------------------------------------------

SIGMOID_GATE = {
    "a * sigmoid(b)": lambda a, b: a * torch.sigmoid(b),
    "sigmoid(b) * a": lambda a, b: torch.sigmoid(b) * a,
    "a / (1 + exp(-b))": lambda a, b: a / (1 + torch.exp(-b)),
    "a * (1 / (1 + exp(-b)))": lambda a, b: a * (1 / (1 + torch.exp(-b))),
    "a * reciprocal(1 + exp(-b))": lambda a, b: a * torch.reciprocal(1 + torch.exp(-b)),
    "a * (1 + exp(-b)) ** -1": lambda a, b: a * (1 + torch.exp(-b)) ** -1,
    "a * ones / (ones + exp(-b))": lambda a, b: a * (torch.ones_like(b) / (torch.ones_like(b) + torch.exp(-b))),
    "a * exp(b) / (1 + exp(b))": lambda a, b: a * torch.exp(b) / (1 + torch.exp(b)),
    "a * (exp(b) / (1 + exp(b)))": lambda a, b: a * (torch.exp(b) / (1 + torch.exp(b))),
    "a * (0.5 * (1 + tanh(b / 2)))": lambda a, b: a * (0.5 * (1 + torch.tanh(b / 2))),
    "0.5 * a * (1 + tanh(b / 2))": lambda a, b: 0.5 * a * (1 + torch.tanh(b / 2)),
    "a * exp(logsigmoid(b))": lambda a, b: a * torch.exp(F.logsigmoid(b)),
    "a * exp(-softplus(-b))": lambda a, b: a * torch.exp(-F.softplus(-b)),
    "a * (1 - sigmoid(-b))": lambda a, b: a * (1 - torch.sigmoid(-b)),
    "a - a * sigmoid(-b)": lambda a, b: a - a * torch.sigmoid(-b),
    "a * special.expit(b)": lambda a, b: a * torch.special.expit(b),
    "a * softmax([b, 0])[0]": lambda a, b: a * torch.softmax(torch.stack([b, torch.zeros_like(b)]), 0)[0],
    "F.glu(cat([a, b]))": lambda a, b: F.glu(torch.cat([a, b], -1)),
    "addcmul": lambda a, b: torch.addcmul(torch.zeros_like(a), a, torch.sigmoid(b)),
    "einsum": lambda a, b: torch.einsum("bd,bd->bd", a, torch.sigmoid(b)),
    "stack.prod(0)": lambda a, b: torch.stack([a, torch.sigmoid(b)]).prod(0),
    "lerp(0, a, sigmoid(b))": lambda a, b: torch.lerp(torch.zeros_like(a), a, torch.sigmoid(b)),
    "mul_ on a clone": lambda a, b: a.clone().mul_(torch.sigmoid(b)),
    "diag(sigmoid(b)) @ a": lambda a, b: (torch.diag_embed(torch.sigmoid(b)) @ a[..., None])[..., 0],
    "outer product's diagonal": lambda a, b: torch.einsum("bi,bj->bij", a, torch.sigmoid(b)).diagonal(dim1=1, dim2=2),
    "vmap over rows": lambda a, b: torch.vmap(lambda p, q: p * torch.sigmoid(q))(a, b),
    "of a clone": lambda a, b: a * torch.sigmoid(b.clone()),
    "in a buffer": in_a_buffer(lambda a, b: a * torch.sigmoid(b)),
    "gate in a buffer": lambda a, b: a * in_a_buffer(lambda _, b: torch.sigmoid(b))(a, b),
    "halves of a concatenation": lambda a, b: of_halves(torch.mul)(a, torch.sigmoid(b)),
    "a * (tanh(b / 2) / 2 + 0.5)": lambda a, b: a * (torch.tanh(b / 2) / 2 + 0.5),
    "of a view": lambda a, b: a * torch.sigmoid(b.view(-1)).view_as(a),
    "in two halves": lambda a, b: torch.cat([p * torch.sigmoid(q) for p, q in zip(*halves(a, b), strict=True)], 1),
    "cat of two gates": lambda a, b: a * torch.cat([torch.sigmoid(half) for half in b.chunk(2, 1)], 1),
    "gate reversed twice": lambda a, b: a * torch.sigmoid(b.flip(-1)).flip(-1),
    "gate by index": lambda a, b: a * torch.sigmoid(b[:, BACK])[:, BACK],
    "2 * gate, halved": lambda a, b: 2 * torch.sigmoid(b) * a / 2,
    "gate + 0": lambda a, b: a * (torch.sigmoid(b) + 0),
    "gate clamped to [0, 1]": lambda a, b: a * torch.sigmoid(b).clamp(0, 1),
    "relu(gate)": lambda a, b: a * F.relu(torch.sigmoid(b)),
    "|gate|": lambda a, b: a * torch.sigmoid(b).abs(),
    "sqrt(gate ** 2)": lambda a, b: a * torch.sqrt(torch.sigmoid(b) ** 2),
    "where(True, gate, 0)": lambda a, b: a * torch.where(ALL, torch.sigmoid(b), 0.0),
    "gate @ eye": lambda a, b: a * (torch.sigmoid(b) @ torch.eye(WIDTH)),
    "diff of the gate's cumsum": lambda a, b: (
        a * torch.diff(torch.sigmoid(b).cumsum(1), dim=1, prepend=torch.zeros(ROWS, 1))
    ),
    "gate padded and cut": lambda a, b: a * F.pad(torch.sigmoid(b), (1, 2))[:, 1:-2],
    "dropout of the gate, in eval": lambda a, b: a * F.dropout(torch.sigmoid(b), 0.5, training=False),
    "gate in a checkpoint": lambda a, b: a * checkpoint(torch.sigmoid, b, use_reentrant=False),
    "both in a checkpoint": lambda a, b: checkpoint(lambda p, q: p * torch.sigmoid(q), a, b, use_reentrant=False),
}


def halves(a: Tensor, b: Tensor) -> tuple[tuple[Tensor, ...], ...]:
    return a.chunk(2, 1), b.chunk(2, 1)


HARD_SIGMOID_GATE = {
    "a * hardsigmoid(b)": lambda a, b: a * F.hardsigmoid(b),
    "a * relu6(b + 3) / 6": lambda a, b: a * F.relu6(b + 3) / 6,
    "a * (relu6(b + 3) / 6)": lambda a, b: a * (F.relu6(b + 3) / 6),
    "a * clamp(b / 6 + 0.5, 0, 1)": lambda a, b: a * (b / 6 + 0.5).clamp(0, 1),
    "a * clamp_min(0).clamp_max(1)": lambda a, b: a * (b / 6 + 0.5).clamp_min(0).clamp_max(1),
    "a * (1 + hardtanh(b / 3)) / 2": lambda a, b: a * (1 + F.hardtanh(b / 3)) / 2,
    "a * hardtanh(b / 6 + 0.5, 0, 1)": lambda a, b: a * F.hardtanh(b / 6 + 0.5, 0.0, 1.0),
    "a * minimum(relu(b / 6 + 0.5), 1)": lambda a, b: a * torch.minimum(F.relu(b / 6 + 0.5), torch.tensor(1.0)),
    "a * (relu(u) - relu(u - 1))": lambda a, b: a * (F.relu(b / 6 + 0.5) - F.relu(b / 6 - 0.5)),
    "a * where in where": lambda a, b: a * where_between(b),
    "addcmul": lambda a, b: torch.addcmul(torch.zeros_like(a), a, F.relu6(b + 3), value=1 / 6),
    "einsum": lambda a, b: torch.einsum("bd,bd->bd", a, F.hardsigmoid(b)),
    "gate in place": lambda a, b: a * F.hardsigmoid(b.clone(), inplace=True),
    "1 - hardsigmoid(-b)": lambda a, b: a * (1 - F.hardsigmoid(-b)),
}

EXPONENTIAL_GATE = {
    "a * exp(b)": lambda a, b: a * torch.exp(b),
    "exp(b) * a": lambda a, b: torch.exp(b) * a,
    "a / exp(-b)": lambda a, b: a / torch.exp(-b),
    "a * (1 / exp(-b))": lambda a, b: a * (1 / torch.exp(-b)),
    "a * exp2(b / log(2))": lambda a, b: a * torch.exp2(b / LOG2),
    "a * 2 ** (b / log(2))": lambda a, b: a * 2 ** (b / LOG2),
    "a * e ** b": lambda a, b: a * E**b,
    "a * exp(b / 2) ** 2": lambda a, b: a * torch.exp(b / 2) ** 2,
    "a * exp(b / 2) * exp(b / 2)": lambda a, b: a * torch.exp(b / 2) * torch.exp(b / 2),
    "a * (expm1(b) + 1)": lambda a, b: a * (torch.expm1(b) + 1),
    "a + a * expm1(b)": lambda a, b: a + a * torch.expm1(b),
    "a * (cosh(b) + sinh(b))": lambda a, b: a * (torch.cosh(b) + torch.sinh(b)),
    "addcmul": lambda a, b: torch.addcmul(torch.zeros_like(a), a, torch.exp(b)),
    "stack.prod(0)": lambda a, b: torch.stack([a, torch.exp(b)]).prod(0),
    "a * sigmoid(b) / sigmoid(-b)": lambda a, b: a * (torch.sigmoid(b) / torch.sigmoid(-b)),
}

TANH_GATE = {
    "a * tanh(b)": lambda a, b: a * torch.tanh(b),
    "tanh(b) * a": lambda a, b: torch.tanh(b) * a,
    "a * (2 * sigmoid(2 * b) - 1)": lambda a, b: a * (2 * torch.sigmoid(2 * b) - 1),
    "a * (1 - 2 / (1 + exp(2 * b)))": lambda a, b: a * (1 - 2 / (1 + torch.exp(2 * b))),
    "a * ratio of exps": lambda a, b: a * ((b.exp() - (-b).exp()) / (b.exp() + (-b).exp())),
    "a * (1 - exp(-2b)) / (1 + exp(-2b))": lambda a, b: a * (1 - torch.exp(-2 * b)) / (1 + torch.exp(-2 * b)),
    "a * sinh(b) / cosh(b)": lambda a, b: a * torch.sinh(b) / torch.cosh(b),
    "a * expm1(2b) / (expm1(2b) + 2)": lambda a, b: a * (torch.expm1(2 * b) / (torch.expm1(2 * b) + 2)),
    "addcmul": lambda a, b: torch.addcmul(torch.zeros_like(a), a, torch.tanh(b)),
    "einsum": lambda a, b: torch.einsum("bd,bd->bd", a, torch.tanh(b)),
    "stack.prod(0)": lambda a, b: torch.stack([a, torch.tanh(b)]).prod(0),
    "of a clone": lambda a, b: a * torch.tanh(b.clone()),
    "-a * tanh(-b)": lambda a, b: -a * torch.tanh(-b),
    "tanh in place": lambda a, b: a * b.clone().tanh_(),
}

SOFTPLUS_GATE = {
    "a * softplus(b)": lambda a, b: a * F.softplus(b),
    "a * log1p(exp(b))": lambda a, b: a * torch.log1p(torch.exp(b)),
    "a * log(1 + exp(b))": lambda a, b: a * torch.log(1 + torch.exp(b)),
    "a * logaddexp(b, 0)": lambda a, b: a * torch.logaddexp(b, torch.zeros_like(b)),
    "a * (relu(b) + log1p(exp(-|b|)))": lambda a, b: a * stable_softplus(b),
    "-a * logsigmoid(-b)": lambda a, b: -a * F.logsigmoid(-b),
    "a * (b + softplus(-b))": lambda a, b: a * (b + F.softplus(-b)),
    "a * b + a * softplus(-b)": lambda a, b: a * b + a * F.softplus(-b),
    "addcmul": lambda a, b: torch.addcmul(torch.zeros_like(a), a, F.softplus(b)),
}

# ---- One minus a gate, one plus a gate -------------------------------------------------------------------------

CLOSING_GATE = {
    "a * (1 - sigmoid(b))": lambda a, b: a * (1 - torch.sigmoid(b)),
    "a * sigmoid(-b)": lambda a, b: a * torch.sigmoid(-b),
    "a - a * sigmoid(b)": lambda a, b: a - a * torch.sigmoid(b),
    "a / (1 + exp(b))": lambda a, b: a / (1 + torch.exp(b)),
    "a * (ones - sigmoid(b))": lambda a, b: a * (torch.ones_like(b) - torch.sigmoid(b)),
    "addcmul(value=-1)": lambda a, b: torch.addcmul(a, a, torch.sigmoid(b), value=-1),
    "lerp(a, 0, sigmoid(b))": lambda a, b: torch.lerp(a, torch.zeros_like(a), torch.sigmoid(b)),
    "-a * (sigmoid(b) - 1)": lambda a, b: -a * (torch.sigmoid(b) - 1),
    "rsub(sigmoid(b), 1)": lambda a, b: a * torch.rsub(torch.sigmoid(b), 1),
    "a * 0.5 * (1 - tanh(b / 2))": lambda a, b: a * 0.5 * (1 - torch.tanh(b / 2)),
}

OPENING_GATE = {
    "a * (1 + sigmoid(b))": lambda a, b: a * (1 + torch.sigmoid(b)),
    "a + a * sigmoid(b)": lambda a, b: a + a * torch.sigmoid(b),
    "addcmul(a, a, sigmoid(b))": lambda a, b: torch.addcmul(a, a, torch.sigmoid(b)),
    "a * (2 - sigmoid(-b))": lambda a, b: a * (2 - torch.sigmoid(-b)),
    "stack.sum(0)": lambda a, b: torch.stack([a, a * torch.sigmoid(b)]).sum(0),
    "a - (-a * sigmoid(b))": lambda a, b: a - (-a * torch.sigmoid(b)),
    "a * (1 + 1 / (1 + exp(-b)))": lambda a, b: a * (1 + 1 / (1 + torch.exp(-b))),
    "a * (1.5 + tanh(b / 2) / 2)": lambda a, b: a * (1.5 + torch.tanh(b / 2) / 2),
}

SQUEEZE_EXCITE = {
    "a * sigmoid(mean of b)": lambda a, b: a * torch.sigmoid(b.mean(-1, keepdim=True)),
    "mean by avg_pool1d": lambda a, b: a * torch.sigmoid(F.avg_pool1d(b[:, None], WIDTH)[:, 0]),
    "mean by adaptive_avg_pool1d": lambda a, b: a * torch.sigmoid(F.adaptive_avg_pool1d(b[:, None], 1)[:, 0]),
    "sum / n": lambda a, b: a * torch.sigmoid(b.sum(-1, keepdim=True) / WIDTH),
    "mean by a matrix of 1 / n": lambda a, b: a * torch.sigmoid(b @ torch.full((WIDTH, WIDTH), 1 / WIDTH)),
    "gate expanded": lambda a, b: a * torch.sigmoid(b.mean(-1, keepdim=True)).expand_as(a),
    "mean expanded": lambda a, b: a * torch.sigmoid(b.mean(-1, keepdim=True).expand_as(a)),
    "gate repeated": lambda a, b: a * torch.sigmoid(b.mean(-1, keepdim=True)).repeat(1, WIDTH),
    "diag(gate) @ a": lambda a, b: torch.diag(torch.sigmoid(b.mean(-1))) @ a,
    "einsum": lambda a, b: torch.einsum("bd,b->bd", a, torch.sigmoid(b.mean(-1))),
    "row by row": lambda a, b: torch.stack([p * torch.sigmoid(q.mean()) for p, q in zip(a, b, strict=True)]),
    "a / (1 + exp(-mean))": lambda a, b: a / (1 + torch.exp(-b.mean(-1, keepdim=True))),
}

# ---- Gates of constants, and functions of a row that aren't gates --------------------------------------------------

STATE, ONES = draw(1, WIDTH, seed=30), torch.ones(ROWS, WIDTH, dtype=torch.float64)


def row_by_row(f: Function) -> Function:
    """Apply a form to each row as a batch of one."""
    return lambda a, b: torch.cat([f(p[None], q[None]) for p, q in zip(a, b, strict=True)])


GATED_CONSTANT = {
    "a + sigmoid(b) * c": lambda a, b: a + torch.sigmoid(b) * STATE,
    "sigmoid(b) * c + a": lambda a, b: torch.sigmoid(b) * STATE + a,
    "addcmul(a, sigmoid(b), c)": lambda a, b: torch.addcmul(a, torch.sigmoid(b), STATE),
    "stack.sum(0)": lambda a, b: torch.stack([a, torch.sigmoid(b) * STATE]).sum(0),
    "a - (-sigmoid(b) * c)": lambda a, b: a - (-torch.sigmoid(b) * STATE),
    "row by row": row_by_row(lambda a, b: a + torch.sigmoid(b) * STATE),
    "c of every row": lambda a, b: a + torch.sigmoid(b) * STATE.expand(ROWS, WIDTH).contiguous(),
    "c of one dimension": lambda a, b: a + torch.sigmoid(b) * STATE[0],
    "c as a Parameter": lambda a, b: a + torch.sigmoid(b) * nn.Parameter(STATE),
    "c as a Parameter of every row": lambda a, b: a + torch.sigmoid(b) * nn.Parameter(STATE.repeat(ROWS, 1)),
    "c as a frozen Parameter": lambda a, b: a + torch.sigmoid(b) * nn.Parameter(STATE, requires_grad=False),
    "1 / (1 + exp(-b)) * c": lambda a, b: a + 1 / (1 + torch.exp(-b)) * STATE,
    "c / (1 + exp(-b))": lambda a, b: a + STATE / (1 + torch.exp(-b)),
}

GATE_ADDED = {
    "a + sigmoid(b)": lambda a, b: a + torch.sigmoid(b),
    "a + sigmoid(b) * 1": lambda a, b: a + torch.sigmoid(b) * 1,
    "a + sigmoid(b) * ones": lambda a, b: a + torch.sigmoid(b) * ONES,
    "a + sigmoid(b) * (1 + 1e-12)": lambda a, b: a + torch.sigmoid(b) * (ONES + 1e-12),
    "a + sigmoid(b) * Parameter of ones": lambda a, b: a + torch.sigmoid(b) * nn.Parameter(ONES),
    "addcmul(a, sigmoid(b), ones)": lambda a, b: torch.addcmul(a, torch.sigmoid(b), ONES),
    "row by row": row_by_row(lambda a, b: a + torch.sigmoid(b) * ONES[:1]),
    "cat @ a constant matrix": lambda a, b: (
        torch.cat([a, torch.sigmoid(b)], 1) @ torch.cat([torch.eye(WIDTH), torch.eye(WIDTH)])
    ),
}


def times_tanh_of_length(length: Function) -> Function:
    """Multiply by the tanh of a length, which isn't an activation although it is computed from the same tensor."""
    return lambda a, b: a * torch.tanh(length(a)) + b


TANH_OF_LENGTH = {
    "a * tanh(norm of a) + b": times_tanh_of_length(lambda a: a.norm(dim=-1, keepdim=True)),
    "vector_norm": times_tanh_of_length(lambda a: torch.linalg.vector_norm(a, dim=-1, keepdim=True)),
    "sqrt of the sum of squares": times_tanh_of_length(lambda a: (a * a).sum(-1, keepdim=True).sqrt()),
    "sqrt of an einsum": times_tanh_of_length(lambda a: torch.einsum("bd,bd->b", a, a).sqrt()[:, None]),
    "(sum of squares) ** 0.5": times_tanh_of_length(lambda a: (a**2).sum(-1, keepdim=True) ** 0.5),
    "sqrt of a bmm": times_tanh_of_length(lambda a: (a[:, None] @ a[..., None])[..., 0].sqrt()),
}

FAMILIES = {
    "sigmoid gate": SIGMOID_GATE,
    "hard sigmoid gate": HARD_SIGMOID_GATE,
    "exponential gate": EXPONENTIAL_GATE,
    "tanh gate": TANH_GATE,
    "softplus gate": SOFTPLUS_GATE,
    "one minus a gate": CLOSING_GATE,
    "one plus a gate": OPENING_GATE,
    "squeeze and excite": SQUEEZE_EXCITE,
    "gate of a constant": GATED_CONSTANT,
    "gate added": GATE_ADDED,
    "tanh of a length": TANH_OF_LENGTH,
}
