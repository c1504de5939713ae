"""The head of a token classifier: why this label of a word, or of the words of an entity?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from ...domain import NO_CLASS
from ..arguments import Request
from ..errors import TextError, excerpt
from ..tokens.encoding import ADDED, Encoding
from ..tokens.location import part_with, tokens_at
from ..tokens.rows import Answer, Row, have_references, row_of
from ..tokens.tagged_words import words_of_tokens
from .entities import OUTSIDE, Entity, entities_of, name_of_labels, probabilities_of_words, type_of
from .head import Decision, FirstPass, Head
from .labels import Labels, asks_for_all, each_label, label_choice
from .token_scores import Positions, scores_at, sequence_logits


@dataclass(frozen=True)
class Place:
    """The words to explain, and which labels may be explained there.

    Attributes
    ----------
    encoding
        The tokens of the text.
    words
        The tokens of each of its words.
    allowed
        The labels of which the most probable one is explained at each word: all for the predicted one.
    against
        The label that it is contrasted with, or `NO_CLASS`.
    chosen
        The numbers of the words; None if they are to be chosen.
    labels
        The labels to explain there; None if they are to be chosen.
    every
        Whether all entities are asked for, each as a result.
    """

    encoding: Encoding
    words: list[np.ndarray]
    allowed: np.ndarray
    against: int = NO_CLASS
    chosen: np.ndarray | None = None
    labels: np.ndarray | None = None
    every: bool = False


@dataclass(frozen=True)
class TokenClassification(Head, FirstPass):
    """Explains the labels of words: of an entity, or of the words at a place.

    A word has one label, by `aggregation` of its tokens' probabilities, and its score is the mean of that label's
    scores over all its tokens; the score of several words is the mean of theirs. Without a place it explains the most
    probable entity, or, if the model finds none, the word with the most probable label other than the outside's.
    """

    labels: Labels
    score: str
    aggregation: str = "average"
    prefix: str | None = None

    def wishes(self, request: Request) -> list[Request]:
        """Return one request per label if all labels of a place are asked for."""
        return [request] if request.at is None else each_label(request, self.labels)

    def rows(self, encoding: Encoding, windows: list[np.ndarray], request: Request) -> tuple[Encoding, list[Row]]:
        """Return the one row of a text."""
        if not (encoding.part != ADDED).any():
            raise TextError(f"{excerpt(encoding.texts[0])} has no token to label: leave it out")
        words = words_of_tokens(encoding, self.prefix)
        if len(encoding.texts) > 1:
            words += words_of_tokens(encoding, self.prefix, part=1)
        if self.aggregation == "simple":
            words = [token[None] for word in words for token in word]

        every = request.at is None and asks_for_all(request, self.labels)
        allowed, against = self._labels(replace(request, target=None) if every else request)
        place = Place(encoding, words, allowed, against=against, every=every)
        if request.at is not None:
            tokens = tokens_at(request.at, encoding, part=part_with(request.at, encoding.texts))
            chosen = np.flatnonzero([np.isin(word, tokens).any() for word in words])
            place = replace(place, chosen=chosen)
        return encoding, [row_of(encoding, windows[0], subject=place)]

    def undecided(self, rows: Sequence[Row]) -> bool:
        """Return whether all entities are asked for, which a first pass finds."""
        return rows[0].subject.every

    def readings(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> list[Tensor]:
        """Return the logits of each row's tokens, T x K."""
        logits = self._logits(outputs, rows)
        return [values[start : start + len(row)] for values, start, row in zip(logits, first, rows, strict=True)]

    def decide(self, encoding: Encoding, rows: Sequence[Row], readings: Sequence[Tensor]) -> list[Decision]:
        """Return the entities of a text."""
        place: Place = rows[0].subject
        probabilities = self._of_words(place, readings[0])
        labels = probabilities.argmax(1)
        places = [
            replace(place, chosen=entity.words, labels=labels[entity.words], every=False)
            for entity in self._entities(place, probabilities)
            if (labels[entity.words] != place.against).any()  # a label is not contrasted with itself
        ]
        return [Decision([replace(rows[0], subject=each)]) for each in places]

    def decided(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> list[Row]:
        """Return the rows with the predicted words and labels, unless others are chosen."""
        readings = self.readings(outputs, rows, first)
        decided = []
        for row, values in zip(rows, readings, strict=True):
            place = self._decided(row.subject, self._of_words(row.subject, values))
            decided.append(replace(row, subject=place))
        return decided

    def scores(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> tuple[Tensor, list[Answer]]:
        """Compute the score of the labels of each row's words, and what the model predicts there."""
        logits = self._logits(outputs, rows)
        positions, answers = [], []
        for row, values in zip(rows, self.readings(outputs, rows, first), strict=True):
            probabilities = self._of_words(row.subject, values)
            place = self._decided(row.subject, probabilities)
            positions.append(_positions(place))
            answers.append(self._answer(place, probabilities))
        constant = not have_references(rows)
        scores, _ = scores_at(logits, positions, first=first, score=self.score, constant=constant)
        return scores, answers

    def _labels(self, request: Request) -> tuple[np.ndarray, int]:
        """Return the labels that may be explained, and the one that they are contrasted with."""
        names = self.labels.names
        types = [type_of(name).casefold() for name in names]
        target = request.target
        is_label = not isinstance(target, str) or target.casefold() in (name.casefold() for name in names)
        if is_label or target.casefold() not in types:
            choice = label_choice(request, self.labels)
            return (np.arange(len(names)) if target is None else np.array([choice.label])), choice.against

        allowed = np.flatnonzero([kind == target.casefold() for kind in types])
        against = NO_CLASS if request.against is None else self.labels.number(request.against)
        if against in allowed:
            raise TextError(f"target={target!r} contains against={request.against!r}: name another label")
        return allowed, against

    def _logits(self, outputs: Any, rows: Sequence[Row]) -> Tensor:
        logits = sequence_logits(outputs, len(rows), "token classification")
        if logits.shape[2] != len(self.labels.names):
            raise TextError(
                f"the model returned {logits.shape[2]} logits per token for {len(self.labels.names)} labels"
            )
        return logits

    def _of_words(self, place: Place, logits: Tensor) -> np.ndarray:
        """Return the probabilities of the labels of each word, W x K."""
        probabilities = logits.detach().double().softmax(1).cpu().numpy()
        return probabilities_of_words(probabilities, place.words, self.aggregation)

    def _decided(self, place: Place, probabilities: np.ndarray) -> Place:
        """Return a place with words and labels, chosen by the probabilities of all words' labels unless they are."""
        chosen = self._most_probable(place, probabilities) if place.chosen is None else place.chosen
        if place.labels is not None:
            return place
        labels = place.allowed[probabilities[np.ix_(chosen, place.allowed)].argmax(1)]
        return replace(place, chosen=chosen, labels=labels)

    def _most_probable(self, place: Place, probabilities: np.ndarray) -> np.ndarray:
        """Return the words of the most probable entity with labels that may be explained, or the most probable word."""
        names, labels = self.labels.names, probabilities.argmax(1)
        entities = self._entities(place, probabilities) if len(place.allowed) > 1 else []
        entities = [entity for entity in entities if np.isin(labels[entity.words], place.allowed).all()]
        if entities:
            return max(entities, key=lambda entity: entity.probability).words
        inside = [label for label in place.allowed if names[label] != OUTSIDE] or list(place.allowed)
        return np.array([probabilities[:, inside].max(1).argmax()])

    def _entities(self, place: Place, probabilities: np.ndarray) -> list[Entity]:
        """Return the entities of a text, or of both of a pair."""
        texts = [int(place.encoding.part[word[0]]) for word in place.words]
        return entities_of(probabilities, self.labels.names, texts)

    def _answer(self, place: Place, probabilities: np.ndarray) -> Answer:
        predicted = probabilities[place.chosen].argmax(1)
        probability = float(probabilities[place.chosen, predicted].mean())
        names = self.labels.names
        target = name_of_labels(place.labels, names)
        if place.against != NO_CLASS:
            target += f" against {names[place.against]}"
        return Answer(name_of_labels(predicted, names), probability, f"{target} at '{_spell(place)}'")


def _positions(place: Place) -> Positions:
    """Return the tokens of the words with their labels; each word has the same share of the score."""
    words = [place.words[number] for number in place.chosen]
    counts = [len(word) for word in words]
    share = np.repeat([1 / (len(words) * count) for count in counts], counts)
    return Positions.at(np.concatenate(words), np.repeat(place.labels, counts), against=place.against, share=share)


def _spell(place: Place) -> str:
    encoding, tokens = place.encoding, np.concatenate([place.words[number] for number in place.chosen])
    if encoding.spans is None:
        return " ".join(encoding.pieces[token] for token in tokens)
    start, end = encoding.spans[tokens, 0].min(), encoding.spans[tokens, 1].max()
    return encoding.texts[int(encoding.part[tokens[0]])][start:end].strip() or encoding.pieces[tokens[0]]
