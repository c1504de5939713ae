"""What texts score without some of their words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property

import numpy as np
from scipy.special import expit

from ..arguments import Request
from ..errors import TextError, choices, excerpt
from ..explainer import TextExplainer
from ..heads.labels import Labels
from ..results.relevance import TextRelevance, Word
from ..running.document import Document
from ..running.pipeline import Pipeline
from ..tokens.encoding import Encoding
from ..tokens.words import settle

HOW = ("mask", "pad", "delete")


@dataclass(frozen=True)
class RemovableWords:
    """Texts whose words can be removed: a `lrp_domains.evaluation.Predict`.

    Attributes
    ----------
    explainer
        Scores the texts.
    results
        The texts, explained; the words of each are its units, and its target is what is scored.
    how
        What removes a word: ``"mask"`` or ``"pad"`` (each of its tokens is replaced by that token), ``"delete"`` (the
        text is tokenized again without it), or another word, which is put in its place.
    """

    explainer: TextExplainer
    results: Sequence[TextRelevance] = field(repr=False)
    how: str = "mask"

    def __post_init__(self) -> None:
        for result in self.results:
            if not result.words:
                raise TextError(f"{excerpt(result.texts[0])} has no words: the places of its tokens are unknown")
            if len(result.texts) > 1:
                raise TextError(f"{excerpt(result.texts[0])} is one of a pair: words are removed from single texts")
        if not self.how.strip():
            raise TextError("how is empty: pass 'mask', 'pad', 'delete', or a word")
        if self.how not in HOW and get_close_matches(self.how.casefold(), HOW, cutoff=0.75):
            raise TextError(f"how={self.how!r}; {choices(self.how, HOW)}")
        placeholders = self.explainer._pipeline.model.special.placeholders
        if self.how in ("mask", "pad") and self.how not in placeholders:
            raise TextError(f"how={self.how!r}: the tokenizer has no such token; pass 'delete', or a neutral word")

    @cached_property
    def _pipeline(self) -> Pipeline:
        """The explainer's, by the usual rules: it may have others, which read a reference, and nothing is explained."""
        pipeline = self.explainer._pipeline
        return Pipeline(pipeline.model, replace(pipeline.settings, rules=None, reference=None, compile=False))

    def __call__(self, samples: np.ndarray, kept: list[np.ndarray]) -> np.ndarray:
        """Return the score of each row: the text of a number, with the words that are kept."""
        rows, pipeline = list(zip(samples.tolist(), kept, strict=True)), self._pipeline
        if self.how not in ("mask", "pad"):
            requests = [self._request(self._text(self.results[number], mask), number) for number, mask in rows]
            names = [f"text {number}" for number, _ in rows]
            return pipeline.scores(pipeline.preparation.documents(requests, names))
        return pipeline.scores([_without(*self._masked[number], mask) for number, mask in rows])

    @property
    def measured(self) -> Callable[[np.ndarray], np.ndarray]:
        """From scores to what is measured: the probability of a label that is explained by its log-odds."""
        has_odds = self.explainer.settings.score == "log-odds" and isinstance(self.explainer.labels, Labels)
        return expit if has_odds and self.explainer.labels.kind != "number" else np.asarray

    def _request(self, text: str, number: int) -> Request:
        return Request(text, target=self.results[number].target)

    def _text(self, result: TextRelevance, kept: np.ndarray) -> str:
        """Return a text without the words that aren't kept."""
        text, parts, end = result.texts[0], [], 0
        neutral = "" if self.how == "delete" else self.how
        for word, stays in zip(result.words, kept.tolist(), strict=True):
            parts += [text[end : word.start], text[word.start : word.end] if stays else neutral]
            end = word.end
        return "".join([*parts, text[end:]])

    @cached_property
    def _masked(self) -> list[tuple[Document, np.ndarray]]:
        """Each text with what its tokens are replaced by, and which tokens each word has."""
        requests = [
            replace(self._request(result.texts[0], number), reference=self.how)
            for number, result in enumerate(self.results)
        ]
        names = [f"text {number}" for number in range(len(requests))]
        documents = self._pipeline.preparation.documents(requests, names)
        words = [result.words for result in self.results]
        return [(document, _tokens_of(document.encoding, of)) for document, of in zip(documents, words, strict=True)]


def _tokens_of(encoding: Encoding, words: Sequence[Word]) -> np.ndarray:
    """Return which tokens touch each word, words x tokens."""
    tokens = np.flatnonzero(encoding.part == 0)
    covered = settle(encoding.spans[tokens], encoding.texts[0])
    spans = np.array([(word.start, word.end) for word in words])
    touches = np.zeros((len(words), len(encoding)), bool)
    touches[:, tokens] = (covered[:, 0] < spans[:, 1:]) & (covered[:, 1] > spans[:, :1])
    return touches


def _without(document: Document, tokens: np.ndarray, kept: np.ndarray) -> Document:
    """Return a text with the tokens of the words that aren't kept replaced."""
    removed = tokens[~kept].any(0)
    rows = []
    for row in document.rows:
        of_token = row.tokens[0]
        others = row.replaced[0][:, 1]
        changes = removed[of_token] & (others >= 0)
        ids = np.where(changes, others, row.inputs["input_ids"])
        rows.append(replace(row, inputs=row.inputs | {"input_ids": ids}, replaced=()))
    return replace(document, rows=rows)
