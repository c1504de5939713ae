"""Labels by name or number, and what a request to explain some of them means."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

from ..errors import TextError, choices, listed

PREDICTED = None
KINDS = ("one", "several", "number")


@dataclass(frozen=True)
class Labels:
    """The labels of a model's head, in the order of its logits.

    Attributes
    ----------
    names
        K names.
    kind
        ``"one"`` (a softmax chooses one), ``"several"`` (each by itself, by a sigmoid), or ``"number"`` (regression).
    """

    names: tuple[str, ...]
    kind: str

    @classmethod
    def named(cls, names: Sequence[str], kind: str = "one") -> "Labels":
        """Labels by name, checked."""
        names = tuple(str(name) for name in names)
        if not names or isinstance(names, str):
            raise TextError("labels is empty: name the model's outputs, in order")
        if len(set(names)) < len(names):
            raise TextError(f"labels holds a name twice: {listed(names)}")
        if kind not in KINDS:
            raise TextError(f"kind={kind!r}; {choices(kind, KINDS)}")
        return cls(names, kind)

    def number(self, label: object) -> int:
        """Give the number of a label, which may be a name or the number itself."""
        if isinstance(label, Integral) and not isinstance(label, bool):
            if 0 <= label < len(self.names):
                return int(label)
            raise TextError(f"there is no label {label}; the model has {len(self.names)}, from 0 on: {self._known()}")
        if not isinstance(label, str):
            raise TextError(f"target={label!r} is no label; give the name or the number of one: {self._known()}")
        if label in self.names:
            return self.names.index(label)
        folded = [name.casefold() for name in self.names]
        if folded.count(label.casefold()) == 1:
            return folded.index(label.casefold())
        raise TextError(f"the model has no label '{label}'; {choices(label, self.names)}")

    def _known(self) -> str:
        return choices("", self.names)


@dataclass(frozen=True)
class Wanted:
    """Which label to explain: the predicted one (None), or one by number, perhaps against another."""

    label: int | None = None
    against: int | None = None

    def name(self, labels: Labels, predicted: int) -> str:
        """Say it."""
        name = labels.names[predicted if self.label is None else self.label]
        return name if self.against is None else f"{name} against {labels.names[self.against]}"


def wanted_label(target: object, labels: Labels) -> Wanted:
    """Read a target: None, a label, or a pair of labels to contrast."""
    if target is PREDICTED:
        return Wanted()
    if isinstance(target, tuple):
        if len(target) != 2:
            raise TextError(f"target={target!r}: a contrast is a pair of labels, such as {labels.names[:2]!r}")
        label, against = (labels.number(one) for one in target)
        if label == against:
            raise TextError(f"target={target!r} contrasts a label with itself; name two")
        return Wanted(label, against)
    return Wanted(labels.number(target))


def labels_of(config, outputs: int) -> Labels:
    """The labels that a transformers configuration tells of."""
    names = {int(number): str(name) for number, name in (getattr(config, "id2label", None) or {}).items()}
    kind = {"multi_label_classification": "several", "regression": "number"}.get(
        getattr(config, "problem_type", None), "number" if outputs == 1 else "one"
    )
    return Labels(tuple(names.get(i, f"LABEL_{i}") for i in range(outputs)), kind)
