"""A check of a corpus and its model from end to end, before any long computation."""

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from ..errors import TextError
from ..explainer import TextExplainer
from ..results.relevance import TextRelevance
from .corpus import Corpus, check_on_error
from .outcomes import check, check_target, outcomes, requests_of, valid, with_advice

AT_ONCE = 1024  # texts that are tokenized together
PAIRS = 8  # of texts that are explained until one succeeds
SHOWN = 10  # errors of skipped rows in the summary


def check_corpus(
    explainer: TextExplainer,
    corpus: Corpus,
    target: Any = None,
    *,
    against: Any = None,
    reference: Any = None,
    on_error: str = "raise",
) -> dict:
    """Read all texts, explain the longest and the shortest, and return a summary.

    Parameters
    ----------
    explainer, corpus, target, against, reference, on_error
        As in `explain_corpus`.

    Raises
    ------
    TextError, lrp_domains.RelevanceError
        What would be raised later, for some text; its row is named.
    """
    check_on_error(on_error)
    corpus = corpus.named(explainer.labels)
    check_target(explainer._pipeline, target)
    wishes = {"target": target, "against": against, "reference": reference}
    errors = _errors(corpus, explainer, on_error=on_error, **wishes)
    lengths = [len(text) if isinstance(text, str) else sum(map(len, text)) for text in corpus.texts]
    readable = sorted((index for index in range(len(corpus)) if index not in errors), key=lambda index: lengths[index])
    result, failed = _longest(corpus, explainer, readable, on_error=on_error, **wishes)
    errors |= failed
    if result is None:
        first = min(failed or errors)
        texts = f"the {len(corpus)} texts" if len(errors) == len(corpus) else f"{len(failed)} texts that were tried"
        raise TextError(f"none of {texts} can be explained: {corpus.row(first)}: {errors[first]}")
    return {
        "texts": len(corpus),
        "skipped": len(errors),
        "errors": [f"{corpus.row(index)}: {error}" for index, error in sorted(errors.items())[:SHOWN]],
        "labels": dict(sorted(Counter(corpus.labels).items())),
        "characters": {"median": median(lengths), "most": max(lengths)},
        "twice": len(corpus) - len(set(corpus.texts)),
        "task": explainer.task,
        "model_labels": list(explainer.labels.names) if explainer.labels else [],
        "tokens_of_the_longest": len(result.tokens),
        "notes": list(result.notes),
    }


def _longest(
    corpus: Corpus, explainer: TextExplainer, readable: Sequence[int], *, on_error: str, **wishes: Any
) -> tuple[TextRelevance | None, dict[int, str]]:
    """Explain the longest and the shortest text, or if both fail the next ones; return the longest, and the errors."""
    errors = {}
    for number in range(min(PAIRS, (len(readable) + 1) // 2)):
        # In one batch, so that padding is tried too.
        rows = list(dict.fromkeys((readable[-1 - number], readable[number])))
        results = outcomes(explainer._pipeline, corpus, rows=rows, on_error=on_error, **wishes)
        errors |= {row: result for row, result in zip(rows, results, strict=True) if isinstance(result, str)}
        if succeeded := [result for result in results if not isinstance(result, str)]:
            return succeeded[0], errors
    return None, errors


def _errors(corpus: Corpus, explainer: TextExplainer, *, on_error: str, **wishes: Any) -> dict[int, str]:
    """Return why texts can't be read, by index; the first is raised with ``on_error="raise"``."""
    errors = {}
    for start in range(0, len(corpus), AT_ONCE):
        part = corpus.part(start, start + AT_ONCE)
        requests, invalid = requests_of(part, range(len(part)), on_error=on_error, **wishes)
        try:
            check(explainer._pipeline, part, requests)
        except TextError as error:
            requests, unreadable = valid(explainer._pipeline, part, requests)
            if on_error == "raise":
                raise with_advice(error, requests) from error
            invalid |= unreadable
        errors |= {start + index: error for index, error in invalid.items()}
    return errors
