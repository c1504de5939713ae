"""The vocabulary: names that PyTorch has, each in one place."""

import re
from itertools import combinations

import pytest
import torch

from lrp_domains import relevance
from lrp_domains.core import operations, saved
from lrp_domains.core.errors import RelevanceError
from lrp_domains.core.operations import operation

# Nodes that PyTorch makes outside its generated code, and those of other packages' Functions.
ELSEWHERE = {
    "CopyBackwards",
    "CopySlices",
    "GeLUFunction",
    "CompiledFunction",
    "BackwardHookFunction",
    "CheckpointFunction",
}
BASES = {name.partition("Backward")[0] for name in dir(torch._C._functions)}


@pytest.mark.parametrize("kind", operations._KINDS)
def test_every_name_is_one_of_torch(kind):
    assert {base for base in operations._KINDS[kind] if base not in BASES} <= ELSEWHERE


def test_no_operation_is_of_two_kinds():
    for (one, names), (other, others) in combinations(operations._KINDS.items(), 2):
        assert not set(names) & set(others), f"{one} and {other}"


@pytest.mark.parametrize(
    ("node", "kind"),
    [
        ("AddmmBackward0", "product"),
        ("torch::autograd::CopySlices", "in_place"),
        ("torch::autograd::CopyBackwards", "linear"),
        ("MulBackward0", "product"),
        ("MulBackward1", "linear"),  # by a number
        ("PowBackward0", "power"),
        ("PowBackward1", "unknown"),  # to a tensor's power
        ("LerpBackward0", "linear"),
        ("LerpBackward1", "unknown"),
        ("LogSoftmaxBackward0", "refused"),
        ("MyFunctionBackward", "unknown"),
    ],
)
def test_kinds(node, kind):
    assert operation(node).kind == kind


def test_this_torch_has_every_private_name_that_is_read():
    assert saved.self_check() == {}


def test_a_private_name_that_is_gone_is_an_error_that_says_so(monkeypatch):
    monkeypatch.setitem(saved.READ, "Tanh", ("result", "input_of_old"))
    saved.missing.cache_clear()
    x = torch.randn(3, requires_grad=True)
    message = f"TanhBackward0 has no _saved_input_of_old in torch {torch.__version__}"
    try:
        with pytest.raises(RelevanceError, match=re.escape(message)):
            relevance(x.tanh().sum(), x)
        assert saved.self_check() == {"TanhBackward0": ("input_of_old",)}
    finally:
        saved.missing.cache_clear()
