"""Options of single heads: how a classifier, a tagger, a zero-shot classifier or a question answerer is read."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import TextError, listed

# As transformers' pipeline for token classification names them.
AGGREGATIONS = ("average", "first", "max", "simple")
PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")


@dataclass(frozen=True)
class Options:
    """Options of heads; see `Settings`, which has them too.

    Attributes
    ----------
    problem_type
        Of a classifier.
    aggregation
        Of a tagger.
    candidates, template, multi_label
        Of zero-shot classification.
    no_answer
        Of question answering.
    """

    problem_type: str | None = None
    aggregation: str | None = None
    candidates: Sequence[str] | None = None
    template: str | None = None
    multi_label: bool = False
    no_answer: bool = False

    def __post_init__(self) -> None:
        if self.problem_type is not None and self.problem_type not in PROBLEM_TYPES:
            raise TextError(f"problem_type={self.problem_type!r}: expected one of {', '.join(PROBLEM_TYPES)}")
        if self.aggregation is not None and self.aggregation not in AGGREGATIONS:
            raise TextError(f"aggregation={self.aggregation!r}: expected one of {', '.join(AGGREGATIONS)}")
        for name in ("multi_label", "no_answer"):
            if not isinstance(getattr(self, name), bool):
                raise TextError(f"{name}={getattr(self, name)!r}: expected True or False")
        if self.candidates is not None:
            _check_candidates(self.candidates)
        if self.template is not None:
            _check_template(self.template)


def _check_candidates(names: Sequence[str]) -> None:
    if isinstance(names, str) or not len(names) or not all(isinstance(name, str) and name for name in names):
        raise TextError(f"candidates={names!r}: expected a list of labels, such as ['sports', 'politics']")
    if len(set(names)) < len(names):
        raise TextError(f"candidates= contains a label twice: {listed(names)}")


def _check_template(template: str) -> None:
    try:
        is_valid = template.format("a candidate") != template
    except (AttributeError, IndexError, KeyError, ValueError):
        is_valid = False
    if not is_valid:
        raise TextError(f"template={template!r}: expected a sentence with {{}} in the place of the candidate")
