"""Labels by name or number, and which of them a request asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...domain import NO_CLASS, check_choice
from ..arguments import Request, is_number
from ..errors import TextError, choices, listed
from ..tokens.rows import Answer

if TYPE_CHECKING:
    from torch import Tensor

PREDICTED = -1  # in place of a label or token: the predicted one
ALL = "all"  # as a target: every label
NONE = "none"  # what a multi-label model without such a label predicts
THRESHOLD = 0.5  # the probability from which a multi-label model predicts a label
KINDS = ("one", "several", "number")


@dataclass(frozen=True)
class Labels:
    """The labels of a model's head, in the order of its logits.

    Attributes
    ----------
    names
        K names.
    kind
        ``"one"`` (a softmax chooses one), ``"several"`` (each separately, by a sigmoid), or ``"number"`` (regression).
    """

    names: tuple[str, ...]
    kind: str

    @classmethod
    def named(cls, names: Sequence[str] | Mapping[int, str], kind: str = "one") -> Labels:
        """Return labels from their names in order, or from a dict by number, after checking them."""
        if isinstance(names, Mapping):
            if sorted(map(str, names)) != sorted(map(str, range(len(names)))):
                raise TextError(f"labels={dict(names)!r}: expected the numbers 0 to {len(names) - 1} as keys")
            names = [names[key] for key in sorted(names, key=int)]
        names = tuple(str(name) for name in names)
        if not names:
            raise TextError("labels is empty: pass the names of the model's outputs, in order")
        if len(set(names)) < len(names):
            raise TextError(f"labels contains a name twice: {listed(names)}")
        check_choice("kind of labels", kind, KINDS)
        return cls(names, kind)

    def predicted(self, logits: Tensor) -> str:
        """Return what the logits of all labels, K, predict: of a multi-label model every label from .5 on."""
        if self.kind != "several":
            return self.names[int(logits.argmax())]
        names = [name for name, p in zip(self.names, logits.double().sigmoid().tolist(), strict=True) if p >= THRESHOLD]
        return ", ".join(names) or NONE

    def as_predicted(self, label: str) -> str:
        """Return a label of a text as `predicted` writes it; several are separated by commas, in any order."""
        if self.kind != "several" or label in self.names:
            return self.names[self.number(label)]
        if label.strip().casefold() == NONE:
            return NONE
        numbers = {self.number(part.strip()) for part in label.split(",")}
        return ", ".join(self.names[number] for number in sorted(numbers))

    def number(self, label: object) -> int:
        """Return the number of a label, which may be a name or the number itself, also as a string."""
        if isinstance(label, str) and label.isdecimal() and label not in self.names:
            label = int(label)
        if is_number(label):
            if 0 <= label < len(self.names):
                return int(label)
            count = len(self.names)
            raise TextError(f"there is no label {label}; the model has {count}, numbered from 0: {listed(self.names)}")
        if not isinstance(label, str):
            raise TextError(f"{label!r} is not a label; pass the name or number of one: {listed(self.names)}")

        if label in self.names:
            return self.names.index(label)
        folded = [name.casefold() for name in self.names]
        if folded.count(label.casefold()) == 1:
            return folded.index(label.casefold())
        raise TextError(f"the model has no label '{label}'; {choices(label, self.names)}")


@dataclass(frozen=True)
class LabelChoice:
    """Which label to explain by number, or `PREDICTED`, and which to contrast it with, or `NO_CLASS`."""

    label: int = PREDICTED
    against: int = NO_CLASS

    def number(self, logits: Tensor) -> int:
        """Return the number of the label to explain, given the logits of all labels, K."""
        return int(logits.argmax()) if self.label == PREDICTED else self.label

    def name(self, labels: Labels, label: int) -> str:
        """Return the name of what is explained, given the number of the label."""
        name = labels.names[label]
        return name if self.against == NO_CLASS else f"{name} against {labels.names[self.against]}"


def asks_for_all(request: Request, labels: Labels | None) -> bool:
    """Return whether a request asks for every label, which a label of that name takes precedence over."""
    asks = isinstance(request.target, str) and request.target == ALL
    return asks and labels is not None and ALL not in labels.names


def each_label(request: Request, labels: Labels | None) -> list[Request]:
    """Return one request per label if all are asked for, else the request."""
    if not asks_for_all(request, labels):
        return [request]
    against = None if request.against is None else labels.number(request.against)
    return [replace(request, target=number) for number in range(len(labels.names)) if number != against]


def label_choice(request: Request, labels: Labels) -> LabelChoice:
    """Return which labels a request asks for."""
    if request.against is not None and len(labels.names) == 1:
        raise TextError(f"against={request.against!r}: the model has one output, '{labels.names[0]}'; leave it out")
    if request.target is None and labels.kind == "number" and len(labels.names) > 1:
        raise TextError(
            f"the model predicts {len(labels.names)} numbers: pass target= (one of {listed(labels.names)}), or 'all'"
        )
    label = PREDICTED if request.target is None else labels.number(request.target)
    against = NO_CLASS if request.against is None else labels.number(request.against)
    if label != PREDICTED and label == against:
        raise TextError(f"target={request.target!r} and against={request.against!r} are the same label: name two")
    return LabelChoice(label, against)


def labels_of(config, problem_type: str | None = None) -> Labels:
    """Return the labels that a configuration of transformers names, of another problem type if that is given."""
    names = {int(number): str(name) for number, name in (getattr(config, "id2label", None) or {}).items()}
    default = "number" if config.num_labels == 1 else "one"
    kinds = {"multi_label_classification": "several", "regression": "number"}
    kind = kinds.get(problem_type or getattr(config, "problem_type", None), default)
    return Labels(tuple(names.get(number, f"LABEL_{number}") for number in range(config.num_labels)), kind)


def answer_of(labels: Labels, logits: Tensor, choice: LabelChoice) -> Answer:
    """Return what the logits of all labels, K, predict."""
    label = choice.number(logits)
    name = choice.name(labels, label)
    if labels.kind == "number":
        return Answer(logits[label].item(), None, name)
    logits = logits.double()
    if labels.kind == "one":
        return Answer(labels.predicted(logits), logits.softmax(0).max().item(), name)
    return Answer(labels.predicted(logits), logits[label].sigmoid().item(), name)
