"""What autograd kept of the forward pass: read only here, by the names in the vocabulary.

PyTorch's nodes keep what their derivatives need under private ``_saved_...`` names, which a release may change. They
are checked before each pass, so that a change raises an error and never yields a wrong number.
"""

from __future__ import annotations

from functools import cache

import torch

from ..errors import RelevanceError
from . import quantised
from .operations import Node, Operation, operation
from .questions import question

_QUANTISED = {quantised.INPUT, quantised.WEIGHT}


@question
def read(node: Node, name: str, *default: object) -> object:
    """Return what a node kept under a name; ``tensors`` is the one tensor that a Python Function saved."""
    if name == "tensors":
        (kept,) = node.saved_tensors
        return kept
    if name in _QUANTISED:
        return quantised.kept(node, name)
    return getattr(node, f"_saved_{name}", *default)


@question
def memory(node: Node, name: str) -> object:
    """Return what a node kept under a name; of quantised weights, the tensor that they are packed in."""
    return quantised.memory(node) if name == quantised.WEIGHT else read(node, name, None)


def has(node: Node, name: str) -> bool:
    """Return whether a node of this kind keeps anything under a name."""
    return hasattr(node, f"_saved_{name}")


@question
def keeps(node: Node, name: str | None) -> bool:
    """Return whether a node keeps a tensor under a name: autograd drops what no derivative needs."""
    if name == quantised.WEIGHT:  # without unpacking them
        return True
    return name is not None and (unpacking(node, name) is not None or isinstance(read(node, name, None), torch.Tensor))


@question
def unpacking(node: Node, name: str) -> object | None:
    """Return the hook that unpacks a saved value, if it has one (see checkpoints.py)."""
    return _hook_of(getattr(node, f"_raw_saved_{name}", None))


def _hook_of(raw: object) -> object | None:
    if not isinstance(raw, tuple):
        return getattr(raw, "unpack_hook", None)
    return next((hook for value in raw if (hook := value.unpack_hook) is not None), None)


def unpack_hook(node: Node) -> object | None:
    """Return the hook that unpacks what a node saved, if there is one."""
    for name in _raw_names(type(node)):
        if (hook := _hook_of(getattr(node, name))) is not None:
            return hook
    return None


@cache
def _raw_names(node_class: type) -> tuple[str, ...]:
    return tuple(f"_raw_saved_{name}" for name in saved_names(node_class))


@cache
def saved_names(node_class: type) -> tuple[str, ...]:
    """Return the names under which a class of nodes keeps tensors."""
    return tuple(name.removeprefix("_raw_saved_") for name in dir(node_class) if name.startswith("_raw_saved_"))


def dimension(saved: int, ndim: int) -> int:
    """Return a saved dimension as an index: PyTorch returns negative ones as unsigned integers."""
    return (saved - 2**64 if saved >= 2**63 else saved) % ndim


def is_training(node: Node) -> bool:
    """Return whether a batch norm used the statistics of its batch."""
    return read(node, "training", False)


def names(op: Operation) -> tuple[str, ...]:
    """Return the names under which an operation keeps what its rule needs."""
    return (*(name for name in op.tensors if name is not None), *op.settings)


@cache
def missing(node_class: type) -> tuple[str, ...]:
    """Return the names of the vocabulary that a class of nodes lacks."""
    op = operation(node_class.__name__)
    required = set(names(op)) - {"tensors"} - _QUANTISED
    if op.function is not None and (op.function.homogeneous or op.function.inverse is not None):
        required -= set(op.tensors)  # the result is enough
    return tuple(sorted(name for name in required if not hasattr(node_class, f"_saved_{name}")))


def check_saved(node: Node) -> None:
    """Raise if a node lacks a saved value that a rule would read."""
    if lacking := missing(type(node)):
        raise RelevanceError(
            f"{node.name()} has no _saved_{lacking[0]} in torch {torch.__version__}, which its rule reads. Please "
            "report it; until it is fixed, use an older torch, or give the node another rule (rules.for_nodes)"
        )


def self_check() -> dict[str, tuple[str, ...]]:
    """Return all names that this version of torch lacks, by node: empty if all rules can read what they need."""
    nodes = {name: getattr(torch._C._functions, name) for name in dir(torch._C._functions)}
    keeping = {name: cls for name, cls in nodes.items() if any(field.startswith("_saved_") for field in dir(cls))}
    return {name: lacking for name, cls in keeping.items() if (lacking := missing(cls))}
