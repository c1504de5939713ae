"""A text that is read with each of several others, of which one is chosen: the basis of two heads."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...domain import score_of
from ..arguments import Item, Request
from ..errors import TextError
from ..tokens.encoding import Encoding
from ..tokens.location import refuse_location
from ..tokens.rows import Answer, Row, have_references, row_of, with_decoder_copy
from ..tokens.shared_text import join_pairs, with_held_texts
from .head import Decision, FirstPass, Head
from .labels import LabelChoice, Labels, answer_of, label_choice


@dataclass(frozen=True)
class Choice:
    """Which choice is explained, and the choices of the text."""

    label: LabelChoice
    labels: Labels

    def decided(self, logits: Tensor) -> "Choice":
        """Return the choice that the logits of all choices predict, unless one is chosen."""
        return replace(self, label=replace(self.label, label=self.label.number(logits)))


@dataclass(frozen=True)
class Choices(Head, FirstPass):
    """Explains why one of C choices is taken: the score of one logit per choice, each from a row of its own.

    The rows of a text go through the model in one batch, and share its score equally. A long text is read in windows
    with every choice; the score is the mean of theirs.
    """

    score: str
    two_sides: bool = False
    labels = None
    apart = True
    in_windows = True
    long_part = 0

    @abstractmethod
    def logits(self, outputs: Any, rows: Sequence[Row]) -> Tensor:
        """Return the logit of each row's choice, B."""

    def joined(self, encodings: Sequence[Encoding]) -> tuple[Encoding, list[np.ndarray]]:
        """Return one encoding with the tokens of the text once."""
        return join_pairs(encodings)

    def held(self, encodings: list[Encoding]) -> list[Encoding]:
        """Return encodings whose choices stay in the reference."""
        return [with_held_texts(encoding) for encoding in encodings]

    def in_place_of(self, request: Request, reference: str | tuple[str, ...]) -> Item:
        """Return the text of a request with a reference, one text, in its place."""
        if not isinstance(reference, str):
            raise TextError(f"reference={reference!r}: pass one text, the choices stay")
        return reference if isinstance(request.text, str) else (reference, list(request.texts[1:]))

    def rows(self, encoding: Encoding, windows: list[np.ndarray], request: Request) -> tuple[Encoding, list[Row]]:
        """Return one row per window and choice."""
        refuse_location(request.at, "a text is read as a whole with each choice")
        labels = self.labels_of(request)
        subject = Choice(label_choice(request, labels), labels)
        count = len(labels.names)
        options = {"subject": subject, "weight": count / len(windows), "two_sides": self.two_sides, "group": count}
        rows = [row_of(encoding, pick, **options) for pick in windows]
        return with_decoder_copy(encoding) if self.two_sides else encoding, rows

    def trial(self, row: Row) -> list[Row]:
        """Return a row as the only choice: of copies of it, rounding would decide which one is predicted."""
        only = Choice(LabelChoice(0), replace(row.subject.labels, names=row.subject.labels.names[:1]))
        return [replace(row, subject=only, group=1)]

    def undecided(self, rows: Sequence[Row]) -> bool:
        """Return whether a text is read in windows, which all explain the choice that their mean logits predict."""
        return len(rows) > rows[0].group

    def readings(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> list[Tensor]:
        """Return the logit of each row."""
        return list(self.logits(outputs, rows))

    def decide(self, encoding: Encoding, rows: Sequence[Row], readings: Sequence[Tensor]) -> list[Decision]:
        """Return the choice to explain in all windows of a text, and what their mean logits predict."""
        subject: Choice = rows[0].subject
        logits = torch.stack(list(readings)).reshape(-1, rows[0].group).mean(0)
        answer = answer_of(subject.labels, logits, subject.label)
        return [Decision([replace(row, subject=subject.decided(logits)) for row in rows], answer)]

    def decided(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> list[Row]:
        """Return the rows with the predicted choice, unless another is chosen."""
        result = []
        for group, logits in _groups(self.logits(outputs, rows).detach(), rows):
            decided = group[0].subject.decided(logits)
            result += [replace(row, subject=decided) for row in group]
        return result

    def scores(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> tuple[Tensor, list[Answer]]:
        """Compute the score of each text, shared equally among its rows, and what the model predicts."""
        scores, answers = [], []
        for group, logits in _groups(self.logits(outputs, rows), rows):
            subject: Choice = group[0].subject
            values = logits.detach().cpu()
            numbers = subject.label.number(values), subject.label.against
            target, against = (torch.tensor([number], device=logits.device) for number in numbers)
            options = {"exclusive": subject.labels.kind == "one", "constant": not have_references(rows)}
            score = score_of(logits[None], target, self.score, against=against, **options)
            scores.append(score.expand(len(group)) / len(group))
            answers += [answer_of(subject.labels, values, subject.label)] * len(group)
        return torch.cat(scores), answers


def _groups(logits: Tensor, rows: Sequence[Row]) -> list[tuple[Sequence[Row], Tensor]]:
    """Return the rows of each text with their logits."""
    groups, start = [], 0
    while start < len(rows):
        end = start + rows[start].group
        groups.append((rows[start:end], logits[start:end]))
        start = end
    return groups
