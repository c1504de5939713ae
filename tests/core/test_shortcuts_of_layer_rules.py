"""What layer rules needn't compute: contributions that can't be there, values that were kept, steps that are linear."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lrp_domains import EPSILON, EPSILON_PLUS, EPSILON_PLUS_FLAT, RelevanceError, alpha_beta, epsilon, gamma, relevance
from lrp_domains.core.graph.graph import build_graph, edge_of
from lrp_domains.core.layers import linear_maps
from lrp_domains.core.layers.signs import is_nonnegative
from lrp_domains.core.planning import layer_pass
from lrp_domains.core.rule import Rule

from .four_neurons import draw
from .layer_loops import TIGHT, only

NEVER_NEGATIVE = {
    "relu": F.relu,
    "in place": lambda x: F.relu_(x * 1),
    "relu6": F.relu6,
    "clamp": lambda x: x.clamp(min=0.5),
    "clamp_min": lambda x: x.clamp_min(0),
    "softmax": lambda x: x.softmax(1),
    "pooled": lambda x: F.max_pool2d(F.avg_pool2d(F.relu(x), 2), 2),
    "moved": lambda x: F.relu(x).flatten(1)[:, None, ::2].transpose(1, 2),
    "added": lambda x: F.relu(x) + x.abs().mul(x.sigmoid()),
    "joined": lambda x: torch.cat([F.relu(x), x.exp()], 1),
    "gated": lambda x: F.relu(x) * x.mean((2, 3), keepdim=True).sigmoid(),
    "resized": lambda x: F.interpolate(F.relu(x), scale_factor=2.0, mode="bilinear"),
    "reflected": lambda x: F.pad(F.relu(x), (1, 1, 1, 1), mode="reflect"),
}
PERHAPS_NEGATIVE = {
    "itself": lambda x: x * 1,
    "gelu": F.gelu,
    "tanh": torch.tanh,
    "difference": lambda x: F.relu(x) - F.relu(-x),
    "alpha": lambda x: torch.add(F.relu(x), x.abs(), alpha=-1),
    "a number": lambda x: F.relu(x) - 0.1,
    "a parameter": lambda x: F.relu(x) + nn.Parameter(-torch.ones(1, dtype=x.dtype)),
    "scaled": lambda x: -0.5 * F.relu(x),
    "scaled by a parameter": lambda x: F.relu(x) * nn.Parameter(-torch.ones(1, dtype=x.dtype)),
    "joined with a constant": lambda x: torch.cat([F.relu(x), -torch.ones_like(x)], 1),
    "padded": lambda x: F.pad(F.relu(x), (1, 1), value=-1.0),
    "clamp": lambda x: x.clamp(min=-0.5),
    "bicubic": lambda x: F.interpolate(F.relu(x), scale_factor=2.0, mode="bicubic"),
    "batch norm": lambda x: F.batch_norm(F.relu(x), torch.ones(3).double(), torch.ones(3).double()),
    "logarithm": lambda x: torch.log1p(F.relu(x) - 0.5),
}


def sign_of(f) -> bool:
    x = draw(2, 3, 8, 8).requires_grad_()
    y = f(x)
    return is_nonnegative(edge_of(y), build_graph(y.sum().grad_fn, [x]))


@pytest.mark.parametrize("name", NEVER_NEGATIVE)
def test_what_can_not_be_negative_is_known(name):
    assert sign_of(NEVER_NEGATIVE[name])
    assert NEVER_NEGATIVE[name](draw(2, 3, 8, 8)).min() >= 0


@pytest.mark.parametrize("name", PERHAPS_NEGATIVE)
def test_what_may_be_negative_is_not_taken_for_more(name):
    assert not sign_of(PERHAPS_NEGATIVE[name])


class Residual(nn.Module):
    """Layers before and after ReLU, GELU and nothing, with norms, skips, cuts, and a result that is read twice."""

    def __init__(self, frozen=False):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.norm, self.branch = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1)
        self.other, self.wide, self.head = nn.Conv2d(4, 4, 1, bias=False), nn.Linear(4, 6), nn.Linear(3, 3)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2)
        self.double().eval().requires_grad_(not frozen)

    def forward(self, x):
        h = F.relu(self.norm(self.stem(x)), inplace=True)
        h = h + self.branch(h) + self.other(F.gelu(h))
        h = F.relu(h).mean((2, 3))
        a, b = self.wide(h).chunk(2, 1)
        return self.head(F.relu(a) + b) + a


RULES = {"epsilon": epsilon(0.1), "gamma": gamma(0.3), "alpha-beta": alpha_beta(2, 1), "z+": alpha_beta(1, 0)}
SETS = {
    **{name: only(rule) for name, rule in RULES.items()},
    "epsilon behind z+": EPSILON_PLUS,
    "each layer apart": EPSILON_PLUS_FLAT,
    "by name": EPSILON.where({"wide.weight": gamma(0.3)}),
}


@pytest.mark.parametrize("name", SETS)
def test_shortcuts_do_not_change_the_relevance(name, monkeypatch):
    model, x = Residual(), draw(2, 2, 7, 7).requires_grad_()

    def explained():
        return relevance(model(x)[:, 1], x, rules=SETS[name], model=model)

    expected, of_parameters = (
        explained(),
        relevance(model(x)[:, 1], [model.wide.bias, x], rules=SETS[name], model=model),
    )
    monkeypatch.setattr(linear_maps, "is_nonnegative", lambda edge, graph: False)
    torch.testing.assert_close(explained(), expected, **TIGHT)
    monkeypatch.setattr(layer_pass, "kept_value", lambda *_: None)
    torch.testing.assert_close(explained(), expected, **TIGHT)
    monkeypatch.setattr(layer_pass._Pass, "_linear_tops", lambda self: set())
    torch.testing.assert_close(explained(), expected, **TIGHT)
    again = relevance(model(x)[:, 1], [model.wide.bias, x], rules=SETS[name], model=model)
    torch.testing.assert_close(again, of_parameters, **TIGHT)


def test_a_rule_that_passes_a_relu_gets_the_values_that_it_cut_off(monkeypatch):
    straight = Rule("straight through", backward=lambda node, carries, gi, go: (go[0],))
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)).double(), draw(3, 4).requires_grad_()
    rules = EPSILON.for_nodes({"ReluBackward0": straight})
    passed = relevance(model(x)[:, 0], x, rules=rules)
    monkeypatch.setattr(layer_pass, "kept_value", lambda *_: None)
    torch.testing.assert_close(passed, relevance(model(x)[:, 0], x, rules=rules), **TIGHT)


def test_a_layer_that_is_a_part_of_neurons_with_several_rules_takes_no_shortcut(monkeypatch):
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.shared, self.left, self.right = (nn.Linear(4, n, bias=False) for n in (4, 2, 2))
            self.double()

        def forward(self, x):
            h = self.shared(x)
            return F.gelu(h[:, :2] + self.left(x)) + F.gelu(h[:, 2:] + self.right(x))

    model, x = Shared(), draw(3, 4).requires_grad_()
    rules = only(RULES["epsilon"]).where({"left.weight": gamma(0.3)})
    found = relevance(model(x)[:, 0], x, rules=rules, model=model)
    monkeypatch.setattr(layer_pass, "kept_value", lambda *_: None)
    monkeypatch.setattr(layer_pass._Pass, "_linear_tops", lambda self: set())
    torch.testing.assert_close(found, relevance(model(x)[:, 0], x, rules=rules, model=model), **TIGHT)


def test_epsilon_needs_no_inputs_of_frozen_layers_whose_values_were_kept():
    x = draw(2, 5).requires_grad_()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.GELU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1), nn.ReLU()).double()
    model[4].bias.data.fill_(9.0)  # so that the last ReLU is on
    expected = relevance(model(x).sum(), x, rules=EPSILON)
    model.requires_grad_(False)
    torch.testing.assert_close(relevance(model(x).sum(), x, rules=EPSILON), expected, **TIGHT)
    with pytest.raises(RelevanceError, match="frozen"):
        relevance(model[:5](x).sum(), x, rules=EPSILON)


@pytest.mark.parametrize("name", ["epsilon", "z+", "alpha-beta"])
def test_each_layer_is_computed_as_often_as_it_has_to_be(name, monkeypatch):
    calls = []

    def counted(node, x):
        forward, backward = convolution(node, x)
        return (lambda x, w: calls.append("forward") or forward(x, w)), (
            lambda s, w: calls.append("backward") or backward(s, w)
        )

    convolution = linear_maps._convolution
    monkeypatch.setattr(linear_maps, "_convolution", counted)
    torch.manual_seed(0)
    model = (
        nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.ReLU()).double().eval()
    )
    x = draw(2, 2, 7, 7).requires_grad_()
    relevance(model(x).sum(), x, rules=only(RULES[name]))
    # The first layer's input may have both signs, that of the second hasn't.
    counts = {"epsilon": (0, 0), "z+": (2 + 1, 2 + 1), "alpha-beta": (4 + 2, 4 + 2)}
    assert (calls.count("forward"), calls.count("backward")) == counts[name]
