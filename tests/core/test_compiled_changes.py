"""A compiled explanation follows its model: weights updated or replaced, modes, modules, hooks, buffers."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from lrp_domains import CP_LRP, Compiled, RelevanceError, compile, ledger

from .compiled_calls import recordings, same, usual, warned


class Shift(nn.Module):
    """Add a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.ones(6))

    def forward(self, x):
        return x + self.shift


@pytest.fixture
def model():
    layers = nn.Sequential(nn.Linear(5, 6), nn.GELU(), Shift(), nn.Dropout(0.5), nn.Linear(6, 3))
    return layers.eval()


def explained(model: nn.Module, x: torch.Tensor, **options) -> Compiled:
    """Return a compiled explanation that was compared with the usual one already."""
    explain = compile(lambda x: model(x)[:, 1], x, **options)
    explain(x.flip(0))
    return explain


@torch.no_grad()
def update(model):
    for parameter in model.parameters():
        parameter.mul_(1.5)


def step(model):
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    model(torch.randn(2, 5)).sum().backward()
    optimizer.step()


def replace_parameter(model):
    model[0].weight = nn.Parameter(torch.randn(6, 5))


def replace_bias(model):
    model[4].bias = None


def load(model):
    model.load_state_dict({name: torch.randn_like(x) for name, x in model.state_dict().items()})


def load_assigned(model):
    state = {name: torch.randn_like(x) for name, x in model.state_dict().items()}
    model.load_state_dict(state, assign=True)


def set_data(model):
    model[0].weight.data = torch.randn(6, 5)


def replace_submodule(model):
    model[4] = nn.Linear(6, 3)


def replace_buffer(model):
    model[2].shift = torch.full((6,), -2.0)


@torch.no_grad()
def update_buffer(model):
    model[2].shift.mul_(-3)


def register_buffer(model):
    model[2].register_buffer("shift", torch.zeros(6))


def add_hook(model):
    model[0].register_forward_hook(lambda module, args, y: 2 * y)


def add_first_hook(model):
    model[0].register_forward_pre_hook(lambda module, args: (-args[0],))


def add_normed(model):
    parametrizations.weight_norm(model[0])


def append(model):
    model.append(nn.Linear(3, 3))


IN_PLACE = (update, step, load, set_data, update_buffer)
REPLACING = (replace_parameter, replace_bias, load_assigned, replace_submodule, replace_buffer, register_buffer)
ADDING = (add_hook, add_first_hook, add_normed, append)


@pytest.mark.parametrize("change", IN_PLACE + REPLACING + ADDING, ids=lambda change: change.__name__)
def test_a_change_of_the_model_counts(model, change):
    x = torch.randn(4, 5)
    explain = explained(model, x)
    before, recording = explain(x), next(iter(explain._recorded._variants.values()))._recordings[0]
    change(model)
    result, messages = warned(explain, x)
    assert same(result, usual(lambda x: model(x)[:, 1], x)) and not messages
    assert same(result, before) == (change is add_normed)  # it keeps the values
    kept = any(recording is other for v in explain._recorded._variants.values() for other in v._recordings)
    assert kept == (change in IN_PLACE)
    assert recordings(explain) == 1


class Product(nn.Module):
    """Multiply with all parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(5))

    def forward(self, x):
        for parameter in self.parameters():
            x = x.to(parameter.dtype) * parameter
        return x


def test_a_parameter_that_is_added_counts():
    model, x = Product(), torch.randn(4, 5)
    explain = explained(model, x)
    model.register_parameter("another", nn.Parameter(torch.randn(5)))
    assert same(explain(x), usual(lambda x: model(x)[:, 1], x))


def test_a_cast_to_a_dtype_that_is_no_longer_the_weights_is_recorded_anew():
    """Operations of the recording would take the new dtype, too."""
    model, x = Product().bfloat16(), torch.randn(4, 5)
    explain = explained(model, x)
    model.float()
    assert same(explain(x), usual(lambda x: model(x)[:, 1], x))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_a_change_of_the_dtype_counts(model, dtype):
    """The inputs' dtype stays: the model casts them."""
    x = torch.randn(4, 5)

    def function(x):
        return model(x.to(model[0].weight.dtype))[:, 1]

    explain = compile(function, x)
    explain(x.flip(0))
    model.to(dtype)
    result, messages = warned(explain, x)
    assert result[0].dtype == dtype and same(result, usual(function, x)) and not messages


def test_training_mode_is_refused_as_usual(model):
    x = torch.randn(4, 5)
    explain = explained(model, x)
    before = explain(x)
    model.train()
    with pytest.raises(RelevanceError, match="dropout"):
        explain(x)
    model.eval()
    result, messages = warned(explain, x)
    assert same(result, before) and not messages and explain.is_recorded(x)


def test_freezing_changes_the_leaves_of_the_ledger(model):
    x = torch.randn(4, 5)
    explain = compile(lambda x: model(x)[:, 1], x, ledger=True, rules=CP_LRP, model=model)
    assert "4.bias" in explain(x)[2].leaves
    model.requires_grad_(False)
    leaf = x.clone().requires_grad_()
    expected = ledger(model(leaf)[:, 1], leaf, rules=CP_LRP, model=model)
    account = explain(x)[2]
    assert account.leaves == expected.leaves and "4.bias" not in account.leaves
    assert account.residue == expected.residue and account.notes == expected.notes
    model[4].requires_grad_(True)
    assert "4.bias" in explain(x)[2].leaves


class Stack(nn.Module):
    """Layers in a list, which itself is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(5, 5), nn.Linear(5, 3)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def test_a_layer_that_is_replaced_in_a_list_counts():
    model, x = Stack(), torch.randn(4, 5)
    explain = explained(model, x)
    model.layers[1] = nn.Linear(5, 3)
    assert same(explain(x), usual(lambda x: model(x)[:, 1], x))


def test_parametrized_weights_follow_their_parameters():
    model, x = nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 3)), torch.randn(4, 5)
    parametrizations.weight_norm(model[0])
    parametrizations.orthogonal(model[2])
    explain = explained(model, x)
    for change in (update, lambda model: parametrize.remove_parametrizations(model[0], "weight"), update):
        change(model)
        assert same(explain(x), usual(lambda x: model(x)[:, 1], x))


def test_tied_weights_are_updated_together():
    model, x = nn.Sequential(nn.Linear(5, 5), nn.GELU(), nn.Linear(5, 5)), torch.randn(4, 5)
    model[2].weight = model[0].weight
    explain = explained(model, x)
    update(model)
    assert same(explain(x), usual(lambda x: model(x)[:, 1], x))


def test_casts_of_weights_that_autocast_keeps_are_recorded(model):
    x = torch.randn(4, 5)
    with torch.autocast("cpu", torch.bfloat16):
        model(x.clone().requires_grad_())  # autocast keeps the weights that it casts
        explain = explained(model, x)
    update(model)
    with torch.autocast("cpu", torch.bfloat16):
        assert same(explain(x), usual(lambda x: model(x)[:, 1], x))
    assert recordings(explain) == 1


def test_a_model_elsewhere_is_not_part_of_a_recording(model):
    """Another model that is trained between calls leaves the recording valid."""
    x, other = torch.randn(4, 5), copy.deepcopy(model)
    explain = explained(model, x)
    recording = next(iter(explain._recorded._variants.values()))._recordings[0]
    replace_parameter(other)
    other.train()
    explain(x)
    assert next(iter(explain._recorded._variants.values()))._recordings[0] is recording
