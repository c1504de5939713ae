"""Recurrent and highway layers by hand, in many ways. The first form of the recurrent ones is torch's module."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import gru, lstm
from .cells import module, of_torch, through_time, weights, zero_state
from .comparison import Context, Function
from .tensors import WIDTH, draw, parameter

OF_RNN = weights(1, 80)

# ---- RNN: h' = tanh(W x + b + U h + c) -------------------------------------------------------------------------


def rnn_of_joined_input(x: Tensor, h: Tensor) -> Tensor:
    w, u, b, c = OF_RNN
    return torch.tanh(F.linear(torch.cat([x, h], -1), torch.cat([w, u], 1), b + c))


STEPS_OF_RNN = {
    "tanh of two layers": lambda x, h: torch.tanh(
        F.linear(x, OF_RNN[0], OF_RNN[2]) + F.linear(h, OF_RNN[1], OF_RNN[3])
    ),
    "tanh of one layer of [x, h]": rnn_of_joined_input,
    "torch.rnn_tanh_cell": lambda x, h: torch.rnn_tanh_cell(x, h, *OF_RNN),
    "addmm": lambda x, h: torch.tanh(torch.addmm(F.linear(x, OF_RNN[0], OF_RNN[2]) + OF_RNN[3], h, OF_RNN[1].T)),
    "stack.sum(0)": lambda x, h: torch.tanh(
        torch.stack([F.linear(x, OF_RNN[0], OF_RNN[2]), F.linear(h, OF_RNN[1], OF_RNN[3])]).sum(0)
    ),
    "2 * sigmoid(2 * ...) - 1": lambda x, h: (
        2 * torch.sigmoid(2 * (F.linear(x, OF_RNN[0], OF_RNN[2]) + F.linear(h, OF_RNN[1], OF_RNN[3]))) - 1
    ),
}

# ---- Highway: t h + (1 - t) x ----------------------------------------------------------------------------------

GATE, BODY = (parameter(WIDTH, WIDTH, seed=91), parameter(WIDTH, seed=92)), (parameter(WIDTH, WIDTH, seed=93),)


def highway(mix: Callable[[Tensor, Tensor, Tensor], Tensor], sigmoid: Function = torch.sigmoid) -> Function:
    return lambda x: mix(sigmoid(F.linear(x, *GATE)), F.relu(F.linear(x, *BODY)), x)


HIGHWAY = {
    "t * h + (1 - t) * x": highway(lambda t, h, x: t * h + (1 - t) * x),
    "x + t * (h - x)": highway(lambda t, h, x: x + t * (h - x)),
    "lerp(x, h, t)": highway(lambda t, h, x: torch.lerp(x, h, t)),
    "addcmul((1 - t) * x, t, h)": highway(lambda t, h, x: torch.addcmul((1 - t) * x, t, h)),
    "addcmul(x, t, h - x)": highway(lambda t, h, x: torch.addcmul(x, t, h - x)),
    "x - t * x + t * h": highway(lambda t, h, x: x - t * x + t * h),
    "stack.sum(0)": highway(lambda t, h, x: torch.stack([t * h, (1 - t) * x]).sum(0)),
    "t * h - (t - 1) * x": highway(lambda t, h, x: t * h - (t - 1) * x),
    "1 / (1 + exp)": highway(lambda t, h, x: t * h + (1 - t) * x, sigmoid=lambda x: 1 / (1 + torch.exp(-x))),
    "0.5 * (1 + tanh)": highway(lambda t, h, x: t * h + (1 - t) * x, sigmoid=lambda x: 0.5 * (1 + torch.tanh(x / 2))),
    "(h + exp(-u) * x) / (1 + exp(-u))": lambda x: (
        (F.relu(F.linear(x, *BODY)) + torch.exp(-F.linear(x, *GATE)) * x) / (1 + torch.exp(-F.linear(x, *GATE)))
    ),
}

FAMILIES = (
    gru.FAMILIES
    | lstm.FAMILIES
    | {
        "RNN": {"nn.RNN": of_torch(module(nn.RNN, OF_RNN), zero_state)}
        | {name: through_time(step, zero_state) for name, step in STEPS_OF_RNN.items()},
        "highway": HIGHWAY,
    }
)

BATCH, STEPS = 2, 4
BELOW = parameter(WIDTH, WIDTH, seed=94), parameter(WIDTH, seed=95)
ABOVE = parameter(WIDTH, WIDTH, seed=96), parameter(WIDTH, seed=97)
CONTEXTS = {
    "on one step": Context(lambda f: f, (draw(BATCH, 1, WIDTH, seed=9),)),
    "on four steps": Context(lambda f: f, (draw(BATCH, STEPS, WIDTH, seed=9),)),
    "between layers": Context(
        lambda f: lambda x: F.linear(f(F.linear(x, *BELOW)), *ABOVE), (draw(BATCH, STEPS, WIDTH, seed=9),)
    ),
}
UNDER_LAYER_RULES = {f"{name}, layer by layer": FAMILIES[name] for name in ("RNN", "LSTM from zeros", "GRU from zeros")}
IN_A_BOX = {
    name: Context(context.put, tuple(x.clamp(-1, 1) for x in context.inputs)) for name, context in CONTEXTS.items()
}
