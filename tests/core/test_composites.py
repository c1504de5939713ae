"""The composites of the literature on a residual network with batch norms, against loops over single connections."""

from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lrp_domains import (
    EPSILON_ALPHA2_BETA1_FLAT,
    EPSILON_GAMMA_BOX,
    EPSILON_PLUS,
    EPSILON_PLUS_FLAT,
    RelevanceError,
    ledger,
    relevance,
)

from .layer_loops import TIGHT, alpha_beta_loop, by_loop, epsilon_loop, flat_loop, gamma_loop, z_box_loop, z_plus_loop

MEAN, STD = 0.4, 0.3
COMPOSITES = {
    "flat, z+": (EPSILON_PLUS_FLAT, flat_loop, z_plus_loop),
    "flat, alpha2beta1": (EPSILON_ALPHA2_BETA1_FLAT, flat_loop, alpha_beta_loop),
    "box, gamma": (
        EPSILON_GAMMA_BOX(0.0, 1.0),
        partial(z_box_loop, low=-MEAN / STD, high=(1 - MEAN) / STD),
        partial(gamma_loop, g=0.25),
    ),
}


def merged(layer: nn.Module, channels: int) -> nn.Sequential:
    norm = nn.BatchNorm2d(channels)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2.0)
    norm.weight.data.normal_()
    norm.bias.data.uniform_(0.0, 2.0)
    return nn.Sequential(layer, norm)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = merged(nn.Conv2d(2, 3, 3, padding=1), 3)
        self.branch = merged(nn.Conv2d(3, 2, 3, padding=1, bias=False), 2)
        self.shortcut = merged(nn.Conv2d(3, 2, 1, bias=False), 2)
        self.hidden, self.head = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x):
        x = F.relu(self.stem((x - MEAN) / STD))
        x = F.relu(self.shortcut(x) + self.branch(x))
        return self.head(F.relu(self.hidden(F.avg_pool2d(x, 2).flatten(1))))


def by_loops(model: Residual, x: torch.Tensor, target: int, first, convolution) -> torch.Tensor:
    """Return the relevance, layer by layer; LRP-0 at the sum of the two branches and at the pooling."""
    dense = partial(epsilon_loop, eps=1e-6)
    with torch.no_grad():
        normalised = (x - MEAN) / STD
        stem = F.relu(model.stem(normalised))
        branch, shortcut = model.branch(stem), model.shortcut(stem)
        joined = F.relu(branch + shortcut)
        pooled = F.avg_pool2d(joined, 2)
        hidden = F.relu(model.hidden(pooled.flatten(1)))
        output = model.head(hidden)

        r, _ = by_loop(model.head, hidden, output * F.one_hot(torch.tensor(target), 3), dense)
        r, _ = by_loop(model.hidden, pooled.flatten(1), r, dense)
        share = torch.where(pooled > 0, r.view_as(pooled) / pooled.masked_fill(pooled == 0, 1.0), 0.0)
        r = joined * share.repeat_interleave(2, 2).repeat_interleave(2, 3) / 4
        of_branches = [part * r / (branch + shortcut) for part in (branch, shortcut)]
        layers = (model.branch, model.shortcut)
        r = sum(by_loop(layer, stem, part, convolution)[0] for layer, part in zip(layers, of_branches, strict=True))
        return by_loop(model.stem, normalised, r, first)[0]


@pytest.fixture
def model() -> Residual:
    return Residual().double().eval()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.rand(2, 2, 4, 4, dtype=torch.float64)


@pytest.mark.parametrize("name", COMPOSITES)
def test_composites_equal_their_loops(name, model, x):
    rules, first, convolution = COMPOSITES[name]
    expected = by_loops(model, x, 1, first, convolution)
    x.requires_grad_()
    actual = relevance(model(x)[:, 1], x, rules=rules)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(actual, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", COMPOSITES)
def test_frozen_parameters_do_not_change_the_relevance_of_a_residual_network(name, model, x):
    """The bias of a branch is recovered from what the ReLU after the sum kept, unless both branches have one."""
    x.requires_grad_()
    rules, whole = COMPOSITES[name][0], nn.Sequential(model.stem, nn.ReLU(), model)
    model.stem, model.shortcut = merged(nn.Conv2d(3, 3, 3, padding=1), 3).double(), nn.Identity()
    model.branch, model.hidden = merged(nn.Conv2d(3, 3, 1), 3).double(), nn.Linear(12, 8).double()
    whole.eval()
    expected = relevance(whole(x)[:, 1], x, rules=rules)
    assert expected.abs().max() > 1e-3
    whole.requires_grad_(False)
    torch.testing.assert_close(relevance(whole(x)[:, 1], x, rules=rules), expected, rtol=1e-8, atol=1e-10)


def test_frozen_biases_of_two_branches_are_refused(model, x):
    x.requires_grad_()
    model.requires_grad_(False)
    with pytest.raises(RelevanceError, match=r"frozen bias call model.requires_grad_\(True\)"):
        relevance(model(x)[:, 1], x, rules=EPSILON_PLUS_FLAT)


def test_what_a_composite_does_not_give_to_pixels_it_gives_to_biases(model, x):
    x.requires_grad_()
    account = ledger(model(x)[:, 1], x, rules=EPSILON_GAMMA_BOX(0.0, 1.0), model=model)
    assert account.balanced(1e-5), account


def test_layers_whose_results_are_added_may_be_one_neuron(model, x):
    """As in the other sets; the two differ only where layers are added."""
    x.requires_grad_()
    joint = replace(EPSILON_PLUS_FLAT, joint=True)
    apart, together = (relevance(model(x)[:, 1], x, rules=rules) for rules in (EPSILON_PLUS_FLAT, joint))
    assert (apart - together).abs().max() > 1e-2 * apart.abs().max()

    plain = nn.Sequential(model.stem, nn.ReLU(), model.branch, nn.ReLU())
    apart, together = (relevance(plain(x)[:, 1], x, rules=rules) for rules in (EPSILON_PLUS_FLAT, joint))
    torch.testing.assert_close(apart, together, **TIGHT)
    assert "sum of layers" in EPSILON_PLUS_FLAT.table() and "sum of layers" not in EPSILON_PLUS.table()


def test_pixels_outside_of_the_box_are_refused(model, x):
    x.requires_grad_()
    with pytest.raises(RelevanceError, match="outside the given bounds"):
        relevance(model(x)[:, 1], x, rules=EPSILON_GAMMA_BOX(0.0, 0.5))
