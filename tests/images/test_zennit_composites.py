"""The composites equal zennit's on VGG- and ResNet-like networks.

Two differences are zennit's alone. It adds a stabiliser, 1e-6, to every denominator, also of sums and poolings. And the
batch norms that it merges into layers remain in the network, as ``x / sqrt(1 + eps)``. Both are made small here, and
shown to be all there is.
"""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lrp_domains import EPSILON_ALPHA2_BETA1_FLAT, EPSILON_GAMMA_BOX, EPSILON_PLUS_FLAT, RuleSet, relevance
from tests.model_libraries import require

require("torchvision", "zennit")

from torchvision import models  # noqa: E402
from zennit import composites  # noqa: E402
from zennit.torchvision import ResNetCanonizer, VGGCanonizer  # noqa: E402

MEAN, STD = (
    torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1) for values in ((0.5, 0.4, 0.3), (0.2, 0.3, 0.25))
)
NAMES = ["flat, z+", "flat, alpha2beta1", "box, gamma"]
SMALL = ["vgg", "vgg_bn", "resnet"]
LARGE = ["vgg11", "vgg16_bn", "resnet18", "resnet50", "wide_resnet50_2"]
NETWORKS = [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]
BOX = -2.0, 3.0


def small(name: str) -> nn.Module:
    """Return a network of torchvision's blocks with few layers and channels."""
    if name == "resnet":
        model = models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1])
        model.layer3, model.layer4, model.fc = nn.Identity(), nn.Identity(), nn.Linear(128, 5)
        return model
    layers = models.vgg.make_layers([8, "M", 16, "M", 16, 16, "M"], batch_norm=name == "vgg_bn")
    head = nn.Linear(16 * 4, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 5)
    return nn.Sequential(layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), *head)


def network(name: str, eps: float = 1e-12) -> nn.Module:
    """Return a network with random weights, and random statistics and scales of both signs in its batch norms."""
    model = small(name) if name in SMALL else getattr(models, name)(num_classes=5)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = eps
            module.running_mean.normal_(0.0, 0.3)
            module.running_var.uniform_(0.5, 2.0)
            module.weight.data.uniform_(-0.5, 1.5)
            module.bias.data.normal_(0.0, 0.3)
    return model.double().eval()


def ours(name: str, box: tuple) -> RuleSet:
    return {
        "flat, z+": EPSILON_PLUS_FLAT,
        "flat, alpha2beta1": EPSILON_ALPHA2_BETA1_FLAT,
        "box, gamma": EPSILON_GAMMA_BOX(*box),
    }[name]


def of_zennit(model: nn.Module, x: torch.Tensor, name: str, box: tuple, stabiliser: float = 1e-12) -> torch.Tensor:
    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    canonizer = ResNetCanonizer() if isinstance(model, models.ResNet) else VGGCanonizer()
    options = {"stabilizer": stabiliser, "canonizers": [canonizer]}  # epsilon is 1e-6 for both
    low, high = (torch.as_tensor(bound).expand(1, *x.shape[1:]) for bound in box)
    composite = {
        "flat, z+": lambda: composites.EpsilonPlusFlat(**options),
        "flat, alpha2beta1": lambda: composites.EpsilonAlpha2Beta1Flat(**options),
        "box, gamma": lambda: composites.EpsilonGammaBox(low=low, high=high, **options),
    }[name]()
    x = x.detach().clone().requires_grad_()
    with composite.context(model) as modified:
        output = modified(x)
        start = torch.zeros_like(output)
        start[:, 2] = output.detach()[:, 2]
        return torch.autograd.grad(output, x, start)[0]


def explained(model: nn.Module, x: torch.Tensor, rules: RuleSet) -> torch.Tensor:
    x = x.detach().clone().requires_grad_()
    return relevance(model(x)[:, 2], x, rules=rules)


def difference(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the largest difference, relative to the largest relevance of each picture."""
    largest = expected.abs().amax((1, 2, 3))
    assert (largest > 0).all()
    return ((actual - expected).abs().amax((1, 2, 3)) / largest).max().item()


def pictures(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, dtype=torch.float64) * (BOX[1] - BOX[0]) + BOX[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", NETWORKS)
def test_composites_equal_zennits(kind, name):
    model, x = network(kind), pictures()
    expected = of_zennit(model, x, name, BOX)
    assert difference(explained(model, x, ours(name, BOX)), expected) < 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_the_difference_is_zennits_stabiliser(name):
    """It shrinks with the stabiliser, and in proportion to it."""
    model, x = network("resnet"), pictures(1)
    actual = explained(model, x, ours(name, BOX))
    large, small = (difference(of_zennit(model, x, name, BOX, stabiliser), actual) for stabiliser in (1e-8, 1e-10))
    assert small < 1e-5 and 50 < large / small < 200


def test_the_difference_is_the_eps_of_the_batch_norms_that_zennit_merged():
    """With statistics that include the eps, nothing is left of it."""
    model, x = network("vgg_bn", eps=1e-5), pictures(1)
    actual = explained(model, x, EPSILON_PLUS_FLAT)
    assert difference(of_zennit(model, x, "flat, z+", BOX), actual) > 1e-6
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var += module.eps
            module.eps = 0.0
    assert difference(explained(model, x, EPSILON_PLUS_FLAT), actual) < 1e-12
    assert difference(of_zennit(model, x, "flat, z+", BOX), actual) < 1e-6


class Normalised(nn.Module):
    """A network that normalises its pictures itself."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model((x - MEAN) / STD)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["vgg_bn", "resnet"])
def test_normalisation_in_the_model_passes_relevance_on_unchanged(kind, name):
    """The reference is the network alone, explained for normalised pictures and bounds."""
    model, x = network(kind), torch.rand(2, 3, 32, 32, dtype=torch.float64)
    bounds = tuple(((bound - MEAN) / STD) for bound in (0.0, 1.0))
    expected = of_zennit(model, (x - MEAN) / STD, name, bounds)
    assert difference(explained(Normalised(model), x, ours(name, (0.0, 1.0))), expected) < 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_normalisation_in_the_model_equals_normalisation_merged_into_the_first_layer(name):
    """Merging is exact if the first layer isn't padded, or padded with the mean."""
    model, x = network("resnet"), torch.rand(1, 3, 32, 32, dtype=torch.float64)
    model.conv1.padding = 0, 0
    merged = copy.deepcopy(model)
    merged.conv1.weight.data /= STD
    merged.conv1.bias = nn.Parameter(-(merged.conv1.weight.data * MEAN).sum((1, 2, 3)))
    torch.testing.assert_close(merged(x), model((x - MEAN) / STD))
    expected = of_zennit(merged, x, name, (0.0, 1.0))
    assert difference(explained(Normalised(model), x, ours(name, (0.0, 1.0))), expected) < 1e-6


def test_zennit_scales_relevance_by_normalisation_in_the_model():
    """Its rule for the first layer returns relevance as a gradient, which the division by the deviation then changes,
    so that it isn't conserved: this is why the network alone is the reference above."""
    model, x = network("vgg"), torch.rand(1, 3, 32, 32, dtype=torch.float64)
    right = explained(Normalised(model), x, EPSILON_PLUS_FLAT)
    assert difference(of_zennit(Normalised(model), x, "flat, z+", BOX) * STD, right) < 1e-6


def test_padding_outside_of_the_first_layer_is_no_input_of_it():
    """A first layer that pads itself, and one whose input is padded before."""
    model, x = network("resnet"), pictures(1)
    outside = copy.deepcopy(model)
    outside.conv1.padding = 0, 0
    for name in NAMES:
        rules = ours(name, BOX)
        expected = of_zennit(model, x, name, BOX)
        actual = explained(lambda t: outside(F.pad(t, (3, 3, 3, 3))), x, rules)
        assert difference(actual, expected) < 1e-6
