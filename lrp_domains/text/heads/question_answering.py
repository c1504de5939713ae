"""The head of extractive question answering: why this passage of the context?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...domain import NO_CLASS, score_of
from ..arguments import Request
from ..errors import TextError, excerpt
from ..tokens.encoding import ADDED, Encoding
from ..tokens.location import tokens_at
from ..tokens.rows import Answer, Row, have_references, row_of, with_decoder_copy
from .answers import CONTEXT, Ends, most_probable_answer, probability_of, sum_of
from .head import Decision, FirstPass, Head

NO_ANSWER = "no answer"
TARGETS = (None, "start", "end", NO_ANSWER)


@dataclass(frozen=True)
class AnswerChoice:
    """What is explained of one row.

    Attributes
    ----------
    end
        ``"start"``, ``"end"``, or None for both.
    answer
        The columns of the answer; None for the predicted one.
    encoding
        The tokens of the row.
    null
        The column that stands for no answer; None if the tokenizer has none.
    against
        The columns of what the answer is contrasted with; None for no contrast.
    answerable
        Whether a chosen answer lies in the row.
    """

    end: str | None
    answer: Ends | None
    encoding: Encoding
    null: int | None = None
    against: Ends | None = None
    answerable: bool = True


@dataclass(frozen=True)
class QuestionAnswering(Head, FirstPass):
    """Explains where an answer starts and ends: the score is that of its start plus that of its end.

    A context in windows is explained by the window whose answer has the largest sum of logits, as in the evaluation of
    SQuAD. That the context has no answer is predicted at the [CLS] token, in the window where it is least probable.

    Attributes
    ----------
    null_id
        The number of the token that stands for no answer; None if the tokenizer has none.
    no_answer
        Whether the model may predict that there is no answer.
    two_sides
        See `Head`: the logits are those of the decoder's tokens, which are as many as the encoder's.
    """

    score: str
    null_id: int | None = None
    no_answer: bool = False
    two_sides: bool = False
    labels = None
    in_windows = True
    overlaps = True
    long_part = CONTEXT

    def parts(self, encoding: Encoding) -> tuple[str, ...]:
        """Return the names of the two texts."""
        return ("question", "context")

    def check_contrast(self, request: Request) -> None:
        """Raise if an answer is contrasted with anything but that there is none."""
        if request.against is not None and (request.against != NO_ANSWER or request.target == NO_ANSWER):
            raise TextError(
                f"against={request.against!r}: the answer of a context can only be contrasted with 'no answer'"
            )

    def rows(self, encoding: Encoding, windows: list[np.ndarray], request: Request) -> tuple[Encoding, list[Row]]:
        """Return one row per window of a question and its context."""
        if len(encoding.texts) != 2:
            raise TextError("question answering requires a question and a context: pass a tuple of two")
        if request.target not in TARGETS:
            raise TextError(
                f"target={request.target!r}: expected 'start', 'end', 'no answer', or None for the answer; choose "
                "another answer by at="
            )
        if not (encoding.part == CONTEXT).any():
            raise TextError(f"the context {excerpt(encoding.texts[1])} has no token to answer with")
        if request.at is not None and request.target == NO_ANSWER:
            raise TextError(f"at={request.at!r} is an answer, but the target is 'no answer': leave one of them out")

        answer = None if request.at is None else tokens_at(request.at, encoding, part=CONTEXT)
        choices = [self._choice(encoding, pick, answer, request) for pick in windows]
        pairs = zip(windows, choices, strict=True)
        rows = [row_of(encoding, pick, subject=choice, two_sides=self.two_sides) for pick, choice in pairs]
        if not any(row.subject.answerable for row in rows):
            raise TextError(f"at={request.at!r}: no window has all of this answer; pass a larger stride=")
        return with_decoder_copy(encoding) if self.two_sides else encoding, rows

    def undecided(self, rows: Sequence[Row]) -> bool:
        """Return whether a context is read in windows, of which one is explained."""
        return len(rows) > 1

    def readings(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> list[Tensor]:
        """Return the logits of starts and ends of each row's tokens, 2 x T."""
        both = torch.stack(_end_logits(outputs))
        return [both[:, number, extent] for number, extent in enumerate(_extents(rows, first))]

    def decide(self, encoding: Encoding, rows: Sequence[Row], readings: Sequence[Tensor]) -> list[Decision]:
        """Return the window that is explained, and the answer of all windows."""
        values = [reading.numpy() for reading in readings]
        best = [most_probable_answer(row.subject.encoding, *logits) for row, logits in zip(rows, values, strict=True)]
        sums = [sum_of(logits, answer) for logits, (answer, _) in zip(values, best, strict=True)]
        window = int(np.argmax(sums))
        predicted, probability = _spell(rows[window].subject.encoding, *best[window][0]), best[window][1]
        target = best[window][0]

        nulls = [
            np.inf if row.subject.null is None else _null(row, logits) for row, logits in zip(rows, values, strict=True)
        ]
        least = int(np.argmin(nulls))
        chosen: AnswerChoice = rows[0].subject
        if self.no_answer and nulls[least] > sums[window]:
            column = rows[least].subject.null
            predicted, probability = NO_ANSWER, probability_of(*values[least], column, column)
            if chosen.against is None:
                window, target = least, (column, column)

        if any(row.subject.answer is not None for row in rows):
            is_null = chosen.answer is not None and chosen.answer == (chosen.null, chosen.null)
            amounts = [
                -np.inf if not row.subject.answerable else sum_of(logits, row.subject.answer) * (-1 if is_null else 1)
                for row, logits in zip(rows, values, strict=True)
            ]
            window = int(np.argmax(amounts))
            target = rows[window].subject.answer

        subject = replace(rows[window].subject, answer=target)
        explained = replace(rows[window], subject=subject)
        encoding, picked = _window(encoding, explained)
        note = f"explained is window {window + 1} of {len(rows)}, {_characters(encoding)}"
        answer = Answer(predicted, probability, _target(subject, target))
        return [Decision([picked], answer, encoding, note)]

    def decided(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> list[Row]:
        """Return the rows with the predicted answer, unless another is chosen."""
        best = self._predicted(*_end_logits(outputs), rows, _extents(rows, first))
        answers = [row.subject.answer or answer for row, (answer, *_) in zip(rows, best, strict=True)]
        pairs = zip(rows, answers, strict=True)
        return [replace(row, subject=replace(row.subject, answer=answer)) for row, answer in pairs]

    def scores(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> tuple[Tensor, list[Answer]]:
        """Compute the score of each row's answer, and the answer that the model predicts."""
        starts, ends = _end_logits(outputs)
        extents = _extents(rows, first)
        best = self._predicted(starts, ends, rows, extents)

        # A softmax over positions must not count padding.
        real = np.zeros(starts.shape, bool)
        for number, extent in enumerate(extents):
            real[number, extent] = True
        mask = torch.from_numpy(real).to(starts.device)

        offset = torch.from_numpy(first)[:, None]
        columns = torch.tensor([row.subject.answer or answer for row, (answer, *_) in zip(rows, best, strict=True)])
        columns = (columns + offset).to(starts.device)
        others = torch.tensor([row.subject.against or (NO_CLASS, NO_CLASS) for row in rows])
        others = torch.where(others == NO_CLASS, others, others + offset).to(starts.device)
        counts = [[row.subject.end != "end", row.subject.end != "start"] for row in rows]
        share = torch.tensor(counts, dtype=starts.dtype, device=starts.device)
        options = {"real": mask, "constant": not have_references(rows)}
        scores = sum(
            score_of(logits, columns[:, end], self.score, against=others[:, end], **options) * share[:, end]
            for end, logits in enumerate((starts, ends))
        )
        return scores, [_answer(row.subject, *fields) for row, fields in zip(rows, best, strict=True)]

    def _choice(
        self, encoding: Encoding, pick: np.ndarray, answer: np.ndarray | None, request: Request
    ) -> AnswerChoice:
        """Return what is explained of a window, in its columns."""
        window = encoding.take(pick)
        null = self._null(window)
        asks_null = request.target == NO_ANSWER
        if null is None and (asks_null or request.against is not None or self.no_answer):
            why = "the tokenizer has no [CLS] token" if self.null_id is None else "[CLS] was not added to the text"
            raise TextError(f"{why}, by which models say that there is no answer")

        ends, inside = None, True
        if answer is not None:
            inside = bool(np.isin(answer[[0, -1]], pick).all())
            ends = tuple(np.searchsorted(pick, answer[[0, -1]]).tolist()) if inside else None
        return AnswerChoice(
            None if asks_null else request.target,
            (null, null) if asks_null else ends,
            window,
            null=null,
            against=None if request.against is None else (null, null),
            answerable=inside,
        )

    def _null(self, encoding: Encoding) -> int | None:
        columns = np.flatnonzero((encoding.inputs["input_ids"] == self.null_id) & (encoding.part == ADDED))
        return int(columns[0]) if len(columns) else None

    def _predicted(
        self, starts: Tensor, ends: Tensor, rows: Sequence[Row], extents: Sequence[slice]
    ) -> list[tuple[Ends, Ends, float]]:
        """Return the answer to explain in each row unless one is chosen, what the model predicts, and its probability.

        The two differ if there is no answer, but the best one is contrasted with that.
        """
        values = [logits.detach().double().cpu().numpy() for logits in (starts, ends)]
        result = []
        for number, (row, extent) in enumerate(zip(rows, extents, strict=True)):
            logits = [both[number, extent] for both in values]
            answer, probability = most_probable_answer(row.subject.encoding, *logits)
            predicted, null = answer, row.subject.null
            if self.no_answer and _null(row, logits) > sum_of(logits, answer):
                predicted, probability = (null, null), probability_of(*logits, null, null)
            result.append((answer if row.subject.against is not None else predicted, predicted, probability))
        return result


def _end_logits(outputs: Any) -> tuple[Tensor, Tensor]:
    starts, ends = getattr(outputs, "start_logits", None), getattr(outputs, "end_logits", None)
    if starts is None or ends is None:
        raise TextError("the model returned no start_logits and end_logits: is it for question answering?")
    return starts, ends


def _extents(rows: Sequence[Row], first: np.ndarray) -> list[slice]:
    """Return the columns of each row's tokens."""
    return [slice(begin, begin + len(row)) for begin, row in zip(first, rows, strict=True)]


def _null(row: Row, logits: Sequence[np.ndarray]) -> float:
    """Return the sum of the logits that say that a row has no answer."""
    return sum_of(logits, (row.subject.null, row.subject.null))


def _window(encoding: Encoding, row: Row) -> tuple[Encoding, Row]:
    """Return a text with only the tokens of one of its rows."""
    window = encoding.take(row.tokens[0])
    ranges = list(encoding.ranges)
    if encoding.spans is not None:
        spans = window.spans[window.part == CONTEXT]
        ranges[CONTEXT] = int(spans[:, 0].min()), int(spans[:, 1].max())
    sides = np.arange(len(row.tokens) * len(window)).reshape(len(row.tokens), -1)
    window = replace(window, kept=tuple(ranges))
    window = window if len(sides) == 1 else with_decoder_copy(window)
    return window, replace(row, tokens=tuple(sides))


def _characters(encoding: Encoding) -> str:
    start, end = encoding.ranges[CONTEXT]
    return f"characters {start} to {end} of {len(encoding.texts[CONTEXT])}"


def _answer(choice: AnswerChoice, best: Ends, predicted: Ends, probability: float) -> Answer:
    prediction = NO_ANSWER if predicted == (choice.null, choice.null) else _spell(choice.encoding, *predicted)
    return Answer(prediction, probability, _target(choice, choice.answer or best))


def _target(choice: AnswerChoice, answer: Ends) -> str:
    """Return the name of what is explained."""
    is_null = answer == (choice.null, choice.null)
    name = NO_ANSWER if is_null else f"'{_spell(choice.encoding, *answer)}'"
    if choice.end is not None:
        name = f"the {choice.end} of {name}"
    elif not is_null:
        name = f"the answer {name}"
    return name if choice.against is None else f"{name} against {NO_ANSWER}"


def _spell(encoding: Encoding, start: int, end: int) -> str:
    if encoding.spans is None:
        return " ".join(encoding.pieces[start : end + 1])
    return encoding.texts[CONTEXT][encoding.spans[start, 0] : encoding.spans[end, 1]].strip()
