"""Other implementations: Captum's epsilon-LRP on dense and convolutional networks, and its gradient x input.

Captum's gamma and alpha-beta rules are for inputs of one sign only, so they can't serve as references.
"""

import copy

import pytest
import torch

from lrp_domains import ATTN_LRP, EPSILON, GRADIENT, epsilon, relevance

captum = pytest.importorskip("captum")


def dense() -> tuple[torch.nn.Module, torch.Tensor]:
    model = torch.nn.Sequential(
        torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4)
    )
    return model, torch.randn(5, 6)


def convolutional() -> tuple[torch.nn.Module, torch.Tensor]:
    model = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(4, 4, 3, stride=2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(16, 3),
    )  # fmt: skip
    return model, torch.randn(3, 2, 10, 10)


@pytest.mark.parametrize("make", [dense, convolutional])
@pytest.mark.parametrize("eps", [1e-9, 0.1])
def test_epsilon_equals_captums_epsilon_rule(make, eps):
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import EpsilonRule

    model, x = (part.double() for part in make())
    of_captum = copy.deepcopy(model)  # Captum leaves its rules on the layers
    for layer in of_captum:
        if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
            layer.rule = EpsilonRule(epsilon=eps)
        elif isinstance(layer, torch.nn.Flatten | torch.nn.MaxPool2d):
            layer.rule = EpsilonRule(epsilon=1e-14)  # practically 0
    expected = LRP(of_captum).attribute(x.clone().requires_grad_(), target=1).detach()
    rules = EPSILON.for_nodes({"dense": epsilon(eps), "convolution": epsilon(eps)})
    x.requires_grad_()
    torch.testing.assert_close(relevance(model(x)[:, 1], x, rules=rules), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("make", [dense, convolutional])
def test_gradient_equals_captums_gradient_times_input(make):
    from captum.attr import InputXGradient

    model, x = (part.double() for part in make())
    x.requires_grad_()
    expected = InputXGradient(model).attribute(x, target=1).detach()
    torch.testing.assert_close(relevance(model(x)[:, 1], x, rules=GRADIENT), expected, rtol=1e-12, atol=1e-14)
    # On a network of layers, ReLU and pooling, LRP-0 is gradient x input.
    torch.testing.assert_close(relevance(model(x)[:, 1], x, rules=ATTN_LRP), expected, rtol=1e-12, atol=1e-14)
