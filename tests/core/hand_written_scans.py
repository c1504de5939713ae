"""Selective state spaces with the scan in plain operations, in several forms."""

import torch
from torch import nn
from torch.nn import functional as F


def steps(u, delta, A, B, C):
    h, outputs = 0, []
    for t in range(u.shape[1]):
        decay = (delta[:, t, :, None] * A).exp()
        h = decay * h + (delta[:, t] * u[:, t])[..., None] * B[:, t, None]
        outputs.append((h * C[:, t, None]).sum(-1))
    return torch.stack(outputs, 1)


def steps_of_discretised(u, delta, A, B, C):
    decay, write = torch.einsum("btc,cn->btcn", delta, A).exp(), torch.einsum("btc,btn,btc->btcn", delta, B, u)
    h, outputs = torch.zeros_like(write[:, 0]), []
    for a, w, c in zip(decay.unbind(1), write.unbind(1), C.unbind(1), strict=True):
        h = torch.addcmul(w, a, h)
        outputs.append(h @ c[..., None])
    return torch.cat(outputs, -1).mT


def written_in_place(u, delta, A, B, C):
    h, y = torch.zeros(*u[:, 0].shape, A.shape[1], dtype=u.dtype), torch.zeros_like(u)
    for t in range(u.shape[1]):
        h = (delta[:, t, :, None] * A).exp() * h + delta[:, t, :, None] * (B[:, t, None] * u[:, t, :, None])
        y[:, t] = torch.einsum("bcn,bn->bc", h, C[:, t])
    return y


def in_parallel(u, delta, A, B, C):
    """Compute the scan as an attention, with scores from C and B."""
    total = (delta[..., None] * A).cumsum(1)
    past = torch.ones(u.shape[1], u.shape[1]).tril()[:, :, None, None].bool()
    decay = torch.where(past, total[:, :, None] - total[:, None], -torch.inf).exp()
    return torch.einsum("btn,bsn,btscn,bsc,bsc->btc", C, B, decay, delta, u)


def by_exp_of_sums(u, delta, A, B, C):
    total = (delta[..., None] * A).cumsum(1)
    write = (delta * u)[..., None] * B[:, :, None]
    return ((write / total.exp()).cumsum(1) * total.exp() * C[:, :, None]).sum(-1)


def by_doubling(u, delta, A, B, C):
    decay, h, shift = (delta[..., None] * A).exp(), (delta * u)[..., None] * B[:, :, None], 1
    while shift < u.shape[1]:
        h = h + decay * F.pad(h, (0, 0, 0, 0, shift, 0))[:, : u.shape[1]]
        decay, shift = decay * F.pad(decay, (0, 0, 0, 0, shift, 0), value=1.0)[:, : u.shape[1]], 2 * shift
    return torch.einsum("btcn,btn->btc", h, C)


def skip_at_each_step(u, delta, A, B, C, D):
    y = steps(u, delta, A, B, C)
    return torch.stack([y[:, t] + D * u[:, t] for t in range(u.shape[1])], 1)


def skip_taken_apart(u, delta, A, B, C, D):
    y, skip = steps(u, delta, A, B, C), D * u
    return torch.stack([y[:, t] + skip[:, t] for t in range(u.shape[1])], 1)


SCANS = [steps, steps_of_discretised, written_in_place, in_parallel, by_exp_of_sums, by_doubling]
WITH_SKIPS = [skip_at_each_step, skip_taken_apart]


class Selective(nn.Module):
    """A selective state space of 4 channels with 3 states; B, C and Delta from a layer, or split off beside u."""

    def __init__(self, scan=steps, split=False, inner=None):
        super().__init__()
        self.scan, self.split = scan, split
        self.inner = inner or nn.Linear(5, 11 if split else 4)
        self.x_proj, self.dt_proj = nn.Linear(4, 7), nn.Linear(1, 4)
        self.A_log, self.D = nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(4))

    def forward(self, x):
        u = F.silu(self.inner(x))
        if self.split:
            u, step, B, C = u.split([4, 1, 3, 3], -1)
        else:
            step, B, C = self.x_proj(u).split([1, 3, 3], -1)
        delta, A = F.softplus(self.dt_proj(step)), -self.A_log.exp()
        self.parts = u, delta, A, B, C
        if self.scan in WITH_SKIPS:
            return self.scan(*self.parts, self.D)
        return self.scan(*self.parts) + u * self.D


def network(**options):
    torch.manual_seed(1)
    return nn.ModuleDict({"mixer": Selective(**options), "head": nn.Linear(4, 2)}).double()


def run(model, x):
    return model["head"](model["mixer"](x))[:, -1, 1]
