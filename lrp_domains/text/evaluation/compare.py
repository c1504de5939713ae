"""Methods compared on texts: which finds the words that the model used?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ...domain import Progress, no_progress
from ...domain.results.chance import near_chance
from ...evaluation import (
    FRACTIONS,
    Accounted,
    Comparison,
    compare,
    faithfulness,
    plausibility,
    simplicity,
    soft_measures,
)
from ..errors import TextError, choices
from ..explainer import TextExplainer
from ..heads.labels import Labels
from ..results.relevance import TextRelevance
from .methods import DEFAULT, METHODS, UNIT, Method
from .removal import RemovableWords


def compare_methods(
    explainer: TextExplainer,
    texts: Sequence[str],
    *,
    target: str | Sequence[str] | None = None,
    methods: Sequence[str] | Mapping[str, Method] = DEFAULT,
    how: str = "mask",
    reference: str = "mask",
    fractions: Sequence[float] = FRACTIONS,
    truth: Callable[[TextRelevance], np.ndarray] | None = None,
    labels: Sequence[str] = (),
    soft: bool = False,
    scored_by: TextExplainer | None = None,
    folder: Path | None = None,
    progress: Progress = no_progress,
) -> Comparison:
    """Compare methods of explanation on the same texts.

    Parameters
    ----------
    explainer
        Has the model, and all settings but the rules and the reference.
    texts
        Single texts.
    target
        What is explained, as in a call of the explainer.
    methods
        Names of `METHODS`, or methods by other names. `UNIT` is always among them, as costs are counted in it, and so
        is ``random``, which any explanation should surpass.
    how
        What removes a word, see `RemovableWords`.
    reference
        What the methods that need a reference compare texts with: ``"mask"`` or ``"pad"``.
    fractions
        Of a text's words, at which it is scored without them.
    truth
        From an explained text to which of its words are the right ones; all of False where that isn't known.
    labels
        Of the texts, to tell whether the model is better than chance, which is one of the comparison's cautions if it
        isn't; empty if unknown.
    soft
        Whether words are removed at random too, each with a probability that falls with its relevance or rises with it:
        `lrp_domains.evaluation.soft_measures`, which scores 42 more versions of each text.
    scored_by
        What scores texts without some of their words, such as the same model in half precision, which is faster; None:
        the explainer itself.
    folder, progress
        As in `lrp_domains.evaluation.compare`.

    Returns
    -------
    A comparison in faithfulness (of the probability of the target, for labels), complexity and, with a truth,
    plausibility.
    """
    if not isinstance(methods, Mapping):
        check_methods(methods)
        methods = {name: METHODS[name] for name in methods}
    chosen = dict(methods) | {name: METHODS[name] for name in (UNIT, "random") if name not in methods}
    if any(method.against_reference for method in chosen.values()):
        check_reference(explainer, reference)
    results = list(explainer.explaining_by(None)(list(texts), target))
    words = RemovableWords(scored_by or explainer, results, how)
    measures = [faithfulness(words, through=words.measured, fractions=fractions), simplicity]
    if soft:
        measures.append(partial(soft_measures, words, through=words.measured))
    if truth is not None:
        measures.append(plausibility([truth(result) for result in results]))
    targets = [result.target for result in results]

    def explained(method: Method, count: int | None = None) -> Accounted:
        by = explainer.explaining_by(method.rules, reference if method.against_reference else None)
        found = by(list(texts)[:count], targets[:count])
        relevance = [np.array([word.relevance for word in result.words]) for result in found]
        if not method.conserves:
            return Accounted(relevance, np.nan)
        account = found.ledger
        amounts = (account.score, account.words + account.added, sum(account.leaves.values()))
        return Accounted.of(relevance, account.residue, amounts)

    for method in chosen.values():  # what is done only once, such as importing, is no part of the cost
        explained(method, 1)
    runs = {name: (lambda method=method: explained(method)) for name, method in chosen.items()}
    found = compare(runs, measures, unit=UNIT, folder=folder, progress=progress)
    of_labels = isinstance(explainer.labels, Labels) and explainer.labels.kind != "number"
    predictions = [str(result.prediction) for result in results]
    return replace(found, cautions=near_chance(labels, predictions) if of_labels else ())


def check_methods(names: Iterable[str]) -> None:
    """Raise if there is no method of a name."""
    if isinstance(names, str):
        raise TextError(f"methods is a string: pass a list, such as [{names!r}]")
    for name in names:
        if name not in METHODS:
            raise TextError(f"there is no method '{name}'; {choices(name, METHODS)}")


def check_reference(explainer: TextExplainer, reference: str) -> None:
    """Raise if texts can't be compared with a reference."""
    if reference not in ("mask", "pad"):
        raise TextError(f"reference={reference!r}: methods are compared against 'mask' or 'pad'")
    if reference not in (placeholders := explainer._pipeline.model.special.placeholders):
        others = " or ".join(f"reference={name!r}" for name in placeholders if name in ("mask", "pad"))
        remedy = f"pass {others}" if others else "choose methods that need no reference"
        raise TextError(f"reference={reference!r}: the tokenizer has no such token; {remedy}")


def words_among(known: Sequence[str]) -> Callable[[TextRelevance], np.ndarray]:
    """Return a truth: which words of a text are among known ones, in any case."""
    known = {word.casefold() for word in known}
    return lambda result: np.array([word.text.casefold() in known for word in result.words])


def words_within(spans: Mapping[str, Sequence[tuple[int, int]]]) -> Callable[[TextRelevance], np.ndarray]:
    """Return a truth: which words of a text are within marked ranges of its characters, by text."""

    def truth(result: TextRelevance) -> np.ndarray:
        marked = spans[result.texts[0]]
        return np.array([any(word.start < end and start < word.end for start, end in marked) for word in result.words])

    return truth
