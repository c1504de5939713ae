"""A batch of samples explained: what adapters whose samples are tensors have between those and their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ... import ATTN_LRP, Ledger, RuleSet
from ..messages import DomainError, choices
from ..models.recurrent import step_by_step
from .explain import explain, explain_against
from .read import Read
from .score import score_of
from .score_functions import scores_by
from .scores import check_score

HALF = (torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class Question:
    """What is explained of each sample.

    Attributes
    ----------
    rules
        The rule set; one that reads a reference requires references.
    score
        A name of `SCORES`, or a function from what the model returns to one number per sample.
    target
        The number of a class, of all samples or of each; None for the class that is predicted.
    against
        The number of another class to contrast the target with, which is required then.
    exclusive
        Whether a softmax chooses one class. If not, each logit is that of a label, or a number.
    """

    rules: RuleSet = ATTN_LRP
    score: str | Callable[[Any], Tensor] = "log-odds"
    target: int | Sequence[int] | None = None
    against: int | None = None
    exclusive: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.rules, RuleSet):
            raise DomainError(f"rules={self.rules!r} is not a rule set; pass one such as lrp_domains.ATTN_LRP")
        if callable(self.score):
            if self.target is not None or self.against is not None:
                raise DomainError("a target is a class; a score that is a function chooses the output itself")
        else:
            check_score(self.score)
        if self.against is not None:
            if self.target is None:
                raise DomainError(f"against={self.against} requires a target= to contrast with it")
            if bool((torch.as_tensor(self.target) == self.against).any()):
                raise DomainError(f"target and against are both class {self.against}: contrast it with another class")


@dataclass(frozen=True)
class Explained:
    """The explanation of a batch of B samples.

    Attributes
    ----------
    relevance
        That of units, as `Read.per_unit` returns it.
    score
        What was explained, or without references all of it: one number per sample.
    reference_score
        The mean score of the references; None without any. Relevance is that of the difference.
    prediction, target
        The numbers of classes, per sample; None if the score is a function.
    probability
        Of the prediction; None where there are no probabilities.
    ledger
        That of the batch. ``ledger.coefficients`` are the g of ``relevance = x g``.
    """

    relevance: Any
    score: np.ndarray
    reference_score: np.ndarray | None
    prediction: np.ndarray | None
    target: np.ndarray | None
    probability: np.ndarray | None
    ledger: Ledger

    @property
    def explained(self) -> np.ndarray:
        """What relevance and the rest sum to: the score, or how far it is above that of the reference."""
        return self.score if self.reference_score is None else self.score - self.reference_score


def explain_batch(
    model: nn.Module,
    reading: Callable[..., Read],
    inputs: Sequence[Tensor],
    question: Question,
    references: Sequence[Tensor] | None = None,
    names: Sequence[str] | None = None,
) -> Explained:
    """Explain a batch of samples.

    Parameters
    ----------
    model
        The model, in eval mode.
    reading
        ``reading(model, *inputs)`` runs the model, and returns what it read.
    inputs
        Tensors, samples first.
    question
        What is explained.
    references
        For each input a tensor of its shape, or several of them stacked along a new first dimension; their scores and
        the relevance against them are averaged.
    names
        Of the samples, for messages.

    Raises
    ------
    DomainError
        The model returns something else than a row of scores per sample, a score isn't finite, or a class is unknown.
    """
    results: dict[str, Tensor] = {}
    of_references: list[Tensor] = []

    def run(*tensors: Tensor) -> tuple[Tensor, list[Read]]:
        is_reference = "score" in results
        with step_by_step(model):
            read = reading(model, *tensors)
        if callable(question.score):
            scores = scores_by(question.score, read.outputs, len(tensors[0]))
            scores = scores.float() if scores.dtype in HALF else scores
        else:
            logits = logits_of(read.outputs, len(tensors[0]))
            if not is_reference:
                results.update(_predicted(logits.detach(), question))
            scores = score_of(
                logits,
                results["target"],
                question.score,
                against=_numbers(question.against, logits),
                exclusive=question.exclusive,
                constant=references is None or not question.rules.reads_reference,
            )
        _check_finite(scores, names, "of the reference of " if is_reference else "of ")
        if is_reference:
            of_references.append(scores.detach())
        else:
            results["score"] = scores.detach()
        return scores, [read]

    if references is None:
        if question.rules.reads_reference:
            raise DomainError(f"the rules {question.rules.name} compare with a reference: pass one")
        with torch.enable_grad():
            scores, reads = run(*inputs)
        (relevance,), ledger = explain(scores, reads, rules=question.rules, model=model)
    else:
        (relevance,), ledger = explain_against(run, inputs, references, rules=question.rules, model=model)
    mean = torch.stack(of_references).double().mean(0) if of_references else None
    results |= {} if mean is None else {"reference_score": mean}
    arrays = {name: values.double().cpu().numpy() for name, values in results.items()}
    whole = {name: arrays[name].astype(int) if name in arrays else None for name in ("prediction", "target")}
    return Explained(
        relevance,
        arrays["score"],
        arrays.get("reference_score"),
        **whole,
        probability=arrays.get("probability"),
        ledger=ledger,
    )


def logits_of(outputs: Any, samples: int) -> Tensor:
    """Return the logits, samples x classes, in what a classifier returned: a tensor, or one named ``logits``."""
    logits = outputs
    if isinstance(outputs, Mapping):
        logits = outputs.get("logits")
    elif not isinstance(outputs, Tensor):
        logits = getattr(outputs, "logits", outputs[0] if isinstance(outputs, tuple) and outputs else None)
    if not isinstance(logits, Tensor):
        kind = type(outputs).__name__
        held = f" with {', '.join(map(str, outputs))}" if isinstance(outputs, Mapping) else ""
        raise DomainError(f"the model returns a {kind}{held}, not logits: pass a score, a function of what it returns")
    if logits.ndim != 2 or len(logits) != samples or not logits.shape[1]:
        raise DomainError(
            f"the model returns a tensor of shape {tuple(logits.shape)} for {samples} samples, not samples x classes: "
            "pass a score, a function of what it returns"
        )
    # The difference of two logits has fewer digits than they have, which half precision can't spare.
    return logits.float() if logits.dtype in HALF else logits


def class_number(name: str | int | None, classes: Sequence[str], what: str = "class") -> int | None:
    """Return the number of a class, by its name or its number; None for None.

    Parameters
    ----------
    name
        A name of a class, or a number from 0. A name takes precedence over a number.
    classes
        The names of all classes.
    what
        The parameter, for the message of an unknown class.
    """
    if name is None:
        return None
    names = [str(known) for known in classes]
    if names.count(str(name)) > 1:
        raise DomainError(f"{what}: {names.count(str(name))} classes are named '{name}'; pass the number of one")
    if str(name) in names:
        return names.index(str(name))
    is_number = isinstance(name, (int, np.integer)) and not isinstance(name, bool)
    if (is_number or str(name).isdecimal()) and 0 <= int(name) < len(names):
        return int(name)
    raise DomainError(f"{what}: there is no class '{name}' among {len(names)}; {choices(name, names)}")


def _predicted(logits: Tensor, question: Question) -> dict[str, Tensor]:
    """Return each sample's predicted class, its probability, and the target."""
    prediction = logits.argmax(1)
    target = prediction if question.target is None else _numbers(question.target, logits)
    results = {"prediction": prediction, "target": target}
    if not question.exclusive:
        results["probability"] = logits.gather(1, prediction[:, None])[:, 0].sigmoid()
    elif logits.shape[1] > 1:
        results["probability"] = logits.double().softmax(1).amax(1)
    return results


def _numbers(chosen: int | Sequence[int] | None, logits: Tensor) -> Tensor | None:
    """Return the number of a class per sample."""
    if chosen is None:
        return None
    numbers = torch.as_tensor(chosen, device=logits.device).long().expand(len(logits))
    if bool((numbers < 0).any()) or bool((numbers >= logits.shape[1]).any()):
        raise DomainError(f"there is no class {int(numbers.max())}; the model has {logits.shape[1]}, numbered from 0")
    return numbers


def _check_finite(scores: Tensor, names: Sequence[str] | None, of: str) -> None:
    finite = torch.isfinite(scores.detach())
    if not bool(finite.all()):
        number = int((~finite).nonzero()[0, 0])
        name = f"'{names[number]}'" if names is not None else f"sample {number}"
        value = float(scores.detach()[number])
        raise DomainError(f"the score {of}{name} is {value}: check the model's weights and what it reads")
