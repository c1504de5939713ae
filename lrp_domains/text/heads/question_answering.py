"""The head of extractive question answering: why this passage of the context?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...domain import score_of
from ..arguments import Request
from ..errors import TextError, excerpt
from ..tokens.encoding import Encoding
from ..tokens.location import tokens_at
from ..tokens.rows import Answer, Row, have_references, row_of
from .head import Head

LONGEST_ANSWER = 30  # tokens; longer answers are rarely meant
CONTEXT = 1  # the number of the context's text
TARGETS = (None, "start", "end")


@dataclass(frozen=True)
class AnswerChoice:
    """Which end to explain (None: both), the answer's first and last column if it is given, and the encoding."""

    end: str | None
    answer: tuple[int, int] | None
    encoding: Encoding


@dataclass(frozen=True)
class QuestionAnswering(Head):
    """Explains where an answer starts and ends: the score is that of its start plus that of its end."""

    score: str
    labels = None

    def parts(self, encoding: Encoding) -> tuple[str, ...]:
        """Return the names of the two texts."""
        return ("question", "context")

    def rows(self, encoding: Encoding, windows: list[np.ndarray], request: Request) -> tuple[Encoding, list[Row]]:
        """Return the one row of a question and its context."""
        if len(encoding.texts) != 2:
            raise TextError("question answering requires a question and a context: pass a tuple of two")
        if request.target not in TARGETS:
            raise TextError(
                f"target={request.target!r}: expected 'start', 'end', or None for both; choose another answer by at="
            )
        if request.against is not None:
            raise TextError(f"against={request.against!r}: answers of a context can't be contrasted; leave it out")
        if not (encoding.part == CONTEXT).any():
            raise TextError(f"the context {excerpt(encoding.texts[1])} has no token to answer with")

        answer = None
        if request.at is not None:
            tokens = tokens_at(request.at, encoding, part=CONTEXT)
            answer = int(tokens[0]), int(tokens[-1])
        choice = AnswerChoice(request.target, answer, encoding)
        return encoding, [row_of(encoding, windows[0], subject=choice)]

    def decided(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> list[Row]:
        """Return the rows with the predicted answer, unless another is chosen."""
        best = _predicted(*_end_logits(outputs), rows, _extents(rows, first))
        answers = [row.subject.answer or answer for row, (answer, _) in zip(rows, best, strict=True)]
        pairs = zip(rows, answers, strict=True)
        return [replace(row, subject=replace(row.subject, answer=answer)) for row, answer in pairs]

    def scores(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> tuple[Tensor, list[Answer]]:
        """Compute the score of each row's answer, and the answer that the model predicts."""
        starts, ends = _end_logits(outputs)
        extents = _extents(rows, first)
        best = _predicted(starts, ends, rows, extents)

        # A softmax over positions must not count padding.
        real = np.zeros(starts.shape, bool)
        for number, extent in enumerate(extents):
            real[number, extent] = True
        mask = torch.from_numpy(real).to(starts.device)

        columns = torch.tensor([row.subject.answer or answer for row, (answer, _) in zip(rows, best, strict=True)])
        columns = (columns + torch.from_numpy(first)[:, None]).to(starts.device)
        counts = [[row.subject.end != "end", row.subject.end != "start"] for row in rows]
        share = torch.tensor(counts, dtype=starts.dtype, device=starts.device)
        scores = sum(
            score_of(logits, columns[:, end], self.score, real=mask, constant=not have_references(rows)) * share[:, end]
            for end, logits in enumerate((starts, ends))
        )
        return scores, [_answer(row.subject, *fields) for row, fields in zip(rows, best, strict=True)]


def _end_logits(outputs: Any) -> tuple[Tensor, Tensor]:
    starts, ends = getattr(outputs, "start_logits", None), getattr(outputs, "end_logits", None)
    if starts is None or ends is None:
        raise TextError("the model returned no start_logits and end_logits: is it for question answering?")
    return starts, ends


def _extents(rows: Sequence[Row], first: np.ndarray) -> list[slice]:
    """Return the columns of each row's tokens."""
    return [slice(begin, begin + len(row)) for begin, row in zip(first, rows, strict=True)]


def _predicted(
    starts: Tensor, ends: Tensor, rows: Sequence[Row], extents: Sequence[slice]
) -> list[tuple[tuple[int, int], float]]:
    """Return the most probable answer of each row, and its probability."""
    values = [logits.detach().double().cpu().numpy() for logits in (starts, ends)]
    return [
        most_probable_answer(row.subject.encoding, *(logits[number, extent] for logits in values))
        for number, (row, extent) in enumerate(zip(rows, extents, strict=True))
    ]


def most_probable_answer(encoding: Encoding, starts: np.ndarray, ends: np.ndarray) -> tuple[tuple[int, int], float]:
    """Return the first and last token of the most probable answer in the context, and its probability."""
    context = encoding.part == CONTEXT
    together = np.where(np.outer(context, context), starts[:, None] + ends[None, :], -np.inf)
    length = np.arange(len(ends))[None, :] - np.arange(len(starts))[:, None]
    together[(length < 0) | (length >= LONGEST_ANSWER)] = -np.inf

    start, end = np.unravel_index(together.argmax(), together.shape)
    probability = np.exp(starts[start] - starts.max()) / np.exp(starts - starts.max()).sum()
    probability *= np.exp(ends[end] - ends.max()) / np.exp(ends - ends.max()).sum()
    return (int(start), int(end)), float(probability)


def _answer(choice: AnswerChoice, best: tuple[int, int], probability: float) -> Answer:
    prediction, target = (_spell(choice.encoding, *answer) for answer in (best, choice.answer or best))
    explained = "the answer" if choice.end is None else f"the {choice.end} of"
    return Answer(prediction, probability, f"{explained} '{target}'")


def _spell(encoding: Encoding, start: int, end: int) -> str:
    if encoding.spans is None:
        return " ".join(encoding.pieces[start : end + 1])
    return encoding.texts[CONTEXT][encoding.spans[start, 0] : encoding.spans[end, 1]].strip()
