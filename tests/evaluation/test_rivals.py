"""Rivals against captum, against enumeration, and against functions whose explanation is known."""

from itertools import chain, combinations
from math import factorial

import captum.attr
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lrp_domains.domain import DomainError
from lrp_domains.evaluation import rivals
from lrp_domains.evaluation.rivals import Problem


@pytest.fixture(autouse=True)
def _double():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1)).eval()


def explained(model: nn.Module, samples: int = 3, units: int = 5, features: int | None = None) -> Problem:
    shape = (samples, units) if features is None else (samples, units, features)
    return Problem(lambda x: model(x)[:, 0], (torch.randn(shape),), (0.3 * torch.randn(shape),), model)


def test_integrated_gradients_are_captums():
    of = explained(network())
    (ours,) = rivals.integrated_gradients(20).relevance(of)
    theirs = captum.attr.IntegratedGradients(of.score).attribute(
        of.inputs[0], of.references[0], n_steps=20, method="riemann_middle"
    )
    torch.testing.assert_close(ours, theirs)


def test_integrated_gradients_sum_to_the_difference():
    of = explained(network())
    (relevance,) = rivals.integrated_gradients(300).relevance(of)
    torch.testing.assert_close(relevance.sum(1), of.score(*of.inputs) - of.score(*of.references), rtol=0, atol=1e-5)


def test_midpoints_of_a_network_of_rectifiers_are_integrated_gradients():
    """There AttnLRP's coefficients are the gradients, also of log-odds, whose other labels count as constant."""
    model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 3))

    def odds(x):
        logits = model(x)
        return logits[:, 0] - logits[:, 1:].logsumexp(1)

    of = Problem(odds, (torch.randn(3, 5),), (torch.randn(3, 5),), model)
    (relevance,), (integrated,) = (make(4).relevance(of) for make in (rivals.midpoints, rivals.integrated_gradients))
    torch.testing.assert_close(relevance, integrated)


def test_midpoints_average_the_coefficients_of_attn_lrp():
    """Of a product of the inputs each factor has half: at share s of the way from 0, the coefficient is s x / 2."""
    of = Problem(lambda x: x[:, 0] * x[:, 1], (torch.tensor([[3.0, 4.0]]),), (torch.zeros(1, 2),), nn.Identity())
    (relevance,) = rivals.midpoints(2).relevance(of)
    torch.testing.assert_close(relevance, torch.tensor([[3.0, 3.0]]))  # 3 x 4 / 2 x (1/4 + 3/4) / 2


def test_expected_gradients_approach_integrated_ones():
    of = explained(network())
    (expected,) = rivals.gradient_shap(4000).relevance(of)
    (integrated,) = rivals.integrated_gradients(300).relevance(of)
    torch.testing.assert_close(expected, integrated, rtol=0, atol=0.03)


def test_smooth_gradients_of_a_quadratic_are_its_gradients():
    """The mean of ``2 (x + e)`` over noise e is ``2 x``; of the cube ``3 (x^2 + sigma^2)``, more than the gradient."""
    x = torch.randn(2, 4)
    zeros = (torch.zeros_like(x),)
    sigma = 0.15 * (x.amax(1) - x.amin(1))[:, None]
    square = Problem(lambda x: (x**2).sum(1), (x,), zeros, nn.Identity())
    torch.testing.assert_close(rivals.smooth_gradient(4_000).relevance(square)[0], 2 * x * x, rtol=0, atol=0.07)
    cube = Problem(lambda x: (x**3).sum(1), (x,), zeros, nn.Identity())
    expected = 3 * (x**2 + sigma**2) * x
    torch.testing.assert_close(rivals.smooth_gradient(4_000).relevance(cube)[0], expected, rtol=0, atol=0.3)


def test_gradient_times_input_is_one_gradient():
    of = explained(network())
    x = of.inputs[0].clone().requires_grad_()
    (g,) = torch.autograd.grad(of.score(x).sum(), x)
    torch.testing.assert_close(rivals.gradient_times_input().relevance(of)[0], g * (x - of.references[0]).detach())


def test_occlusion_is_captums():
    of = explained(network())
    theirs = captum.attr.FeatureAblation(of.score).attribute(of.inputs[0], of.references[0])
    torch.testing.assert_close(rivals.occlusion().relevance(of)[0], theirs)


def shapley_values(of: Problem, row: int) -> np.ndarray:
    """Compute Shapley values by their definition, over all subsets."""
    units = of.inputs[0].shape[1]

    def value(kept) -> float:
        mask = torch.zeros(units, dtype=torch.bool)
        mask[list(kept)] = True
        mask = mask.view(-1, *[1] * (of.inputs[0].ndim - 2))
        x = of.inputs[0].clone()
        x[row] = torch.where(mask, x[row], of.references[0][row])
        return float(of.score(x)[row])

    values = np.zeros(units)
    for unit in range(units):
        others = [other for other in range(units) if other != unit]
        for kept in chain.from_iterable(combinations(others, size) for size in range(units)):
            weight = factorial(len(kept)) * factorial(units - len(kept) - 1) / factorial(units)
            values[unit] += weight * (value((*kept, unit)) - value(kept))
    return values


def test_kernel_shap_approaches_shapley_values():
    of = explained(network())
    (relevance,) = rivals.kernel_shap(3000).relevance(of)
    for row in range(3):
        np.testing.assert_allclose(relevance[row].numpy(), shapley_values(of, row), atol=0.02)
    torch.testing.assert_close(relevance.sum(1), of.score(*of.inputs) - of.score(*of.references))


def test_kernel_shap_favours_no_unit_where_coalitions_are_few():
    of = Problem(lambda x: x.sum(1), (torch.ones(2, 40),), (torch.zeros(2, 40),), nn.Identity())
    (relevance,) = rivals.kernel_shap(10).relevance(of)
    torch.testing.assert_close(relevance, torch.ones(2, 40))


def test_lime_finds_the_weights_of_a_linear_function():
    weights = torch.randn(6)
    of = Problem(lambda x: x @ weights, (torch.ones(2, 6),), (torch.zeros(2, 6),), nn.Identity())
    (relevance,) = rivals.lime(2000, ridge=1e-6).relevance(of)
    torch.testing.assert_close(relevance, weights.expand(2, -1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rival", [rivals.occlusion(), rivals.kernel_shap(50), rivals.lime(50)])
def test_units_that_equal_their_reference_have_no_relevance(rival):
    of = explained(network())
    of.references[0][1, 2:] = of.inputs[0][1, 2:]
    of.references[0][2] = of.inputs[0][2]
    (relevance,) = rival.relevance(of)
    assert (relevance[1, 2:] == 0).all()
    assert (relevance[1, :2] != 0).all()
    assert (relevance[2] == 0).all()


def test_units_of_several_features_are_removed_whole():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 1))
    of = explained(model, units=4, features=3)
    (relevance,) = rivals.kernel_shap(3000).relevance(of)
    assert relevance.shape == (3, 4, 3)
    np.testing.assert_allclose(relevance.sum(2)[0].numpy(), shapley_values(of, 0), atol=0.02)


def test_deeplift_of_a_network_of_relus_is_complete():
    model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1))
    of = explained(model)
    (relevance,) = rivals.deeplift().relevance(of)
    torch.testing.assert_close(relevance.sum(1), of.score(*of.inputs) - of.score(*of.references))


class Attending(nn.Module):
    """Attention over units, fused or written out, and a mean."""

    def __init__(self, fused: bool, causal: bool = False) -> None:
        super().__init__()
        self.fused, self.causal = fused, causal
        self.layers = nn.ModuleList(nn.Linear(8, 24) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = []
        for layer in self.layers:
            q, k, v = (part.unflatten(2, (2, 4)).transpose(1, 2) for part in layer(x).chunk(3, 2))
            scores = q @ k.transpose(2, 3) / 2
            if self.causal:
                scores = scores.masked_fill(~torch.ones(scores.shape[2:], dtype=torch.bool).tril(), -torch.inf)
            weights = torch.softmax(scores, -1) if not self.fused else scores.exp() / scores.exp().sum(-1, True)
            self.seen.append(weights.mean(1))
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal) if self.fused else weights @ v
            x = x + mixed.transpose(1, 2).flatten(2)
        return x.mean(1)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("causal", [True, False])
def test_attention_is_that_of_the_model(fused, causal):
    model = Attending(fused, causal)
    of = explained(model, units=6, features=8)
    (last,) = rivals.last_attention(position=-1).relevance(of)
    (rolled,) = rivals.rollout(position=-1).relevance(of)
    model(of.inputs[0])
    first, second = model.seen
    torch.testing.assert_close(last.sum(2), second[:, -1])
    own = torch.eye(6)
    torch.testing.assert_close(rolled.sum(2), ((second + own) / 2 @ ((first + own) / 2))[:, -1])


def test_attention_of_a_first_token_that_sees_itself_alone_is_refused():
    of = explained(Attending(fused=True, causal=True), features=8)
    for make in (rivals.last_attention, rivals.rollout):
        with pytest.raises(DomainError, match="one of 5 units alone"):
            make(0).relevance(of)


def test_a_model_without_attention_is_refused():
    with pytest.raises(DomainError, match="no attention"):
        rivals.last_attention().relevance(explained(network()))


def test_random_relevance_is_the_same_each_time():
    of = explained(network())
    first, again = (rivals.random_relevance(seed=3).relevance(of)[0] for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, rivals.random_relevance(seed=4).relevance(of)[0])
    assert not torch.equal(first, rivals.random_relevance(seed=3).relevance(explained(network()))[0])


@pytest.mark.parametrize(
    "make", [rivals.integrated_gradients, rivals.midpoints, rivals.kernel_shap, rivals.lime, rivals.gradient_shap]
)
@pytest.mark.parametrize("count", [0, -1, 2.5, True])
def test_counts_are_checked(make, count):
    with pytest.raises(DomainError, match="whole number from 1"):
        make(count)


def test_what_results_depend_on_identifies_a_rival():
    one, other = rivals.kernel_shap(20, seed=0), rivals.kernel_shap(20, seed=1)
    assert one.name == other.name
    assert one.table() != other.table()
    assert rivals.smooth_gradient(noise=0.1).table() != rivals.smooth_gradient(noise=0.2).table()
    assert rivals.last_attention(0).table() != rivals.last_attention().table()
