"""A GRU by hand, in many ways: h' = (1 - z) n + z h, with n = tanh(W x + b + r (U h + c))."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cells import Step, learned_state, module, of_torch, through_time, weights, zero_state
from .comparison import Function
from .tensors import WIDTH

OF_GRU = weights(3, 60)
GRU = module(nn.GRU, OF_GRU)


def gru_gates(x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    w, u, b, c = OF_GRU
    (r, z, n), (r_h, z_h, n_h) = F.linear(x, w, b).chunk(3, -1), F.linear(h, u, c).chunk(3, -1)
    return torch.sigmoid(z + z_h), torch.tanh(n + torch.sigmoid(r + r_h) * n_h)


def mixed(mix: Step) -> Step:
    return lambda x, h: mix(*gru_gates(x, h), h)


def gru_of_separate_layers(x: Tensor, h: Tensor) -> Tensor:
    (w_r, w_z, w_n), (u_r, u_z, u_n), (b_r, b_z, b_n), (c_r, c_z, c_n) = (part.chunk(3) for part in OF_GRU)
    z = torch.sigmoid(F.linear(x, w_z, b_z) + F.linear(h, u_z, c_z))
    r = torch.sigmoid(F.linear(x, w_r, b_r) + F.linear(h, u_r, c_r))
    return (1 - z) * torch.tanh(F.linear(x, w_n, b_n) + r * F.linear(h, u_n, c_n)) + z * h


def gru_of_joined_input(x: Tensor, h: Tensor) -> Tensor:
    """Compute r and z by one layer of [x, h]."""
    w, u, b, c = OF_GRU
    two = 2 * WIDTH
    r, z = F.linear(torch.cat([x, h], -1), torch.cat([w[:two], u[:two]], 1), b[:two] + c[:two]).sigmoid().chunk(2, -1)
    return (1 - z) * torch.tanh(F.linear(x, w[two:], b[two:]) + r * F.linear(h, u[two:], c[two:])) + z * h


def gru_with(sigmoid: Function = torch.sigmoid, tanh: Function = torch.tanh) -> Step:
    def step(x: Tensor, h: Tensor) -> Tensor:
        w, u, b, c = OF_GRU
        (r, z, n), (r_h, z_h, n_h) = (x @ w.T + b).chunk(3, -1), (h @ u.T + c).chunk(3, -1)
        z = sigmoid(z + z_h)
        return (1 - z) * tanh(n + sigmoid(r + r_h) * n_h) + z * h

    return step


def gru_with_addcmul(x: Tensor, h: Tensor) -> Tensor:
    w, u, b, c = OF_GRU
    (r, z, n), (r_h, z_h, n_h) = F.linear(x, w, b).chunk(3, -1), F.linear(h, u, c).chunk(3, -1)
    z = torch.sigmoid(z + z_h)
    n = torch.tanh(torch.addcmul(n, torch.sigmoid(r + r_h), n_h))
    return torch.addcmul((1 - z) * n, z, h)


def gru_with_open_gate(x: Tensor, h: Tensor) -> Tensor:
    """Use 1 - z as a separate gate."""
    w, u, b, c = OF_GRU
    (r, z, n), (r_h, z_h, n_h) = F.linear(x, w, b).chunk(3, -1), F.linear(h, u, c).chunk(3, -1)
    n = torch.tanh(n + torch.sigmoid(r + r_h) * n_h)
    return torch.sigmoid(-z - z_h) * n + torch.sigmoid(z + z_h) * h


def gru_of_a_view(x: Tensor, h: Tensor) -> Tensor:
    w, u, b, c = OF_GRU
    i, j = F.linear(x, w, b).view(-1, 3, WIDTH), F.linear(h, u, c).view(-1, 3, WIDTH)
    r, z = torch.sigmoid(i[:, :2] + j[:, :2]).unbind(1)
    return (1 - z) * torch.tanh(i[:, 2] + r * j[:, 2]) + z * h


MIXES = {
    "(1 - z) * n + z * h": lambda z, n, h: (1 - z) * n + z * h,
    "z * h + (1 - z) * n": lambda z, n, h: z * h + (1 - z) * n,
    "n - z * n + z * h": lambda z, n, h: n - z * n + z * h,
    "n + z * (h - n)": lambda z, n, h: n + z * (h - n),
    "n - z * (n - h)": lambda z, n, h: n - z * (n - h),
    "lerp(n, h, z)": lambda z, n, h: torch.lerp(n, h, z),
    "addcmul((1 - z) * n, z, h)": lambda z, n, h: torch.addcmul((1 - z) * n, z, h),
    "addcmul(z * h, 1 - z, n)": lambda z, n, h: torch.addcmul(z * h, 1 - z, n),
    "stack.sum(0)": lambda z, n, h: torch.stack([(1 - z) * n, z * h]).sum(0),
    "(1 - z) * n - (-z * h)": lambda z, n, h: (1 - z) * n - (-z * h),
    "stack of gates times stack": lambda z, n, h: (torch.stack([1 - z, z]) * torch.stack([n, h])).sum(0),
    "einsum": lambda z, n, h: torch.einsum("kbd,kbd->bd", torch.stack([1 - z, z]), torch.stack([n, h])),
    "cat, then a matrix of ones": lambda z, n, h: (
        torch.cat([(1 - z) * n, z * h], -1) @ torch.cat([torch.eye(WIDTH), torch.eye(WIDTH)])
    ),
    "h scaled in place": lambda z, n, h: h.clone().mul_(z).add_((1 - z) * n),
}
STEPS_OF_GRU = {name: mixed(mix) for name, mix in MIXES.items()} | {
    "torch.gru_cell": lambda x, h: torch.gru_cell(x, h, *OF_GRU),
    "gates of separate layers": gru_of_separate_layers,
    "gates of one layer of [x, h]": gru_of_joined_input,
    "gates of a view": gru_of_a_view,
    "gates by exp": gru_with(sigmoid=lambda x: 1 / (1 + torch.exp(-x))),
    "gates by tanh": gru_with(sigmoid=lambda x: 0.5 * (1 + torch.tanh(x / 2))),
    "tanh by sigmoid": gru_with(tanh=lambda x: 2 * torch.sigmoid(2 * x) - 1),
    "addcmul twice": gru_with_addcmul,
    "1 - z as sigmoid(-z)": gru_with_open_gate,
}


def gru_from_the_second_step(x: Tensor) -> Tensor:
    """Write the first step without a state."""
    (w, _, b, c), x_1 = OF_GRU, x[:, 0]
    r, z, n = F.linear(x_1, w, b).chunk(3, -1)
    c_r, c_z, c_n = c.chunk(3)
    h = (1 - torch.sigmoid(z + c_z)) * torch.tanh(n + torch.sigmoid(r + c_r) * c_n)
    outputs = [h]
    for x_t in x.unbind(1)[1:]:
        h = STEPS_OF_GRU["(1 - z) * n + z * h"](x_t, h)
        outputs.append(h)
    return torch.stack(outputs, 1)


FAMILIES = {
    "GRU from zeros": {"nn.GRU": of_torch(GRU, zero_state)}
    | {name: through_time(step, zero_state) for name, step in STEPS_OF_GRU.items()}
    | {"first step without a state": gru_from_the_second_step},
    "GRU from a learned state": {name: through_time(step, learned_state) for name, step in STEPS_OF_GRU.items()}
    | {"nn.GRU": of_torch(GRU, learned_state)},
}
