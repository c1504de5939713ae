"""Labels by name or number, and which of them a request asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral

from ...domain import NO_CLASS, check_choice
from ..arguments import Request
from ..errors import TextError, choices, listed

PREDICTED = -1  # in place of a label or token: the predicted one
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
    def named(cls, names: Sequence[str] | Mapping[int, str], kind: str = "one") -> "Labels":
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

    def number(self, label: object) -> int:
        """Return the number of a label, which may be a name or the number itself, also as a string."""
        if isinstance(label, str) and label.isdecimal() and label not in self.names:
            label = int(label)
        if isinstance(label, Integral) and not isinstance(label, bool):
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

    def name(self, labels: Labels, predicted: int) -> str:
        """Return the name of what is explained."""
        name = labels.names[predicted if self.label == PREDICTED else self.label]
        return name if self.against == NO_CLASS else f"{name} against {labels.names[self.against]}"


def label_choice(request: Request, labels: Labels) -> LabelChoice:
    """Return which labels a request asks for."""
    label = PREDICTED if request.target is None else labels.number(request.target)
    against = NO_CLASS if request.against is None else labels.number(request.against)
    if label != PREDICTED and label == against:
        raise TextError(f"target={request.target!r} and against={request.against!r} are the same label: name two")
    return LabelChoice(label, against)


def labels_of(config) -> Labels:
    """Return the labels that a configuration of transformers names."""
    names = {int(number): str(name) for number, name in (getattr(config, "id2label", None) or {}).items()}
    default = "number" if config.num_labels == 1 else "one"
    kinds = {"multi_label_classification": "several", "regression": "number"}
    kind = kinds.get(getattr(config, "problem_type", None), default)
    return Labels(tuple(names.get(number, f"LABEL_{number}") for number in range(config.num_labels)), kind)
