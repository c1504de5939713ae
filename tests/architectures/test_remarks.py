"""What `remarks.py` says cannot be had, still cannot be had, and for the reason it gives."""

from __future__ import annotations

from types import MethodType

import pytest
import torch
from torch import Tensor, nn

from lrp_domains import CP_LRP, RelevanceError, Rule, UnknownOperation, ledger, relevance

from .remarks import FLOAT32, NO_GRADIENT, NOT_BALANCED, NOT_BUILDABLE, NOT_PADDED, ONE, SINUSOIDS, UNKNOWN
from .zoo import Case, architectures, build, forward


@pytest.mark.parametrize("name", NOT_BUILDABLE)
def test_not_buildable(name: str) -> None:
    with pytest.raises(ImportError, match="detectron2"):
        architectures()[name].make()


@pytest.mark.parametrize("name", NO_GRADIENT)
def test_no_gradient(name: str) -> None:
    run = forward(build(name))
    with pytest.raises(RelevanceError, match="_ReversibleFunctionBackward"):
        relevance(run.score, run.inputs, rules=CP_LRP)
    with pytest.raises(AssertionError, match="training"):
        torch.autograd.grad(run.score, run.inputs)


@pytest.mark.parametrize("name", FLOAT32)
def test_float32_only(name: str) -> None:
    try:
        score = forward(build(name, torch.float64)).score
    except RuntimeError as error:
        assert "Double" in str(error)
    else:
        assert score.isnan()


@pytest.mark.parametrize("name", NOT_PADDED)
def test_not_padded(name: str) -> None:
    with pytest.raises(RuntimeError, match="size of tensor"):
        forward(build(name, padded=True))


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_until_a_rule_is_given(name: str) -> None:
    run = forward(build(name))
    with pytest.raises(UnknownOperation, match="YosoCumulationBackward"):
        relevance(run.score, run.inputs, rules=CP_LRP)
    values = Rule("values take all", opens=lambda node, carries, graph: (*[False] * (len(carries) - 1), True))
    rules = CP_LRP.for_nodes({"YosoCumulationBackward": values})
    assert ledger(run.score, run.inputs, rules=rules).balanced()


def sinusoids_as_leaves(case: Case) -> list[Tensor]:
    """The list that a forward pass will fill with the model's positions, which then require a gradient."""
    if case.architecture.name == "ctrl":
        case.model.transformer.pos_encoding = case.model.transformer.pos_encoding.double()
        return [case.model.transformer.pos_encoding.requires_grad_(True)]
    found: list[Tensor] = []
    for name, module in case.model.named_modules():
        if name.endswith("embed_positions"):
            module.register_forward_hook(lambda m, arguments, y: found.append(y.requires_grad_(True)))
    return found


@pytest.mark.parametrize("name", [name for name, reason in NOT_BALANCED.items() if reason == SINUSOIDS])
def test_balanced_once_positions_are_leaves(name: str) -> None:
    case = build(name)
    positions = sinusoids_as_leaves(case)
    run = forward(case)
    assert ledger(run.score, [*run.inputs, *positions], rules=CP_LRP, model=case.model).balanced()


@pytest.mark.parametrize("name", [name for name, reason in NOT_BALANCED.items() if reason == ONE])
def test_balanced_once_the_number_one_is_a_leaf(name: str) -> None:
    """The experts' gate as transformers has it, but for the 1, which is a tensor here."""
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
