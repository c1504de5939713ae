"""The vocabulary: all its names are PyTorch's, and the code reads and names nothing that is not in it."""

import re
from pathlib import Path

import pytest
import torch

import lrp_domains
from lrp_domains import relevance
from lrp_domains.core.errors import RelevanceError
from lrp_domains.core.graph import operations, saved
from lrp_domains.core.graph.functions import FUNCTIONS
from lrp_domains.core.graph.operations import OPERATIONS, OVERLOADS, operation
from lrp_domains.core.graph.quantised import PACKINGS
from lrp_domains.core.rules.rulesets import GRADIENT

# Nodes that PyTorch makes outside its generated code, and those of other packages' Functions.
ELSEWHERE = {
    "CopyBackwards",
    "CopySlices",
    "GeLUFunction",
    "CompiledFunction",
    "BackwardHookFunction",
    "CheckpointFunction",
    "DifferentiableGraph",
    "WarnNotImplemented",
    *PACKINGS,
}
CLASSES = {name: getattr(torch._C._functions, name) for name in dir(torch._C._functions)}
BASES = {re.sub(r"Backward\d*(_copy)?$", "", name) for name in CLASSES}
OF_OVERLOADS = {"Pow1", "Pow2", "Lerp1"}
CORE = Path(lrp_domains.__file__).parent / "core"


def test_every_name_in_the_vocabulary_is_a_name_in_torch():
    assert {base for base in OPERATIONS if base not in BASES} <= ELSEWHERE | OF_OVERLOADS
    assert OPERATIONS.keys() >= operations.VIEWS >= operations.COPIES | operations.RESHAPES
    assert set(OVERLOADS) <= CLASSES.keys()


def test_every_kind_has_a_rule():
    assert {op.kind for op in OPERATIONS.values()} - {"reduction"} <= GRADIENT.operations.keys()


def test_every_operation_that_the_code_names_is_in_the_vocabulary():
    """This includes the sets of names in the rules, roles and layers."""
    words = set()
    for path in CORE.rglob("*.py"):
        for text in re.findall(
            r'frozenset\(\s*"{1,3}([A-Z][^"]*)"{1,3}\.split|frozenset\(\(([^()]*)\)\)', path.read_text()
        ):
            words |= set(re.findall(r"[A-Z]\w+", " ".join(text)))
    assert len(words) > 50
    assert words <= OPERATIONS.keys() | {"Scale", "Lerp"}


def test_saved_values_are_read_in_one_place_by_names_of_the_vocabulary():
    readers = {path.name for path in CORE.rglob("*.py") if "_saved_" in path.read_text()}
    assert readers <= {"saved.py", "origins.py"}
    names = set()
    for path in CORE.rglob("*.py"):
        names |= set(re.findall(r'\b(?:read|keeps)\(\w+, "(\w+)"', path.read_text()))
    listed = {name for op in OPERATIONS.values() for name in saved.names(op)}
    assert names <= listed | {"result"}


@pytest.mark.parametrize(
    ("node", "kind"),
    [
        ("AddmmBackward0", "product"),
        ("torch::autograd::CopySlices", "in_place"),
        ("torch::autograd::CopyBackwards", "linear"),
        ("DiagonalBackward0_copy", "linear"),
        ("MulBackward0", "product"),
        ("MulBackward1", "linear"),  # by a number
        ("PowBackward0", "activation"),
        ("PowBackward1", "activation"),  # to a tensor's power
        ("DivBackward2", "step"),  # rounded
        ("LerpBackward0", "linear"),
        ("LerpBackward1", "interpolation"),
        ("LogSoftmaxBackward0", "refused"),
        ("torch::jit::(anonymous namespace)::DifferentiableGraphBackward", "refused"),
        ("MyFunctionBackward", "unknown"),
    ],
)
def test_a_node_has_the_kind_of_its_operation_and_overload(node, kind):
    assert operation(node).kind == kind


def test_this_torch_has_every_private_name_that_is_read():
    assert saved.self_check() == {}


def test_a_private_name_that_torch_lacks_is_an_error_that_says_so(monkeypatch):
    row = OPERATIONS["Softplus"]
    monkeypatch.setitem(OPERATIONS, "Softplus", operations.replace(row, settings=(*row.settings, "input_of_old")))
    operation.cache_clear()
    saved.missing.cache_clear()
    x = torch.randn(3, requires_grad=True)
    message = f"SoftplusBackward0 has no _saved_input_of_old in torch {torch.__version__}"
    try:
        with pytest.raises(RelevanceError, match=re.escape(message)):
            relevance(torch.nn.functional.softplus(x).sum(), x)
        assert saved.self_check() == {"SoftplusBackward0": ("input_of_old",)}
    finally:
        monkeypatch.undo()
        operation.cache_clear()
        saved.missing.cache_clear()


@pytest.mark.parametrize("base", FUNCTIONS)
def test_the_closed_forms_agree_with_the_function(base):
    """The rise is f(x) - f(0), the ratio is the rise over x, and the inverse undoes f."""
    function, settings = FUNCTIONS[base], SETTINGS.get(base, ())
    if len(function.tensors) > 1 or function.homogeneous:
        return
    x = torch.tensor([0.05, 0.2, 0.45, 0.8], dtype=torch.float64)
    for x in (x, -x) if base in BOTH_SIGNS or function.ratio else (x,):  # noqa: B020
        y, at_zero = function.f(x, *settings), function.f(torch.zeros_like(x), *settings)
        if function.rise is not None:
            torch.testing.assert_close(function.rise(x, *settings), y - at_zero)
        if function.ratio is not None:
            torch.testing.assert_close(function.ratio(x, *settings), (y - at_zero) / x)
        if function.inverse is not None:
            torch.testing.assert_close(function.inverse(y, *settings), x)
        if function.lost is not None:
            assert not function.lost(y, *settings).any()


BOTH_SIGNS = {"Tanh", "Sigmoid", "Exp", "Exp2", "Expm1", "Softplus", "LogSigmoid", "Cos", "Cosh", "Erfc", "Tan", "Acos"}
SETTINGS = {
    "Gelu": ("none",), "Elu": (1.3, 1.1, 0.7), "Celu": (1.3,), "Hardtanh": (-1.0, 2.0), "Softshrink": (0.1,),
    "Hardshrink": (0.1,), "Softplus": (1.3, 20.0), "Clamp": (-1.0, 2.0), "ClampMin": (-1.0,), "ClampMax": (2.0,),
    "Pow2": (2.0,), "Pow": (3.0,), "LeakyRelu": (0.1,),
}  # fmt: skip
