"""The entries of `known_exceptions.py` still hold, for the reasons stated there."""

from __future__ import annotations

from types import MethodType

import pytest
import torch
from torch import Tensor, nn

from lrp_domains import CP_LRP, RelevanceError, Rule, UnknownOperation, ledger, relevance

from .known_exceptions import FLOAT32, NO_GRADIENT, NOT_BUILDABLE, NOT_CONSERVED, NOT_PADDED, ONE, SINUSOIDS, UNKNOWN
from .zoo import Case, architectures, build, forward


@pytest.mark.parametrize("name", NOT_BUILDABLE)
def test_building_it_requires_a_missing_package(name: str) -> None:
    with pytest.raises(ImportError, match="detectron2"):
        architectures()[name].make()


@pytest.mark.parametrize("name", NO_GRADIENT)
def test_its_own_backward_pass_raises(name: str) -> None:
    run = forward(build(name))
    with pytest.raises(RelevanceError, match="_ReversibleFunctionBackward"):
        relevance(run.score, run.inputs, rules=CP_LRP)
    with pytest.raises(AssertionError, match="training"):
        torch.autograd.grad(run.score, run.inputs)


@pytest.mark.parametrize("name", FLOAT32)
def test_it_fails_in_float64(name: str) -> None:
    try:
        score = forward(build(name, torch.float64)).score
    except RuntimeError as error:
        assert "Double" in str(error)
    else:
        assert score.isnan()


@pytest.mark.parametrize("name", NOT_PADDED)
def test_it_fails_with_padding(name: str) -> None:
    with pytest.raises(RuntimeError, match="size of tensor"):
        forward(build(name, padded=True))


@pytest.mark.parametrize("name", UNKNOWN)
def test_its_unknown_operation_can_be_given_a_rule(name: str) -> None:
    run = forward(build(name))
    with pytest.raises(UnknownOperation, match="YosoCumulationBackward"):
        relevance(run.score, run.inputs, rules=CP_LRP)
    values = Rule("values take all", opens=lambda node, carries, graph: (*[False] * (len(carries) - 1), True))
    rules = CP_LRP.for_nodes({"YosoCumulationBackward": values})
    assert ledger(run.score, run.inputs, rules=rules).balanced()


def sinusoids_as_leaves(case: Case) -> list[Tensor]:
    """Return a list that the forward pass will fill with the model's positions, which then require grad."""
    if case.architecture.name == "ctrl":
        case.model.transformer.pos_encoding = case.model.transformer.pos_encoding.double()
        return [case.model.transformer.pos_encoding.requires_grad_(True)]
    positions: list[Tensor] = []
    for name, module in case.model.named_modules():
        if name.endswith("embed_positions"):
            module.register_forward_hook(lambda m, arguments, y: positions.append(y.requires_grad_(True)))
    return positions


@pytest.mark.parametrize("name", [name for name, reason in NOT_CONSERVED.items() if reason == SINUSOIDS])
def test_relevance_is_conserved_once_positions_are_leaves(name: str) -> None:
    case = build(name)
    positions = sinusoids_as_leaves(case)
    run = forward(case)
    assert ledger(run.score, [*run.inputs, *positions], rules=CP_LRP, model=case.model).balanced()


@pytest.mark.parametrize("name", [name for name, reason in NOT_CONSERVED.items() if reason == ONE])
def test_relevance_is_conserved_once_the_number_one_is_a_leaf(name: str) -> None:
    """The experts' gate is that of transformers, except that the 1 is a tensor."""
    case = build(name)
    ones: list[Tensor] = []

    def gate(experts: nn.Module, gate_up: Tensor) -> Tensor:
        signal = gate_up[..., ::2].clamp(max=experts.limit)
        up = gate_up[..., 1::2].clamp(min=-experts.limit, max=experts.limit)
        ones.append(torch.ones_like(up).requires_grad_(True))
        return (up + ones[-1]) * (signal * torch.sigmoid(signal * experts.alpha))

    score = forward(case).score
    for layer in case.model.model.layers:
        layer.mlp.experts._apply_gate = MethodType(gate, layer.mlp.experts)
    run = forward(case)
    assert torch.equal(run.score, score)
    assert ledger(run.score, [*run.inputs, *ones], rules=CP_LRP, model=case.model).balanced(1e-3)
