"""An LSTM by hand, in many ways: c' = f c + i g, h = o tanh(c')."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cells import Step, learned_cell, learned_state, module, of_torch, through_time, weights, zero_state
from .comparison import Function
from .tensors import WIDTH

OF_LSTM = weights(4, 70)
LSTM = module(nn.LSTM, OF_LSTM)


def lstm_gates(x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    w, u, b, c = OF_LSTM
    i, f, g, o = (F.linear(x, w, b) + F.linear(h, u, c)).chunk(4, -1)
    return torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)


def kept(keep: Step) -> Step:
    """Return a step whose cell is ``keep(i, f, g, c)``."""

    def step(x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        i, f, g, o = lstm_gates(x, h)
        c = keep(i, f, g, c)
        return o * torch.tanh(c), c

    return step


def lstm_with(sigmoid: Function = torch.sigmoid, tanh: Function = torch.tanh) -> Step:
    def step(x: Tensor, h: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        w, u, b, c = OF_LSTM
        i, f, g, o = (x @ w.T + h @ u.T + (b + c)).split(WIDTH, -1)
        cell = sigmoid(f) * cell + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(cell), cell

    return step


def lstm_of_joined_input(x: Tensor, h: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    w, u, b, c = OF_LSTM
    i, f, g, o = F.linear(torch.cat([x, h], -1), torch.cat([w, u], 1), b + c).chunk(4, -1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def lstm_with_joined_gates(x: Tensor, h: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Compute three gates by one sigmoid of joined slices."""
    w, u, b, c = OF_LSTM
    z = F.linear(x, w, b) + F.linear(h, u, c)
    i, f, o = torch.sigmoid(torch.cat([z[:, : 2 * WIDTH], z[:, 3 * WIDTH :]], -1)).chunk(3, -1)
    cell = f * cell + i * torch.tanh(z[:, 2 * WIDTH : 3 * WIDTH])
    return o * torch.tanh(cell), cell


STEPS_OF_LSTM = {
    "f * c + i * g": kept(lambda i, f, g, c: f * c + i * g),
    "i * g + f * c": kept(lambda i, f, g, c: i * g + f * c),
    "addcmul(f * c, i, g)": kept(lambda i, f, g, c: torch.addcmul(f * c, i, g)),
    "addcmul(i * g, f, c)": kept(lambda i, f, g, c: torch.addcmul(i * g, f, c)),
    "stack.sum(0)": kept(lambda i, f, g, c: torch.stack([f * c, i * g]).sum(0)),
    "f * c - (-i * g)": kept(lambda i, f, g, c: f * c - (-i * g)),
    "stack of gates times stack": kept(lambda i, f, g, c: (torch.stack([f, i]) * torch.stack([c, g])).sum(0)),
    "c - (1 - f) * c + i * g": kept(lambda i, f, g, c: c - (1 - f) * c + i * g),
    "c scaled in place": kept(lambda i, f, g, c: c.clone().mul_(f).add_(i * g)),
    "torch.lstm_cell": lambda x, h, c: torch.lstm_cell(x, (h, c), *OF_LSTM),
    "gates of one layer of [x, h]": lstm_of_joined_input,
    "three gates in one sigmoid": lstm_with_joined_gates,
    "gates by exp": lstm_with(sigmoid=lambda x: 1 / (1 + torch.exp(-x))),
    "gates by tanh": lstm_with(sigmoid=lambda x: 0.5 * (1 + torch.tanh(x / 2))),
    "tanh by sigmoid": lstm_with(tanh=lambda x: 2 * torch.sigmoid(2 * x) - 1),
}

FAMILIES = {
    "LSTM from zeros": {"nn.LSTM": of_torch(LSTM, zero_state, zero_state)}
    | {name: through_time(step, zero_state, zero_state) for name, step in STEPS_OF_LSTM.items()},
    "LSTM from a learned state": {"nn.LSTM": of_torch(LSTM, learned_state, learned_cell)}
    | {name: through_time(step, learned_state, learned_cell) for name, step in STEPS_OF_LSTM.items()},
}
