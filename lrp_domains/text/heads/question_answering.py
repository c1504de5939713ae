"""The head of extractive question answering: why this passage of the context?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..errors import TextError, excerpt
from ..tokens.encoding import Encoding
from ..tokens.location import tokens_at
from ..tokens.rows import Answer, Row, row_of
from .scores import Scores, score_of

# The most tokens of an answer that is looked for; longer ones are rarely meant.
LONGEST_ANSWER = 30
TARGETS = (None, "start", "end")


@dataclass(frozen=True)
class Asked:
    """Which end to explain (None: both), the first and last column of the answer if it is given, the encoding."""

    end: str | None
    answer: tuple[int, int] | None
    encoding: Encoding


@dataclass(frozen=True)
class QuestionAnswering:
    """Explains where an answer starts and ends: the score is that of its start plus that of its end."""

    score: str
    in_windows = False
    apart = False
    cut_side = "right"

    def parts(self, encoding: Encoding) -> tuple[str, ...]:
        """What the texts are called."""
        return ("question", "context")

    def read(self, encoding: Encoding, windows: list[np.ndarray], target: Any, at: Any) -> tuple[Encoding, list[Row]]:
        """The row of a question and its context."""
        if len(encoding.texts) != 2:
            raise TextError("question answering needs a question and a context: give a tuple of two")
        if target not in TARGETS:
            raise TextError(f"target={target!r}: it is 'start', 'end' or None for both; name another answer by at=")
        if not (encoding.part == 1).any():
            raise TextError(f"the context {excerpt(encoding.texts[1])} has no token to answer with")
        answer = None
        if at is not None:
            tokens = tokens_at(at, encoding, part=1)
            answer = int(tokens[0]), int(tokens[-1])
        return encoding, [row_of(encoding, windows[0], 1.0, Asked(target, answer, encoding), two_sides=False)]

    def scores(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> tuple[Scores, list[Answer]]:
        """The score of each row, and what the model said."""
        starts, ends = getattr(outputs, "start_logits", None), getattr(outputs, "end_logits", None)
        if starts is None or ends is None:
            raise TextError("the model gave no start_logits and end_logits: is it for question answering?")
        values = starts.detach().double().cpu().numpy(), ends.detach().double().cpu().numpy()
        real = np.zeros(starts.shape, bool)
        for number, row in enumerate(rows):
            real[number, first[number] : first[number] + len(row)] = True
        found = [
            self._best(row, *(own[i, first[i] : first[i] + len(row)] for own in values)) for i, row in enumerate(rows)
        ]
        columns = torch.tensor([row.wanted.answer or best for row, (best, _) in zip(rows, found, strict=True)])
        columns = (columns + torch.from_numpy(first)[:, None]).to(starts.device)
        mask = torch.from_numpy(real).to(starts.device)
        both = [score_of(logits, columns[:, end], self.score, real=mask) for end, logits in enumerate((starts, ends))]
        wanted = [row.wanted.end for row in rows]
        share = torch.tensor(
            [[one != "end", one != "start"] for one in wanted], dtype=starts.dtype, device=starts.device
        )
        explained = sum(scores.explained * share[:, end] for end, scores in enumerate(both))
        spread = sum(scores.spread * share[:, end] for end, scores in enumerate(both))
        return Scores(explained, spread), [self._answer(row, *one) for row, one in zip(rows, found, strict=True)]

    def _best(self, row: Row, starts: np.ndarray, ends: np.ndarray) -> tuple[tuple[int, int], float]:
        """First and last token of the likeliest answer in the context, and its probability."""
        context = row.wanted.encoding.part == 1
        together = np.where(np.outer(context, context), starts[:, None] + ends[None, :], -np.inf)
        length = np.arange(len(ends))[None, :] - np.arange(len(starts))[:, None]
        together[(length < 0) | (length >= LONGEST_ANSWER)] = -np.inf
        start, end = np.unravel_index(together.argmax(), together.shape)
        sure = np.exp(starts[start] - starts.max()) / np.exp(starts - starts.max()).sum()
        sure *= np.exp(ends[end] - ends.max()) / np.exp(ends - ends.max()).sum()
        return (int(start), int(end)), float(sure)

    def _answer(self, row: Row, best: tuple[int, int], sure: float) -> Answer:
        asked = row.wanted
        prediction, target = (_spelt(asked.encoding, *one) for one in (best, asked.answer or best))
        what = "the answer" if asked.end is None else f"the {asked.end} of"
        return Answer(prediction, sure, f"{what} '{target}'")


def _spelt(encoding: Encoding, start: int, end: int) -> str:
    if encoding.spans is None:
        return " ".join(encoding.pieces[start : end + 1])
    return encoding.texts[1][encoding.spans[start, 0] : encoding.spans[end, 1]].strip()
