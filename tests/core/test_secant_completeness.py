"""Completeness of secants in random programs and networks; other implementations: DeepLIFT, integrated gradients."""

import random

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.checkpoint import checkpoint

from lrp_domains import relevance_against, unfused

from .against import TIGHT, assert_complete, numbers
from .plain_models import MODELS, model_and_inputs
from .test_random_networks import STEPS, weights
from .test_random_programs import OPERATIONS, SHAPE

# Operations that mix samples, and a routing that differs between input and reference.
MIXING = {"reshaped", "experts", "swapped"}


class Draws:
    """What `weights` and the steps draw, the same in every pass."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def draw(self, strategy):
        return self.random.random() < 0.5 if strategy == st.booleans() else self.random.randrange(2**16)


def program_score(program, seed):
    def score(x):
        generator = torch.Generator().manual_seed(seed)

        def parameter(*shape):
            return (torch.randn(*shape, generator=generator, dtype=torch.float64) / 2).requires_grad_()

        tensors = [x]
        for name, i, j in program:
            tensors.append(OPERATIONS[name](tensors[i % len(tensors)], tensors[j % len(tensors)], parameter))
        return sum((tensor * parameter(*SHAPE[1:]).detach()).sum((1, 2)) for tensor in tensors[1:])

    return score


def network_score(network, seed):
    def score(x):
        draw, tensors = Draws(seed), [x]
        for name, i, j in network:
            tensors.append(STEPS[name](draw, tensors[i % len(tensors)], tensors[j % len(tensors)]))
        return (tensors[-1] * weights(draw, *SHAPE[1:]).detach()).sum((1, 2))

    return score


def lists_of(table):
    names = st.sampled_from(sorted(table.keys() - MIXING))
    return st.lists(st.tuples(names, st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=7)


@pytest.mark.filterwarnings("error:.*is not accounted for")
@pytest.mark.parametrize(("score_of", "table"), [(program_score, OPERATIONS), (network_score, STEPS)])
def test_random_programs_are_complete_and_antisymmetric(score_of, table):
    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(program=lists_of(table), seed=st.integers(0, 2**16), unchanged=st.booleans())
    def check(program, seed, unchanged):
        x, b = numbers(*SHAPE, seed=seed) / 2, numbers(*SHAPE, seed=seed + 1) / 2
        if unchanged:
            b[:, 1], b[1, :, 0] = x[:, 1], x[1, :, 0]
        (actual,) = assert_complete(score_of(program, seed), x, b)
        assert (actual[x == b] == 0).all()
        reversed_ = relevance_against(score_of(program, seed), b, x)
        assert (actual + reversed_).abs().max() <= 1e-9 * (actual.abs().max() + 1e-3)

    check()


def conv_net():
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU(inplace=True),
        torch.nn.MaxPool2d(3, 2, 1), torch.nn.Conv2d(4, 4, 3), torch.nn.GELU(), torch.nn.AdaptiveMaxPool2d(2),
        torch.nn.Flatten(), torch.nn.Linear(16, 3),
    ).double().eval()  # fmt: skip


def recurrent(cell):
    module = cell(8, 6, 2, batch_first=True, bidirectional=True).double()

    def score(x):
        with unfused():
            return module(x)[0][:, -1].square().sum(1)

    return score


def checkpointed(x):
    layer, norm = torch.nn.Linear(8, 8).double(), torch.nn.LayerNorm(8).double()
    layer.weight.data, layer.bias.data = numbers(8, 8, seed=1), numbers(8, seed=2)

    def block(x):
        e = (x @ x.mT).exp()
        x = x + torch.where(x > 0, x, 0.1 * x) * torch.tanh(layer(30 * norm(x)))
        return (e / e.sum(-1, keepdim=True)) @ x + x.amax(1, keepdim=True) * F.silu(x, inplace=False)

    def plain(f, x, **settings):
        return f(x)

    return [
        lambda x, run=run: run(block, run(block, x / 4, use_reentrant=False), use_reentrant=False).sum((1, 2))
        for run in (plain, checkpoint)
    ]


@pytest.mark.filterwarnings("error:.*is not accounted for")
@pytest.mark.parametrize("name", [*MODELS, "conv", "LSTM", "GRU", "RNN", "weight norm", "torch encoder"])
def test_networks_are_complete(name):
    torch.manual_seed(0)
    x, b = numbers(3, 5, 8), numbers(3, 5, 8)
    if name in MODELS:
        model = model_and_inputs(name)[0]
        assert_complete(lambda x: model(x)[:, 1], x, b)
    elif name == "conv":
        model = conv_net()
        assert_complete(lambda x: model(x)[:, 1], numbers(3, 2, 9, 9), numbers(3, 2, 9, 9))
    elif name in ("LSTM", "GRU", "RNN"):
        assert_complete(recurrent(getattr(torch.nn, name)), x, b)
    elif name == "weight norm":
        layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(8, 4)).double()
        assert_complete(lambda x: layer(x).tanh().sum((1, 2)), x, b)
    else:
        layer = torch.nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, norm_first=True)
        model = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).double().eval()
        padding = torch.tensor([[False] * 4 + [True]] * 3)
        assert_complete(lambda x: model(x, src_key_padding_mask=padding)[:, 0].sum(1), x, b)


def test_a_checkpoint_does_not_change_the_relevance():
    x, b = numbers(2, 4, 8), numbers(2, 4, 8)
    plain, saving = checkpointed(x)
    assert_complete(saving, x, b)
    torch.testing.assert_close(relevance_against(saving, x, b), relevance_against(plain, x, b), **TIGHT)


def test_autocast_is_complete_to_its_precision():
    layer = torch.nn.Linear(4, 4)

    def mixed(x):
        with torch.autocast("cpu", torch.bfloat16):
            return (layer(layer(x).tanh()) * x).softmax(1)[:, 0].float()

    assert_complete(mixed, numbers(3, 4).float(), numbers(3, 4).float(), 2e-2)


# ---- Other implementations


def dense_relu():
    sizes = [(6, 8), (8, 8), (8, 4)]
    layers = [part for i, o in sizes for part in (torch.nn.Linear(i, o), torch.nn.ReLU())]
    return torch.nn.Sequential(*layers[:-1]).double(), numbers(5, 6), numbers(5, 6)


def conv_relu():
    model = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.AvgPool2d(2),
        torch.nn.Conv2d(4, 4, 3, stride=2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(16, 3),
    )  # fmt: skip
    return model.double(), numbers(3, 2, 10, 10), numbers(3, 2, 10, 10)


@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks", "ignore:Input Tensor 0 did not")
@pytest.mark.parametrize("make", [dense_relu, conv_relu])
def test_networks_of_relu_equal_captums_deeplift(make):
    """Captum's attributions behind a max-pooling don't sum to the difference: for it see test_secant_selections.py."""
    attr = pytest.importorskip("captum.attr")
    torch.manual_seed(0)
    model, x, b = make()
    expected = attr.DeepLift(model).attribute(x, b, target=1).detach()
    actual = relevance_against(lambda x: model(x)[:, 1], x, b)
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-8)


def test_a_linear_network_gets_gradient_times_difference():
    model, x, b = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Linear(5, 2)).double(), numbers(4, 6), numbers(6)
    b = b.expand_as(x)
    slope = (model[1].weight @ model[0].weight)[1].detach()
    torch.testing.assert_close(relevance_against(lambda x: model(x)[:, 1], x, b), (x - b) * slope, **TIGHT)


POLYNOMIALS = {
    "quadratic form": lambda x: (x @ numbers(6, 6, seed=1) * x).sum(1),
    "product": lambda x: x[:, :3].prod(1),
    "nested product": lambda x: x[:, 0] * x[:, 1] * x[:, 2] * x[:, 3],
    "squared distance": lambda x: (x[:, None] - numbers(4, 6, seed=2)).square().sum((1, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomials_equal_integrated_gradients(name):
    """Along the line from the reference, the path integral of a product of single entries is its Shapley value."""
    f, x, b = POLYNOMIALS[name], numbers(3, 6), numbers(3, 6)
    total = torch.zeros_like(x)
    for step in range(1000):
        middle = (b + (x - b) * (step + 0.5) / 1000).requires_grad_()
        total += torch.autograd.grad(f(middle).sum(), middle)[0] / 1000
    torch.testing.assert_close(relevance_against(f, x, b), (x - b) * total, rtol=1e-5, atol=1e-5)
