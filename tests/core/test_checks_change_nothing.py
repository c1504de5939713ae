"""`check` leaves the model, the inputs and global state unchanged."""

import warnings

import pytest
import torch

from lrp_domains import unfused
from lrp_domains.core.checks import check

from .checked_models import CASES, case, mlp, row_of, rows, verdicts


@pytest.mark.parametrize("name", CASES)
def test_check_leaves_model_inputs_and_global_state_unchanged(name):
    model, function, x = case(name, torch.float32)
    x.requires_grad_()
    for index, parameter in enumerate(model.parameters()):
        parameter.grad = torch.full_like(parameter, 7.0)
        parameter.requires_grad_(index % 2 == 0)

    def everything():
        modules = [(module.training, dict(vars(module))) for module in model.modules()]
        dicts = [{key: dict(value) for key, value in kept.items() if isinstance(value, dict)} for _, kept in modules]
        tensors = [(id(p), p._version, id(p.grad), p.requires_grad, p.dtype) for p in model.parameters()]
        flat = [id(weight) for weight in getattr(model, "_flat_weights", ())]
        return modules, dicts, tensors, flat

    before, values = everything(), [value.clone() for value in (*model.state_dict().values(), x)]
    random = torch.random.get_rng_state()
    with unfused(), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(verdicts(check(function, x, model=model)).values()) == {"passed"}
    modules, *others = everything()
    assert others == list(before[1:])
    for (training, now), (trained, then) in zip(modules, before[0], strict=True):
        assert training == trained and now.keys() == then.keys() and all(now[key] is then[key] for key in now)
    assert all(torch.equal(a, b) for a, b in zip((*model.state_dict().values(), x), values, strict=True))
    assert all((p.grad == 7).all() for p in model.parameters())
    assert x.grad is None and x.requires_grad and x._version == 0 and torch.equal(torch.random.get_rng_state(), random)


def test_a_function_that_fails_in_float64_leaves_the_model_unchanged():
    model = mlp(torch.float32)
    weight = model[0].weight

    def function(x):
        if x.dtype == torch.float64:
            raise RuntimeError("not here")
        return model(x)[:, 1]

    assert row_of(check(function, rows(3, 5, dtype=torch.float32), model=model), "precision").reason == "not here"
    assert model[0].weight is weight and weight.dtype == torch.float32
