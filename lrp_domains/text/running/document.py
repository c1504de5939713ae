"""One text on its way through the model, up to its result."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from ...domain import Account
from ..chats import Written
from ..heads.head import FirstPass
from ..results.relevance import Reference, TextLedger, TextRelevance, Token, Word
from ..settings import Settings
from ..tokens.encoding import ADDED, Encoding
from ..tokens.rows import Answer, Row
from ..tokens.segmentation import KINDS, Segmentation
from ..tokens.vocabulary import readable_piece
from ..tokens.words import SPACE, replaced_words, word_sums
from .residue import LARGE, residue_note

OTHERS = "(embedded tokens that are not in the text)"  # the row of a ledger
ROUNDING = 1e-5  # of the relevance of tokens: less is no remainder


@dataclass
class Document:
    """One text: its tokens, its rows, and what is computed of it row by row.

    Attributes
    ----------
    encoding, rows, notes
        The tokens; what goes through the model; what the user should know.
    reference
        The name of what the text is explained against; None for the score itself.
    answer
        What the model predicts.
    score
        What is explained, summed over the rows with their weights: a score, or its difference from the reference's.
    reference_score
        The score of the reference.
    written
        The texts as the model reads them, with the roles of a chat.
    name
        What the text is called in messages, such as ``"text 3"``.
    number
        The number of the text.
    twins
        Other results of the same text whose rows differ only in what is explained: they share its forward passes.
    account
        The ledgers of its rows, if they were computed for this result alone.
    in_residue
        What the residues of its rows contain, as far as that is news.
    relevance
        One number per token, summed over the rows (float64).
    """

    encoding: Encoding
    rows: list[Row]
    notes: tuple[str, ...] = ()
    reference: str | None = None
    answer: Answer | None = None
    score: float = 0.0
    reference_score: float = 0.0
    written: Written | None = None
    name: str = ""
    number: int = 0
    twins: list[Document] = field(default_factory=list)
    account: Account = field(default_factory=Account)
    in_residue: list[str] = field(default_factory=list)
    relevance: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.relevance = np.zeros(len(self.encoding))

    @property
    def family(self) -> list[Document]:
        """The document and its twins."""
        return [self, *self.twins]

    def is_twin_of(self, other: Document) -> bool:
        """Return whether another document's rows have the same tokens, so that one forward pass serves both."""
        if self.number != other.number or self.reference is not None or len(self.rows) != len(other.rows):
            return False
        pairs = zip(self.rows, other.rows, strict=True)
        return all(one.inputs.keys() == two.inputs.keys() for one, two in pairs) and all(
            np.array_equal(values, two.inputs[name])
            for one, two in zip(self.rows, other.rows, strict=True)
            for name, values in one.inputs.items()
        )

    def after(self, head: FirstPass, readings: list[Tensor]) -> list[Document]:
        """Return one document per result, from the readings of a first pass over the rows."""
        return [
            replace(
                self,
                encoding=decision.encoding or self.encoding,
                rows=decision.rows,
                notes=(*self.notes, *([decision.note] if decision.note else [])),
                answer=decision.answer,
                twins=[],
                account=Account(),
                in_residue=[],
            )
            for decision in head.decide(self.encoding, self.rows, readings)
        ]

    def add(self, row: Row, relevance: list[np.ndarray], score: float, reference_score: float = 0.0) -> None:
        """Add the relevance of one row, one array per side of the model, its score, and that of its reference."""
        for tokens, amounts in zip(row.tokens, relevance, strict=True):
            np.add.at(self.relevance, tokens, amounts)
        self.score += score - reference_score
        self.reference_score += reference_score

    def result(self, parts: tuple[str, ...], settings: Settings, alone: bool) -> TextRelevance:
        """Return the explained text.

        Parameters
        ----------
        parts
            The names of its texts.
        settings
            How it was explained.
        alone
            Whether its leaves and residue were computed for this text alone.
        """
        added = float(self.relevance[self.encoding.part == ADDED].sum())
        words = float(self.relevance.sum()) - added

        leaves = dict(self.account.leaves)
        of_others, notes = self.account.units - words - added, self.notes
        if alone and abs(of_others) > ROUNDING * abs(self.relevance).sum():
            leaves[OTHERS] = of_others
            if abs(of_others) > LARGE * abs(self.score):
                notes = (*notes, f"{of_others:+.3g} of the score is that of embedded tokens that are not in the text")

        ledger = TextLedger(
            score=self.score,
            words=words,
            added=added,
            rest=self.score - words - added,
            leaves=leaves if alone else None,
            residue=self.account.residue if alone else None,
        )
        return TextRelevance(
            texts=self.encoding.texts,
            parts=parts,
            tokens=tokens_of(self.encoding, self.relevance, parts),
            words=self._words(parts, settings.words),
            target=self.rows[0].target or self.answer.target,
            prediction=self.answer.prediction,
            probability=self.answer.probability,
            score=self.score,
            ledger=ledger,
            rules=settings.rule_set(against_reference=self.reference is not None).name,
            notes=(*notes, *residue_note(self.in_residue)),
            reference=None if self.reference is None else Reference(self.reference, self.reference_score),
        )

    def _words(self, parts: tuple[str, ...], words: Segmentation) -> tuple[Word, ...]:
        """Return the words with their relevance, those of a chat with their role."""
        result = _words_of(self.encoding, self.relevance, parts=parts, words=words)
        return result if self.written is None else self.written.with_roles(result, parts[0])


def tokens_of(encoding: Encoding, relevance: np.ndarray, parts: tuple[str, ...]) -> tuple[Token, ...]:
    """Return the tokens with their relevance, as a user reads them."""
    spans = np.full((len(encoding), 2), -1) if encoding.spans is None else encoding.spans
    sides = [""] * len(encoding) if encoding.side is None else [("encoder", "decoder")[s] for s in encoding.side]
    fields = zip(encoding.pieces, spans.tolist(), encoding.part.tolist(), relevance.tolist(), sides, strict=True)

    tokens = []
    for piece, (start, end), part, amount, side in fields:
        if part == ADDED:
            tokens.append(Token(piece, -1, -1, relevance=amount, piece=piece, part="added", side=side))
        else:
            text = encoding.texts[part][start:end] if start < end else readable_piece(piece)
            tokens.append(Token(text, start, end, relevance=amount, piece=piece, part=parts[part], side=side))
    return tuple(tokens)


def _words_of(
    encoding: Encoding, relevance: np.ndarray, *, parts: tuple[str, ...], words: Segmentation
) -> tuple[Word, ...]:
    """Return the words with their relevance; none if the places of the tokens are unknown."""
    if encoding.spans is None:
        return ()
    result = []
    for part, (text, (start, end)) in enumerate(zip(encoding.texts, encoding.ranges, strict=True)):
        sums = word_sums(encoding, relevance, part=part, words=words)
        # Left out is whitespace without a token, and what was cut off; never what a token touches, so that words sum
        # to tokens: of a character of several tokens, the model may read only the first.
        shown = sums.touched | (sums.kinds != SPACE) & (sums.spans[:, 0] < end) & (sums.spans[:, 1] > start)
        spans, others = sums.spans[shown], replaced_words(encoding, sums.spans[shown], part)
        fields = (spans.tolist(), sums.kinds[shown].tolist(), sums.relevance[shown].tolist(), others)
        for (first, last), kind, amount, other in zip(*fields, strict=True):
            word = text[first:last]
            word = Word(word, first, last, relevance=amount, kind=KINDS[kind], part=parts[part], reference=other)
            result.append(word)
    return tuple(result)
