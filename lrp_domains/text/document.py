"""A text on its way through the model, and what is told of it in the end."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .results.relevance import TextLedger, TextRelevance, Token, Word
from .tokens.encoding import ADDED, Encoding
from .tokens.rows import Answer, Row
from .tokens.segmentation import KINDS, Segmentation
from .tokens.words import word_sums


@dataclass
class Reading:
    """One text: its tokens, its rows, and what is found out about it row by row.

    Attributes
    ----------
    encoding, rows, notes
        The tokens; what goes through the model; what the user should know.
    relevance
        One number a token, summed over the rows (float64).
    score, spread, answer
        What was explained, summed over the rows with their weights; what the model said.
    leaves, residue
        The rest of the ledger, where it is known of this text alone.
    """

    encoding: Encoding
    rows: list[Row]
    notes: tuple[str, ...] = ()
    answer: Answer | None = None
    score: float = 0.0
    spread: float = 0.0
    leaves: dict[str, float] | None = None
    residue: float | None = None
    relevance: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.relevance = np.zeros(len(self.encoding))

    def add(self, row: Row, relevance: list[np.ndarray], score: float, spread: float) -> None:
        """Take the relevance of one row, one array for each side of the model."""
        for places, own in zip(row.places, relevance, strict=True):
            np.add.at(self.relevance, places, own)
        self.score += score
        self.spread += spread

    def tell(self, parts: tuple[str, ...], words: Segmentation, rules: str) -> TextRelevance:
        """Sum up."""
        added = float(self.relevance[self.encoding.part == ADDED].sum())
        own = float(self.relevance.sum()) - added
        score = self.score + self.spread
        rest = self.score - own - added
        return TextRelevance(
            texts=self.encoding.texts,
            parts=parts,
            tokens=tokens_of(self.encoding, self.relevance, parts),
            words=_words(self.encoding, self.relevance, parts, words),
            target=self.rows[0].target or self.answer.target,
            prediction=self.answer.prediction,
            probability=self.answer.probability,
            score=score,
            ledger=TextLedger(score, own, added, self.spread, rest, self.leaves, self.residue),
            rules=rules,
            notes=self.notes,
        )


def tokens_of(encoding: Encoding, relevance: np.ndarray, parts: tuple[str, ...]) -> tuple[Token, ...]:
    """The tokens as a user reads them."""
    spans = np.full((len(encoding), 2), -1) if encoding.spans is None else encoding.spans
    sides = [""] * len(encoding) if encoding.side is None else [("encoder", "decoder")[s] for s in encoding.side]
    rows = zip(encoding.pieces, spans.tolist(), encoding.part.tolist(), relevance.tolist(), sides, strict=True)
    return tuple(
        Token(piece, -1, -1, r, piece, "added", side)
        if p == ADDED
        else Token(encoding.texts[p][start:end] if start < end else piece, start, end, r, piece, parts[p], side)
        for piece, (start, end), p, r, side in rows
    )


def _words(encoding: Encoding, relevance: np.ndarray, parts: tuple[str, ...], words: Segmentation) -> tuple[Word, ...]:
    if encoding.spans is None:
        return ()
    found = []
    for p, text in enumerate(encoding.texts):
        sums = word_sums(encoding, p, relevance, words)
        start, end = encoding.read[p] if encoding.read else (0, len(text))
        shown = ((sums.kinds != 2) | sums.touched) & (sums.spans[:, 0] < end) & (sums.spans[:, 1] > start)
        rows = zip(sums.spans[shown].tolist(), sums.kinds[shown].tolist(), sums.relevance[shown].tolist(), strict=True)
        found += [Word(text[start:end], start, end, r, KINDS[kind], parts[p]) for (start, end), kind, r in rows]
    return tuple(found)
