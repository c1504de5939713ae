"""`relevance` leaves the model unchanged: its parameters, their gradients, its hooks and attributes."""

import pytest
import torch
from torch import nn
from torch.autograd.graph import get_gradient_edge
from torch.utils._python_dispatch import TorchDispatchMode

from lrp_domains import ATTN_LRP, CP_LRP, EPSILON, GRADIENT, ledger, relevance

from .plain_models import MODELS, model_and_inputs


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP, GRADIENT], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_frozen_and_unfrozen_parameters_give_the_same_bits(name, rules):
    frozen, unfrozen = (
        relevance(model(x)[:, 0], x, rules=rules) for model, x in (model_and_inputs(name, f) for f in (True, False))
    )
    assert torch.equal(frozen, unfrozen)


def test_parameters_frozen_in_part_give_the_same_bits():
    model, x = model_and_inputs()
    expected = relevance(model(x)[:, 0], x)
    for parameter in [*model.parameters()][::2]:
        parameter.requires_grad_(False)
    assert torch.equal(relevance(model(x)[:, 0], x), expected)


# ---- Gradients of parameters ---------------------------------------------------------------------------------


class Count(TorchDispatchMode):
    """The number of times that each operation is carried out."""

    def __init__(self):
        super().__init__()
        self.calls = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        self.calls[name] = self.calls.get(name, 0) + 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
def test_gradients_of_weights_are_never_computed(rules):
    """Three layers take three matrix products; with the gradients of the weights there would be six."""
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2)).double()
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    score = model(x)[:, 0]
    with Count() as without_weights:
        relevance(score, x, rules=rules, retain_graph=True)
    with Count() as with_weights:
        torch.autograd.grad(score.sum(), [x, *model.parameters()])
    assert (without_weights.calls["mm"], with_weights.calls["mm"]) == (3, 6)


def test_the_ledger_computes_no_gradients_of_weights():
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2)).double()
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    score = model(x)[:, 0]
    with Count() as count:
        account = ledger(score, x, rules=CP_LRP, model=model)
    assert count.calls["mm"] == 2 and set(account.leaves) == {"0.bias", "2.bias"}


def test_the_pass_does_not_reach_the_parameters():
    """A backward pass that reached a parameter would call the hook on its accumulator."""
    model, x = model_and_inputs()
    visited = []
    nodes = [get_gradient_edge(parameter).node for parameter in model.parameters()]
    handles = [node.register_prehook(lambda grads: visited.append(grads)) for node in nodes]
    score = model(x).sum()
    relevance(score, x, retain_graph=True)
    assert visited == []
    score.backward()
    assert len(visited) == len(handles)


def test_the_grad_of_parameters_and_inputs_is_left_unchanged():
    model, x = model_and_inputs()
    for tensor in [*list(model.parameters())[:2], x]:
        tensor.grad = torch.full_like(tensor, 7.0)
    before = [tensor.grad for tensor in [*model.parameters(), x]]
    relevance(model(x)[:, 0], x, model=model)
    ledger(model(x)[:, 0], x, model=model)
    for tensor, grad in zip([*model.parameters(), x], before, strict=True):
        assert tensor.grad is grad
        assert grad is None or (grad == 7).all()
    assert sum(grad is not None for grad in before) == 3


# ---- Attributes and hooks ------------------------------------------------------------------------------------


def everything_on(model):
    """Return all that could be left on a model: attributes by identity, tensors by value, hooks."""
    attributes = {}
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            entries = {k: id(v) for k, v in value.items()} if isinstance(value, dict) else None
            attributes[name, key] = (id(value), entries)
    return attributes, {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("explain", [relevance, ledger])
def test_the_model_is_left_alone(name, explain):
    model, x = model_and_inputs(name)
    logits = model(x)
    attributes, state = everything_on(model)
    version, values = x._version, x.detach().clone()
    explain(logits[:, 0], x, model=model, rules=EPSILON)
    after, state_after = everything_on(model)
    assert after == attributes
    assert state.keys() == state_after.keys() and all(torch.equal(state[k], state_after[k]) for k in state)
    assert torch.equal(model(x), logits)
    assert x._version == version and torch.equal(x, values)


def test_hooks_and_attributes_that_are_left_on_a_model_are_detected():
    """This shows that the test above can fail."""
    model, _ = model_and_inputs()
    clean, _ = everything_on(model)
    handle = model.up.register_forward_hook(lambda *args: None)
    assert everything_on(model)[0] != clean
    handle.remove()
    assert everything_on(model)[0] == clean
    model.up.activations = torch.ones(1)
    assert everything_on(model)[0] != clean
