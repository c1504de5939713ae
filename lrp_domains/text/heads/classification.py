"""The head of a sequence classifier: one of several labels, several labels, or a number."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...domain import score_of
from ..arguments import Request
from ..errors import TextError
from ..tokens.encoding import Encoding
from ..tokens.location import refuse_location
from ..tokens.rows import Answer, Row, row_of, with_decoder_copy
from .head import Decision, FirstPass, Head
from .in_tensors import InTensors
from .labels import PREDICTED, LabelChoice, Labels, answer_of, label_choice


@dataclass(frozen=True)
class Classification(InTensors, Head, FirstPass):
    """Explains a label of a text, of a pair, or of a text in windows.

    The score of a text in W windows is the mean of theirs, and its prediction is that of their mean logits. So the
    relevance of each window has the weight 1 / W, and conservation holds as for a single window.

    Of a multi-label model the prediction lists all labels with a probability of at least .5, and the probability is
    that of the label that is explained, by default the most probable one.
    """

    labels: Labels
    score: str
    two_sides: bool = False
    in_windows = True

    def rows(self, encoding: Encoding, windows: list[np.ndarray], request: Request) -> tuple[Encoding, list[Row]]:
        """Return one row per window."""
        refuse_location(request.at, "a sequence classifier reads a text as a whole")
        choice = label_choice(request, self.labels)
        weight = 1 / len(windows)
        rows = [row_of(encoding, pick, subject=choice, weight=weight, two_sides=self.two_sides) for pick in windows]
        return with_decoder_copy(encoding) if self.two_sides else encoding, rows

    def undecided(self, rows: Sequence[Row]) -> bool:
        """Return whether a text is read in windows, which all explain the label that their mean logits predict."""
        return len(rows) > 1

    def readings(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> list[Tensor]:
        """Return the logits of each row, K."""
        return list(self.logits(outputs, len(rows)))

    def decide(self, encoding: Encoding, rows: Sequence[Row], readings: Sequence[Tensor]) -> list[Decision]:
        """Return the label to explain in all windows of a text, and what their mean logits predict."""
        logits = torch.stack(list(readings)).mean(0)
        subject: LabelChoice = rows[0].subject
        chosen = replace(subject, label=subject.number(logits))
        return [Decision([replace(row, subject=chosen) for row in rows], answer_of(self.labels, logits, subject))]

    def logits(self, outputs: Any, count: int) -> Tensor:
        """Return the logits of all labels for some rows, B x K."""
        logits = outputs if isinstance(outputs, Tensor) else getattr(outputs, "logits", None)
        names = self.labels.names
        if logits is None or logits.shape != (count, len(names)):
            shape = "no logits" if logits is None else f"logits of shape {tuple(logits.shape)}"
            raise TextError(
                f"for {count} texts the model returned {shape}, expected {(count, len(names))}, one per label "
                f"({', '.join(names[:4])}): is this a sequence classifier with these labels?"
            )
        return logits

    def decided(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> list[Row]:
        """Return the rows with the predicted label, unless another is chosen."""
        pairs = zip(rows, self.logits(outputs, len(rows)).detach().cpu(), strict=True)
        return [replace(row, subject=replace(row.subject, label=row.subject.number(values))) for row, values in pairs]

    def subjects(self, rows: Sequence[Row], first: np.ndarray) -> tuple[Tensor, ...]:
        """Return the number of the label to explain per row, and of the one that it is contrasted with."""
        return tuple(torch.tensor([getattr(row.subject, name) for row in rows]) for name in ("label", "against"))

    def scores_of(
        self, outputs: Any, subjects: Sequence[Tensor], *, count: int, constant: bool
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Compute the score of the label per row; also return the logits."""
        logits, (label, against) = self.logits(outputs, count), subjects
        target = torch.where(label == PREDICTED, logits.detach().argmax(1), label)
        options = {"exclusive": self.labels.kind == "one", "constant": constant}
        return score_of(logits, target, self.score, against=against, **options), (logits.detach(),)

    def answers(self, rows: Sequence[Row], predicted: Sequence[Tensor]) -> list[Answer]:
        """Return what the logits of each row predict."""
        (logits,) = predicted
        return [answer_of(self.labels, values, row.subject) for values, row in zip(logits.cpu(), rows, strict=True)]
