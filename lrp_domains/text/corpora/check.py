"""A check of a corpus and its model from end to end, before any long computation."""

from collections import Counter
from statistics import median
from typing import Any

from ..errors import TextError
from ..explainer import TextExplainer
from .corpus import Corpus, check_on_error
from .outcomes import check, check_target, explained, requests_of, valid, with_advice

AT_ONCE = 1024  # texts that are tokenized together
SHOWN = 10  # errors of skipped rows in the summary


def check_corpus(
    corpus: Corpus,
    explainer: TextExplainer,
    target: Any = None,
    *,
    against: Any = None,
    reference: Any = None,
    on_error: str = "raise",
) -> dict:
    """Read all texts, explain the longest and the shortest, and return a summary.

    Parameters
    ----------
    corpus, explainer, target, against, reference, on_error
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
    if len(errors) == len(corpus):
        raise TextError(f"none of the {len(corpus)} texts can be explained: {corpus.row(0)}: {errors[0]}")

    lengths = [len(text) if isinstance(text, str) else sum(map(len, text)) for text in corpus.texts]
    readable = sorted((length, index) for index, length in enumerate(lengths) if index not in errors)
    shortest, longest = readable[0][1], readable[-1][1]
    # In one batch, so that padding is tried too.
    requests = {
        index: requests_of(corpus.part(index, index + 1), on_error="raise", **wishes)[0][0]
        for index in (shortest, longest)
    }
    result = explained(explainer._pipeline, corpus, requests)[longest]
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


def _errors(corpus: Corpus, explainer: TextExplainer, *, on_error: str, **wishes: Any) -> dict[int, str]:
    """Return why texts can't be read, by index; the first is raised with ``on_error="raise"``."""
    errors = {}
    for start in range(0, len(corpus), AT_ONCE):
        part = corpus.part(start, start + AT_ONCE)
        requests, invalid = requests_of(part, on_error=on_error, **wishes)
        try:
            check(explainer._pipeline, part, requests)
        except TextError as error:
            requests, unreadable = valid(explainer._pipeline, part, requests)
            if on_error == "raise":
                raise with_advice(error, requests) from error
            invalid |= unreadable
        errors |= {start + index: error for index, error in invalid.items()}
    return errors
