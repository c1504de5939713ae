"""Samples that are tensors, explained: what the explainers of pictures, sequences and their kin have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from inspect import signature
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ... import ATTN_LRP, SECANT, RuleSet
from ..explanation.read import Read
from ..explanation.samples import HALF, Question, class_number, explain_batch, logits_of
from ..explanation.score_functions import scores_by
from ..hardware.device import device_of, parameter_of, refuse_training_mode
from ..hardware.memory import BatchSize
from ..hardware.precision import check_precision, in_precision
from ..messages import DomainError, check_whole, choices
from ..results.outcomes import Outcome, outcomes_of
from .identity import identity_of
from .progress import Progress, no_progress

SUMS_TO_1 = 1e-3
CLOSE = 1e-2  # of the largest score: kernels and half precision differ by less than that
NO_SETTINGS = ("self", "model", "reading", "unit", "settings")  # parameters that a domain's users don't set
Rules = RuleSet | Callable[[Tensor], RuleSet]


class ExplainedTensor(NamedTuple):
    """An explained sample: its outcome, the relevance of its units, and the g of ``relevance = x g`` at its source.

    `coefficients` are None if there are several sources, or if a layer rule returned relevance itself.
    """

    outcome: Outcome
    relevance: np.ndarray
    coefficients: np.ndarray | None


class TensorExplainer:
    """Explain the predictions of a model whose samples are tensors.

    Parameters
    ----------
    model
        The model, in eval mode; it is not changed.
    reading
        ``reading(model, samples)`` runs the model, and returns what it read, with the relevance of units in a tensor,
        samples first.
    unit
        What samples are, in the plural, for messages.
    classes
        The names of the classes, or names by number. None: those of a model of transformers, else their numbers.
    rules
        The rule set, or a function from samples to one. None: `ATTN_LRP`, or `SECANT` against a reference.
    score
        ``"log-odds"``, ``"margin"`` or ``"logit"``, see `score_of`; or a function from what the model returns to one
        number per sample.
    exclusive
        Whether a softmax chooses one class; otherwise several may be true. None: True, unless the configuration of a
        model of transformers says that it was trained for several labels.
    batch_size
        How many samples go through the model at once; half as many where memory runs out.
    precision
        ``"fp32"``, ``"bf16"`` or ``"fp16"``; None: that of the model's weights.
    device
        Where to move the model; None: it stays where it is.
    """

    def __init__(
        self,
        model: nn.Module,
        reading: Callable[[nn.Module, Tensor], Read[Tensor]],
        *,
        unit: str = "samples",
        classes: Sequence[str] | None = None,
        rules: Rules | None = None,
        score: str | Callable[[Any], Tensor] = "log-odds",
        exclusive: bool | None = None,
        batch_size: int = 16,
        precision: str | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            named = repr(model) if isinstance(model, str) else f"a {type(model).__name__}"
            named = model.__name__ if isinstance(model, type) else named
            raise DomainError(f"the model, {named}, is not a torch.nn.Module: pass one in memory, in eval mode")
        if isinstance(classes, str):
            raise DomainError(f"classes='{classes}' is one name: pass a list of them")
        check_whole("batch_size", batch_size, 1)
        check_precision(precision)
        self.model = in_precision(model, precision)
        if device is not None:
            self.model = self.model.to(device_of(device))
        config = getattr(model, "config", None)
        if exclusive is None:
            exclusive = getattr(config, "problem_type", None) != "multi_label_classification"
        named = classes or getattr(config, "id2label", None) or ()
        named = [named[number] for number in sorted(named)] if isinstance(named, Mapping) else named
        self.classes = tuple(map(str, named))
        self.reading, self.rules, self.batch = reading, rules, BatchSize(batch_size, unit)
        fixed = ATTN_LRP if rules is None or callable(rules) else rules
        self.question = Question(fixed, score, exclusive=exclusive)
        self._is_checked = False

    def __repr__(self) -> str:
        rules = getattr(self.rules, "name", None) or getattr(self.rules, "__name__", "default")
        return f"{type(self.model).__name__}, rules={rules}, score={self.question.score}"

    @property
    def identity(self) -> str:
        """What relevance depends on beside samples and weights; see `identity_of`."""
        classes = self.classes if self.classes != numbers(len(self.classes)) else ()  # known only after a first call
        dtype = parameter_of(self.model).dtype
        return identity_of((self.rules, self.question.score, self.question.exclusive, classes, dtype, self.model))

    def __call__(
        self,
        samples: Sequence[Tensor],
        names: Sequence[str],
        target: Any = None,
        *,
        against: str | int | None = None,
        references: Callable[[Tensor, Sequence[int]], Tensor] | None = None,
        score: Callable[[Any], Tensor] | None = None,
        labels: Sequence[str | None] | None = None,
        notes: Sequence[Sequence[str]] | None = None,
        progress: Progress = no_progress,
    ) -> list[ExplainedTensor]:
        """Explain samples, in their order.

        Parameters
        ----------
        samples
            Tensors; those of one shape are explained together.
        names, labels, notes
            Of the samples.
        target
            The class to explain, by name or number; None is what the model predicts. A list or array has one per
            sample.
        against
            Another class that the target is contrasted with; each sample requires a target then.
        references
            From some of the samples, B x ..., and their numbers to what they are explained against, K x B x ...;
            relevance is averaged over K.
        score
            A function that takes the place of the explainer's, where what is explained depends on the references.
        progress
            Wraps the iteration over batches.
        """
        refuse_training_mode(self.model)
        chosen = targets_of(target, len(samples), self.batch.unit)
        self._refuse_classes_of_a_function(chosen, against)
        like = parameter_of(self.model)
        samples = [sample.to(like if sample.is_floating_point() else like.device) for sample in samples]
        self.check(samples[0])
        targets, other = self.target_numbers(chosen, names, against)
        question = self.question if score is None else replace(self.question, score=score)

        def explain(rows: Sequence[int]) -> list[ExplainedTensor]:
            x, of_rows = torch.stack([samples[row] for row in rows]), [names[row] for row in rows]
            rules, asked = self._rules_for(x, references is not None), [targets[row] for row in rows]
            asked = replace(question, rules=rules, target=None if None in asked else asked, against=other)
            compared = None if references is None else [references(x, rows)]
            explained = explain_batch(self.model, self.reading, [x], asked, compared, of_rows)
            relevance = _array(explained.relevance)
            outcomes = outcomes_of(
                explained,
                relevance.reshape(len(rows), -1).sum(1, dtype=np.float64),
                of_rows,
                self.classes,
                against=other,
                rules=rules.name,
                labels=None if labels is None else [labels[row] for row in rows],
                notes=None if notes is None else [notes[row] for row in rows],
            )
            g = explained.ledger.coefficients
            coefficients = [None] * len(rows) if len(g) != 1 or g[0] is None else _array(g[0])
            return list(map(ExplainedTensor, outcomes, relevance, coefficients))

        def alike(row: int) -> tuple:
            return samples[row].shape, targets[row] is None

        order = sorted(range(len(samples)), key=alike)
        shapes = [list(rows) for _, rows in groupby(order, key=alike)]
        batches = (results for rows in shapes for results in self.batch.run(explain, rows))
        computed = [result for results in progress(batches, "Explaining") for result in results]
        return [computed[place] for place in np.argsort(order)]

    def target_numbers(
        self, targets: Sequence[Any], names: Sequence[str], against: Any = None
    ) -> tuple[list[int | None], int | None]:
        """Return the numbers of the classes that samples are explained for, and of the one to contrast them with.

        Raise, with the sample, if a class is unknown or contrasted with itself. The names of classes are known after
        a first call, also where nobody named them.
        """
        self._refuse_classes_of_a_function(targets, against)
        other, known = class_number(against, self.classes, "against"), {}
        differ = len(set(map(repr, targets))) > 1
        for name, target in zip(names, targets, strict=True):
            if (key := repr(target)) in known:
                continue
            known[key] = number = class_number(target, self.classes, f"target of '{name}'" if differ else "target")
            if against is not None and number is None:
                raise DomainError(f"'{name}': against={against!r} requires a target= to contrast with it")
            if against is not None and number == other:
                both = self.classes[other]
                raise DomainError(f"'{name}': target and against are both '{both}', contrast it with another class")
        return [known[repr(target)] for target in targets], other

    def _refuse_classes_of_a_function(self, targets: Sequence[Any], against: Any) -> None:
        if callable(self.question.score) and not (against is None and all(name is None for name in targets)):
            raise DomainError(
                "a target is a class; a score that is a function chooses the output itself: leave one out"
            )

    def check(self, sample: Tensor) -> None:
        """Raise, once and with a first sample, if the model mixes samples, or names of classes don't suit it."""
        if self._is_checked:
            return

        def rows(*samples: Tensor) -> Tensor:
            outputs = self.reading(self.model, torch.stack(samples)).outputs
            if not callable(self.question.score):
                return logits_of(outputs, len(samples))
            return scores_by(self.question.score, outputs, len(samples))

        with torch.no_grad():
            other = 1 - sample.flip(-1) if sample.is_floating_point() else sample.flip(-1)  # the latter are numbers
            alone, beside = rows(sample), rows(sample, other)
        if len(beside) != 2 or (alone[0] - beside[0]).abs().max() > CLOSE * beside.abs().max():
            raise DomainError(
                f"the model scores one of the {self.batch.unit} differently beside another than alone: it mixes those "
                "of a batch, or draws at random, so that none has a score of its own"
            )
        if not callable(self.question.score):
            if alone.shape[1] > 1 and (beside >= 0).all() and (beside.sum(1) - 1).abs().max() < SUMS_TO_1:
                raise DomainError(
                    "the model returns probabilities, not logits: explain it without its last softmax, which saturates"
                )
            self.classes = self.classes or numbers(alone.shape[1])
            if len(self.classes) != alone.shape[1]:
                raise DomainError(f"the model has {alone.shape[1]} classes, but {len(self.classes)} are named")
        self._is_checked = True

    def _rules_for(self, x: Tensor, against_reference: bool) -> RuleSet:
        if self.rules is None:
            return SECANT if against_reference else ATTN_LRP
        return self.rules(x) if callable(self.rules) else self.rules


def check_settings(settings: Iterable[str], *accepted: Callable) -> None:
    """Raise if the name of a setting is none of the parameters of the functions, or of `TensorExplainer`."""
    parameters = [name for function in (*accepted, TensorExplainer) for name in signature(function).parameters]
    known = dict.fromkeys(name for name in parameters if name not in NO_SETTINGS)
    for name in settings:
        if name not in known:
            raise DomainError(f"unknown setting '{name}'; {choices(name, known)}")


def numbers(count: int) -> tuple[str, ...]:
    """Return the names of classes that nobody named."""
    return tuple(map(str, range(count)))


def targets_of(target: Any, samples: int, unit: str = "samples") -> list[Any]:
    """Return the target of each sample: one for all, or those in a list, an array, a tensor or a column of a table."""
    if hasattr(target, "tolist"):
        target = target.tolist()
    if isinstance(target, str | Mapping) or not isinstance(target, Iterable):
        return [target] * samples
    targets = list(target)
    if len(targets) != samples:
        raise DomainError(f"there are {len(targets)} targets for {samples} {unit}: pass one for each")
    return targets


def _array(values: Tensor) -> np.ndarray:
    return (values.float() if values.dtype in HALF else values).detach().cpu().numpy()
