"""The head of a sequence classifier: one of several labels, several labels, or a number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import TextError
from ..tokens.encoding import Encoding
from ..tokens.location import refuse_place
from ..tokens.rows import Answer, Row, row_of, with_decoder_copy
from .labels import Labels, Wanted, wanted_label
from .scores import Scores, contrast_of, score_of


@dataclass(frozen=True)
class Classification:
    """Explains a label of a text, of a pair, or of a text in windows.

    A text that is read in W windows has the mean of their scores, and its prediction is that of the mean of their
    logits. So each window's relevance counts 1 / W, and the books balance as those of one window do.
    """

    labels: Labels
    score: str
    two_sides: bool = False
    in_windows = True  # a long text may be read in windows
    apart = False  # whether the two texts of a pair go through the model each by itself
    cut_side = "right"

    def parts(self, encoding: Encoding) -> tuple[str, ...]:
        """What the texts are called."""
        return ("text",) if len(encoding.texts) == 1 else ("first", "second")

    def read(self, encoding: Encoding, windows: list[np.ndarray], target: Any, at: Any) -> tuple[Encoding, list[Row]]:
        """The rows of a text."""
        refuse_place(at, "a sequence classifier reads a text as a whole")
        wanted = wanted_label(target, self.labels)
        rows = [row_of(encoding, pick, 1 / len(windows), wanted, self.two_sides) for pick in windows]
        return with_decoder_copy(encoding) if self.two_sides else encoding, rows

    def decide(self, logits: Tensor, wanted: Wanted) -> tuple[Wanted, Answer]:
        """From the mean logits of a text's windows, K, the label to explain in all of them, and what was said."""
        label = int(logits.argmax()) if wanted.label is None else wanted.label
        return Wanted(label, wanted.against), self.answer(logits, wanted)

    def answer(self, logits: Tensor, wanted: Wanted) -> Answer:
        """What a text's logits, K, say."""
        if self.labels.kind == "number":
            number = logits[wanted.label or 0].item()
            return Answer(number, None, wanted.name(self.labels, 0))
        predicted = int(logits.argmax())
        sure = logits.double()
        sure = sure.softmax(0) if self.labels.kind == "one" else sure.sigmoid()
        return Answer(self.labels.names[predicted], sure[predicted].item(), wanted.name(self.labels, predicted))

    def logits(self, outputs: Any, rows: Sequence[Row]) -> Tensor:
        """B x K."""
        logits = outputs if isinstance(outputs, Tensor) else getattr(outputs, "logits", None)
        if logits is None or logits.shape != (len(rows), len(self.labels.names)):
            found = "no logits" if logits is None else f"logits of shape {tuple(logits.shape)}"
            raise TextError(
                f"for {len(rows)} texts the model gave {found}, not {(len(rows), len(self.labels.names))}, one "
                f"for each label ({', '.join(self.labels.names[:4])}): is this a sequence classifier with these labels?"
            )
        return logits

    def scores(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> tuple[Scores, list[Answer]]:
        """The score of each row, and what the model said."""
        logits = self.logits(outputs, rows)
        values = logits.detach().cpu()
        predicted = values.argmax(1).tolist()
        chosen = [p if row.wanted.label is None else row.wanted.label for p, row in zip(predicted, rows, strict=True)]
        against = [row.wanted.against for row in rows]
        target = torch.tensor(chosen, device=logits.device)
        scores = score_of(logits, target, self.score, self.labels.kind == "one")
        if any(one is not None for one in against):
            other = torch.tensor([0 if one is None else one for one in against], device=logits.device)
            is_pair = torch.tensor([one is not None for one in against], device=logits.device)
            scores = scores.where(is_pair, contrast_of(logits, target, other))
        return scores, [self.answer(own, row.wanted) for own, row in zip(values, rows, strict=True)]
