"""What planning asks of nodes, recorded: a plan holds for every graph of the same form that gives the same answers.

A *question* is a function of one node that reads what the node keeps: a setting, a shape, whether a tensor was kept.
Everything that planning learns from a node, beside its class and its edges, it learns from questions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps

import torch

Node = torch.autograd.graph.Node
_PLAIN = (type(None), bool, int, float, str, torch.dtype, torch.device)


@dataclass
class Record:
    """The questions that were asked, with their arguments and answers.

    Attributes
    ----------
    answers
        The questions, nodes, further arguments and answers.
    of_values
        Whether an answer was a tensor, or anything else that can't be compared later: then it holds for one pass only.
    is_paused
        Whether a question is being answered.
    """

    answers: list[tuple[Callable, Node, tuple, object]] = field(default_factory=list)
    of_values: bool = False
    is_paused: bool = False


_record: ContextVar[Record | None] = ContextVar("record", default=None)


@contextmanager
def recorded() -> Iterator[Record]:
    """Temporarily record the questions that are asked in this thread."""
    record = Record()
    token = _record.set(record)
    try:
        yield record
    finally:
        _record.reset(token)


def question(ask: Callable) -> Callable:
    """Record a function of a node as a question, answers included, where questions are recorded."""

    @wraps(ask)
    def asking(node: Node, *args: object) -> object:
        record = _record.get()
        if record is None or record.is_paused or record.of_values:
            return ask(node, *args)
        record.is_paused = True  # what a question reads is part of its answer
        try:
            answer = ask(node, *args)
        finally:
            record.is_paused = False
        if is_plain(answer):
            record.answers.append((ask, node, args, answer))
        else:
            record.of_values = True
        return answer

    return asking


def values_read() -> None:
    """Record that the values of tensors are used."""
    if (record := _record.get()) is not None and not record.is_paused:
        record.of_values = True


def is_plain(answer: object) -> bool:
    """Return whether an answer can be kept and compared: numbers, names, and sequences of them."""
    return isinstance(answer, _PLAIN) or (isinstance(answer, tuple | list) and all(map(is_plain, answer)))


def is_same(a: object, b: object) -> bool:
    """Return whether two plain answers are the same, type included: 2 is not 2.0, nor True 1."""
    if a != b or type(a) is not type(b):
        return False
    return type(a) not in (tuple, list) or all(map(is_same, a, b))
