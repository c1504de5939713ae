"""Sets of samples that are tensors: checked before long work, and explained to files, each for its own target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from ..explanation.samples import class_number
from ..results.outcomes import Outcome
from .identity import identity_of
from .parts import Arrays, explain_parts
from .tensors import TensorExplainer, targets_of

Result = TypeVar("Result", bound=Outcome)


@dataclass(frozen=True)
class SampleSet:
    """A set of samples, and what is asked of it.

    Attributes
    ----------
    explainer
        That of the samples' tensors, which knows the classes.
    explain
        From the numbers of some samples, and the target of each, to their results.
    names, labels
        Of all samples; a label is the name or the number of a class. None: there are no labels.
    target, against
        As in a call of the explainer.
    """

    explainer: TensorExplainer
    explain: Callable[[Sequence[int], list[Any]], Sequence[Result]]
    names: Sequence[str]
    labels: Sequence[str | None] | None = None
    target: Any = None
    against: Any = None

    def check(self, rows: Sequence[int]) -> tuple[Sequence[Result], dict[str, Any]]:
        """Explain some samples; return their results, and the number of samples and of those of each label.

        Raise `lrp_domains.domain.DomainError` if the target or the label of any sample is not a class.
        """
        targets = self._targets()
        results = self.explain(rows, [targets[row] for row in rows])
        # The names of classes are known by now.
        self.explainer.target_numbers(targets, self.names, self.against)
        labels = Counter(label for label in self._labels(range(len(self.names))) if label is not None)
        return results, {"samples": len(self.names), "labels": dict(labels)}

    def explain_to(
        self,
        out: str | Path,
        arrays: Callable[[Sequence[int], Sequence[Result]], Sequence[Arrays]],
        *,
        request: object,
        **options: Any,
    ) -> int:
        """Explain all samples to a table, and to arrays next to it; see `lrp_domains.domain.explain_parts`.

        Parameters
        ----------
        out
            The table to write.
        arrays
            From the numbers of some samples, and their results, to the arrays of each.
        request
            Identifies, along with targets, labels, and the model and the settings of the explainer, what is explained,
            for resuming; see `identity_of`.
        options
            Of `lrp_domains.domain.explain_parts`.
        """
        targets = self._targets()
        if self.explainer.classes:  # otherwise they are known with the first part
            self.explainer.target_numbers(targets, self.names, self.against)

        def explain(rows: Sequence[int]) -> tuple[list[Outcome], Sequence[Arrays]]:
            results = self.explain(rows, [targets[row] for row in rows])
            named = [
                replace(result, name=self.names[row], label=label)
                for result, row, label in zip(results, rows, self._labels(rows), strict=True)
            ]
            return named, arrays(rows, results)

        of_set = (self.names, self.labels, targets, self.against)
        identity = identity_of((*of_set, self.explainer.identity, request))
        return explain_parts(explain, range(len(self.names)), out, request=identity, **options)

    def _targets(self) -> list[Any]:
        return targets_of(self.target, len(self.names), self.explainer.batch.unit)

    def _labels(self, rows: Sequence[int]) -> list[str | None]:
        """Return the labels of some samples as names of classes; as they are where there are no classes."""
        labels, classes = [self.labels and self.labels[row] for row in rows], self.explainer.classes
        if not classes:  # the score is a function
            return labels
        named = {label: label and classes[class_number(label, classes, "label")] for label in dict.fromkeys(labels)}
        return [named[label] for label in labels]
