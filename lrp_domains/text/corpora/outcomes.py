"""The outcome of each row of a corpus: its relevance, or the reason why it can't be explained."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..arguments import Request
from ..errors import TextError, about
from ..results.relevance import TextRelevance
from .corpus import Corpus

if TYPE_CHECKING:
    from ..running.pipeline import Pipeline

Outcome = TextRelevance | str


def outcomes(
    pipeline: Pipeline, corpus: Corpus, *, on_error: str, rows: Sequence[int] | None = None, **wishes: Any
) -> list[Outcome]:
    """Explain the texts of a corpus; return for each its relevance, or with ``on_error="skip"`` its error as a string.

    With `rows`, only these texts are explained.

    Raises
    ------
    TextError
        With ``on_error="raise"``: a text can't be explained. The message names its row.
    lrp_domains.RelevanceError
        The model can't be explained, whatever the text.
    """
    rows = range(len(corpus)) if rows is None else rows
    requests, errors = requests_of(corpus, rows, on_error=on_error, **wishes)
    try:
        results = explained(pipeline, corpus, requests)
    except TextError as error:
        # One invalid text fails all: it is found without the model if possible, else by explaining one by one.
        requests, invalid = valid(pipeline, corpus, requests)
        if on_error == "raise":
            raise with_advice(error, requests) from error
        errors |= invalid
        results, failed = _explained_apart(pipeline, corpus, requests, together=bool(invalid))
        errors |= failed
    return [results[index] if index in results else errors[index] for index in rows]


def check_target(pipeline: Pipeline, target: Any) -> None:
    """Raise unless one result per text is asked for, of a text or pair: the tables of a corpus have no others."""
    if pipeline.model.task == "multiple-choice":
        raise TextError("the texts of a corpus come without choices: pass a multiple choice by a call, or by --choice")
    if pipeline.several(Request("", target=target)):
        raise TextError(
            f"target={target!r} has any number of results per text, but the tables of a corpus have one: name a label, "
            "or explain lists of texts, explainer(texts, target='all')"
        )


def requests_of(
    corpus: Corpus, rows: Sequence[int], *, on_error: str, **wishes: Any
) -> tuple[dict[int, Request], dict[int, str]]:
    """Return the requests for the texts of a corpus, by their index, and the errors of texts that have none."""
    requests, errors = {}, {}
    for index in rows:
        try:
            requests[index] = _request(corpus, index, wishes)
        except TextError as error:
            if on_error == "raise":
                raise
            errors[index] = _reason(corpus, index, error)
    return requests, errors


def valid(
    pipeline: Pipeline, corpus: Corpus, requests: dict[int, Request]
) -> tuple[dict[int, Request], dict[int, str]]:
    """Return the requests that can be read, without running the model, and the errors of the others."""
    errors = _each(corpus, requests, lambda one: check(pipeline, corpus, one))
    return {index: request for index, request in requests.items() if index not in errors}, errors


def check(pipeline: Pipeline, corpus: Corpus, requests: dict[int, Request]) -> None:
    """Raise if a text can't be read; the model isn't run."""
    pipeline.check(list(requests.values()), [corpus.row(index) for index in requests])


def with_advice(error: TextError, others: Collection) -> TextError:
    """Return an error of a row with advice to skip it, if there are others that can be read."""
    return TextError(f"{error}; or skip such rows: on_error='skip' (--on-error skip)") if others else error


def _request(corpus: Corpus, index: int, wishes: dict[str, Any]) -> Request:
    with about(corpus.row(index)):
        if reason := corpus.invalid.get(corpus.first + index):
            raise TextError(reason)
        if corpus.references:
            wishes = wishes | {"reference": corpus.references[index]}
        return Request(corpus.texts[index], **wishes)


def _each(corpus: Corpus, requests: dict[int, Request], run: Callable[[dict[int, Request]], None]) -> dict[int, str]:
    """Run a function on each request by itself; return the errors by index."""
    errors = {}
    for index, request in requests.items():
        try:
            run({index: request})
        except TextError as error:
            errors[index] = _reason(corpus, index, error)
    return errors


def _reason(corpus: Corpus, index: int, error: TextError) -> str:
    """Return the message of an error without the name of the row, whose number may change."""
    return str(error).removeprefix(f"{corpus.row(index)}: ")


def _explained_apart(
    pipeline: Pipeline, corpus: Corpus, requests: dict[int, Request], *, together: bool
) -> tuple[dict[int, TextRelevance], dict[int, str]]:
    """Explain texts one by one, and first `together`; return the relevance and the errors, by index."""
    if together:
        with suppress(TextError):
            return explained(pipeline, corpus, requests), {}
    results: dict[int, TextRelevance] = {}
    errors = _each(corpus, requests, lambda one: results.update(explained(pipeline, corpus, one)))
    return results, errors


def explained(pipeline: Pipeline, corpus: Corpus, requests: dict[int, Request]) -> dict[int, TextRelevance]:
    """Return the relevance of texts, by their index."""
    if not requests:
        return {}
    names = [corpus.row(index) for index in requests]
    results, _ = pipeline.explain(list(requests.values()), names=names)
    return dict(zip(requests, results, strict=True))
