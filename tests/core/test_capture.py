"""`capture` keeps intermediate results by module name, and leaves nothing behind."""

from collections import namedtuple

import pytest
import torch
from torch import nn

from lrp_domains import CP_LRP, RelevanceError, capture, relevance

TIGHT = {"rtol": 1e-12, "atol": 1e-14}
Pair = namedtuple("Pair", "state aside")


class Shaped(nn.Module):
    """A layer that returns its result in a container."""

    def __init__(self, contain):
        super().__init__()
        self.dense, self.contain = nn.Linear(4, 4), contain

    def forward(self, x):
        return self.contain(torch.tanh(self.dense(x)))


CONTAINERS = {
    "tensor": (lambda h: h, lambda out: out),
    "tuple": (lambda h: (h, None), lambda out: out[0]),
    "list": (lambda h: [h, h.detach()], lambda out: out[0]),
    "mapping": (lambda h: {"mask": torch.ones(3, dtype=torch.long), "state": h}, lambda out: out["state"]),
    "named tuple": (lambda h: Pair(h, "aside"), lambda out: out.state),
    "nested": (lambda h: ((torch.zeros(2, dtype=torch.long), [h]), 5), lambda out: out[0][1][0]),
}


def model_and_inputs():
    model = nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 2)).double()
    return model, torch.randn(3, 4, dtype=torch.float64, requires_grad=True)


def hooks_of(model):
    return [len(module._forward_hooks) for module in model.modules()]


@pytest.mark.parametrize(
    ("globs", "names"),
    [
        (["2"], ["2"]),
        (["1", "3"], ["1", "3"]),
        (["[13]"], ["1", "3"]),
        (["?"], ["0", "1", "2", "3", "4"]),
        ([""], [""]),
        (["*"], ["0", "1", "2", "3", "4", ""]),
    ],
)
def test_globs_choose_modules_in_the_order_of_their_calls(globs, names):
    model, x = model_and_inputs()
    with capture(model, *globs) as kept:
        model(x)
    assert list(kept) == names
    assert len(kept) == len(names)


def test_the_captured_tensor_is_that_of_the_forward_pass():
    model, x = model_and_inputs()
    with capture(model, "1", "") as kept:
        logits = model(x)
    assert kept[""] is logits
    torch.testing.assert_close(kept["1"], nn.functional.gelu(model[0](x)), **TIGHT)
    actual = relevance(logits[:, 0], kept["1"])
    hidden = nn.functional.gelu(model[0](x)).detach().requires_grad_()
    torch.testing.assert_close(actual, relevance(model[2:](hidden)[:, 0], hidden), **TIGHT)


def test_capturing_changes_neither_outputs_nor_relevance():
    model, x = model_and_inputs()
    with capture(model, "*"):
        inside = model(x)
    assert torch.equal(inside, model(x))
    assert torch.equal(relevance(inside[:, 0], x), relevance(model(x)[:, 0], x))


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_first_floating_point_tensor_of_a_container_is_kept(name):
    contain, take = CONTAINERS[name]
    module, x = Shaped(contain).double(), torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    with capture(module, "") as kept:
        output = module(x)
    assert kept[""] is take(output)
    assert relevance(take(output).sum(), x).isfinite().all()


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_frozen_result_is_made_to_require_grad_in_its_container(name):
    contain, take = CONTAINERS[name]
    module, x = Shaped(contain).double().requires_grad_(False), torch.randn(3, 4, dtype=torch.float64)
    plain = module(x)
    with capture(module, "") as kept:
        output = module(x)
    assert type(output) is type(plain)
    assert take(output) is kept[""] and torch.equal(take(output), take(plain))
    actual = relevance((2 * take(output)).sum(), kept[""])
    torch.testing.assert_close(actual, 2 * take(plain), **TIGHT)


def test_a_frozen_embedding_can_be_explained():
    model = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2)).double().requires_grad_(False)
    ids = torch.tensor([[1, 2, 3]])
    with capture(model, "0") as kept:
        logits = model(ids)
    actual = relevance(logits[..., 1], kept["0"])
    torch.testing.assert_close(actual, model[0](ids) * model[1].weight[1], **TIGHT)
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("frozen", [False, True])
def test_a_relu_in_place_does_not_change_the_relevance_of_the_captured_value(frozen):
    """The tensor no longer holds the module's values, but its relevance is that of the value before the ReLU."""
    model = nn.Sequential(nn.Embedding(10, 4), nn.ReLU(inplace=True), nn.Linear(4, 2)).double()
    model.requires_grad_(not frozen)
    ids = torch.tensor([[1, 2, 3]])
    with capture(model, "0") as kept:
        logits = model(ids)
    actual = relevance(logits[..., 0], kept["0"])
    expected = model[0](ids).clamp(min=0) * model[2].weight[0]
    torch.testing.assert_close(actual, expected.detach(), **TIGHT)


def test_repeated_calls_of_a_module_are_numbered():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared = nn.Linear(4, 4)

        def forward(self, x):
            return self.shared(torch.tanh(self.shared(x))).sum(-1)

    model, x = Twice().double(), torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    with capture(model, "shared") as kept:
        score = model(x)
        model(x)
    assert list(kept) == ["shared", "shared:2", "shared:3", "shared:4"]
    first, second = relevance(score, [kept["shared"], kept["shared:2"]])
    torch.testing.assert_close(second, kept["shared:2"].detach(), **TIGHT)
    assert torch.equal(kept["shared"], kept["shared:3"]) and not torch.equal(first, second)


def test_modules_with_a_common_prefix_are_numbered_separately():
    model = nn.ModuleDict({"a": nn.Identity(), "a_b": nn.Identity()})
    with capture(model, "a*") as kept:
        for name in ("a", "a_b", "a"):
            model[name](torch.ones(2, requires_grad=True))
    assert list(kept) == ["a", "a_b", "a:2"]


def test_the_key_error_for_a_module_that_was_not_called_lists_those_that_were():
    model, x = model_and_inputs()
    with capture(model, "1", "3") as kept:
        model(x)
    with pytest.raises(KeyError, match=r"'4' was not called in the forward pass; kept: 1, 3"):
        kept["4"]
    with capture(model, "1") as nothing:
        pass
    with pytest.raises(KeyError, match="kept: nothing"):
        nothing["1"]
    assert "1" in kept and "4" not in kept and dict(nothing) == {}


@pytest.mark.parametrize(("globs", "named"), [(["encoder.*"], "'encoder.*'"), (["a", "b"], "'a' or 'b'"), ([], "")])
def test_a_glob_without_a_match_is_refused(globs, named):
    model, _ = model_and_inputs()
    with pytest.raises(RelevanceError, match="no module matches") as raised, capture(model, *globs):
        pass
    assert named in str(raised.value) and "named_modules()" in str(raised.value)
    assert hooks_of(model) == [0] * len(hooks_of(model))


@pytest.mark.parametrize("contain", [lambda h: None, lambda h: h.long(), lambda h: {"length": 3}, lambda h: ()])
def test_a_module_without_a_tensor_to_keep_is_refused_by_name(contain):
    model = nn.Sequential(nn.Identity(), Shaped(contain))
    with pytest.raises(RelevanceError, match=r"module '1' returns no floating-point tensor"), capture(model, "1"):
        model(torch.randn(3, 4))
    assert hooks_of(model) == [0] * len(hooks_of(model))


@pytest.mark.parametrize("fails", [False, True])
def test_capture_removes_its_hooks_also_after_an_exception(fails):
    model, x = model_and_inputs()
    before = hooks_of(model)
    try:
        with capture(model, "*") as kept:
            assert hooks_of(model) != before
            model(x)
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert hooks_of(model) == before
    model(x)
    assert len(kept) == 6  # nothing more is kept


def test_captures_can_be_nested():
    model, x = model_and_inputs()
    with capture(model, "1") as outer:
        with capture(model, "1", "3") as inner:
            model(x)
        model(x)
    assert list(outer) == ["1", "1:2"] and list(inner) == ["1", "3"]
    assert outer["1"] is inner["1"]


def test_under_no_grad_values_are_kept_and_do_not_require_grad():
    model, x = model_and_inputs()
    with torch.no_grad(), capture(model, "1") as kept:
        model(x)
    assert not kept["1"].requires_grad


def test_captured_neurons_of_a_transformer_have_the_relevance_of_what_they_add():
    """The score reads only the first position, so the neurons of other positions have no relevance."""
    layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True, norm_first=True).double()
    x = torch.randn(2, 5, 8, dtype=torch.float64, requires_grad=True)
    with capture(layer, "self_attn", "linear1") as kept:
        score = layer(x)[:, 0, 0]
    attention, neurons = relevance(score, [kept["self_attn"], kept["linear1"]], rules=CP_LRP)
    assert attention.shape == (2, 5, 8) and attention[:, 0].abs().min() > 0
    assert neurons.shape == (2, 5, 12) and (neurons[:, 1:] == 0).all()
    added = layer.linear2.weight[0] * torch.relu(kept["linear1"][:, 0])
    torch.testing.assert_close(neurons[:, 0], added.detach(), **TIGHT)
