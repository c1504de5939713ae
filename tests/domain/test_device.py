"""Missing devices, and models in training mode."""

import pytest
import torch
from torch import nn

from lrp_domains.domain import DomainError, device_of, parameter_of, refuse_training_mode


class Noisy(nn.Module):
    """A module of a user's, which reads its mode."""

    def forward(self, x):
        return nn.functional.dropout(x, 0.5, self.training)


def test_no_device_is_the_gpu_if_there_is_one():
    assert device_of(None).type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device_of("cpu") == torch.device("cpu")


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "auto"])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(DomainError, match=f"there is no device '{device}' here: .*; use 'cpu'"):
        device_of(device)


@pytest.mark.parametrize(
    "layer", [nn.Dropout(0.1), nn.BatchNorm1d(4), nn.RReLU(), nn.LSTM(4, 4, 2, dropout=0.1), Noisy()], ids=repr
)
def test_a_mode_that_changes_what_is_computed_is_refused(layer):
    model = nn.Sequential(nn.Linear(4, 4), layer)
    with pytest.raises(DomainError, match=rf"training mode \('1', {type(layer).__name__}\).*call model.eval"):
        refuse_training_mode(model)
    refuse_training_mode(model.eval())


def test_one_module_in_training_mode_within_a_model_in_eval_mode_is_found():
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Dropout(0.1))).eval()
    model[1][0].train()
    with pytest.raises(DomainError, match=r"\('1.0', Dropout\)"):
        refuse_training_mode(model)


def test_a_mode_that_changes_nothing_is_accepted():
    refuse_training_mode(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.LayerNorm(4)))


def test_inputs_must_have_the_dtype_of_the_parameters():
    assert parameter_of(nn.Linear(2, 2, dtype=torch.float64)).dtype == torch.float64
    assert parameter_of(nn.ReLU()).dtype == torch.float32


class InAHelper(nn.Module):
    """A module that reads its mode in another method."""

    def forward(self, x):
        return self.drop(x)

    def drop(self, x):
        return (lambda: nn.functional.dropout(x, 0.5, self.training))()


def test_a_mode_that_is_read_in_a_helper_is_found():
    with pytest.raises(DomainError, match="InAHelper"):
        refuse_training_mode(InAHelper())


def test_a_scripted_module_is_accepted():
    refuse_training_mode(torch.jit.script(nn.Linear(2, 2)).eval())


def test_quantised_layers_compute_the_same_in_both_modes():
    read = {"forward": lambda self, x: x if self.training else x * 1, "__module__": "bitsandbytes.nn.modules"}
    quantised = type("Linear4bit", (nn.Module,), read)
    refuse_training_mode(quantised())
    with pytest.raises(DomainError, match="training mode"):
        refuse_training_mode(type("WithDropout", (quantised,), read | {"__module__": "my.code"})())
