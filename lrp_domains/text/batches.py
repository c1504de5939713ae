"""Batches of rows through the model and back: the relevance of every token of every row."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import Ledger, ledger
from .books import Books
from .document import Reading
from .errors import TextError, excerpt
from .models.network import Network, Pass
from .settings import Settings
from .tokens.padding import exact_side, pad
from .tokens.rows import Answer, Row


@dataclass(frozen=True)
class _Run:
    """A forward pass with what is to be explained of it, B numbers, and what the model said of each row."""

    done: Pass
    explained: Tensor
    score: np.ndarray
    spread: np.ndarray
    answers: list[Answer]
    first: np.ndarray

    def of_rows(self, relevance: Sequence[Tensor], rows: Sequence[Row]) -> list[list[np.ndarray]]:
        """For each row the relevance of its own tokens, one array for each side."""
        sides = self.done.by_token(relevance)
        if len(sides) != len(rows[0].places):
            raise TextError(
                f"the model used its embeddings on {len(sides)} sides, not {len(rows[0].places)}: name the modules "
                "that embed the encoder's and the decoder's tokens, such as embedding='*.embed_tokens'"
            )
        found = []
        for i, row in enumerate(rows):
            starts = [self.first[i], *[0] * (len(sides) - 1)]
            parts = zip(sides, starts, row.places, strict=True)
            found.append([side[i, start : start + len(places)] for side, start, places in parts])
        return found


class Batches:
    """Runs the rows of many texts, those of like length together.

    Parameters
    ----------
    network, head, settings
        The model; what it is for; how to explain it.
    fill
        What stands at padded places, by name.
    """

    def __init__(self, network: Network, head: Any, settings: Settings, fill: Mapping[str, int]) -> None:
        self.network, self.head, self.settings, self.fill = network, head, settings, dict(fill)
        # The side of padding; None: this model can't be padded. Found at the first batch, unless it was given.
        self.side: str | None = settings.padding or "right"
        self._side_is_known = settings.padding is not None

    def of(self, readings: Sequence[Reading]) -> Iterator[list[tuple[int, Row]]]:
        """Give the rows in batches, sorted by length; each with the number of its reading."""
        if self.head.apart:  # both texts of a pair are needed for its score
            units = [[(number, row) for row in reading.rows] for number, reading in enumerate(readings)]
        else:
            units = [[(number, row)] for number, reading in enumerate(readings) for row in reading.rows]
        units.sort(key=lambda unit: max(len(row) for _, row in unit))
        size = max(1, self.settings.batch_size // (2 if self.head.apart else 1))
        for i in range(0, len(units), size):
            yield from self._paddable(units[i : i + size])

    def explain(self, batch: Sequence[tuple[int, Row]], readings: Sequence[Reading], books: Books) -> None:
        """Explain the rows of a batch, and give each reading what is its own."""
        rows = [row for _, row in batch]
        found = self._run(rows, self.side or "right")
        for (number, _), score in zip(batch, found.score + found.spread, strict=True):
            if not np.isfinite(score):
                raise TextError(
                    f"the score of {excerpt(readings[number].encoding.texts[0])} is {score}: look at the model's "
                    "weights (NaN? half precision overflow? try dtype=torch.float32)"
                )
        account = self._account(found)
        relevance = found.of_rows(account.relevance, rows)
        for i, (number, row) in enumerate(batch):
            readings[number].add(row, relevance[i], float(found.score[i]), float(found.spread[i]))
            if readings[number].answer is None and row is readings[number].rows[0]:
                readings[number].answer = found.answers[i]
        books.add(account.leaves, account.residue)

    def _run(self, rows: Sequence[Row], side: str) -> _Run:
        """A forward pass, and the scores of its rows."""
        tensors, first = self._tensors(rows, side)
        with torch.enable_grad():
            done = self.network.run(tensors)
            scores, answers = self.head.scores(done.outputs, rows, first)
            weights = torch.tensor([row.weight for row in rows]).to(scores.explained)
            explained = scores.explained * weights
        score, spread = (one.detach().double().cpu().numpy() for one in (explained, scores.spread * weights))
        return _Run(done, explained, score, spread, answers, first)

    def _account(self, run: _Run) -> Ledger:
        return ledger(
            run.explained, run.done.embeddings, rules=self.settings.rules, model=self.network.module,
            unknown=self.settings.unknown,
        )  # fmt: skip

    def decide(self, readings: Sequence[Reading]) -> None:
        """See what the model says of each text that is read in windows, so that all explain the same label."""
        logits: defaultdict[int, Tensor | float] = defaultdict(float)
        for batch in self.of(readings):
            rows = [row for _, row in batch]
            outputs = self.network.predict(self._tensors(rows, self.side or "right")[0])
            for (number, row), own in zip(batch, self.head.logits(outputs, rows).double().cpu(), strict=True):
                logits[number] += row.weight * own
        for number, reading in enumerate(readings):
            wanted, reading.answer = self.head.decide(logits[number], reading.rows[0].wanted)
            reading.rows = [replace(row, wanted=wanted) for row in reading.rows]

    def _tensors(self, rows: Sequence[Row], side: str) -> tuple[dict[str, Tensor], np.ndarray]:
        known = self.network.vocabulary
        for row in rows:
            if known is not None and (top := row.inputs["input_ids"].max()) >= known:
                raise TextError(
                    f"the tokenizer gave the token {top}, but the model's embedding has {known} rows: the tokenizer "
                    "belongs to another model"
                )
        return pad([row.inputs for row in rows], self.fill, side, self.network.device)

    def _paddable(self, units: list[list[tuple[int, Row]]]) -> list[list[tuple[int, Row]]]:
        """The batch, or its parts one by one if this model can't be padded."""
        batch = [pair for unit in units for pair in unit]
        if not self._side_is_known and len(batch) > 1:
            rows = sorted((row for _, row in batch), key=len)
            side = self._exact_side(rows[0], rows[-1])
            if side is None and self.head.apart:
                raise TextError(
                    "relevance changes with padding in this model, so that two texts can't be compared in one pass; if "
                    "you know better, pass padding='right' or 'left'"
                )
            if side is None:
                warnings.warn(
                    "relevance changes with padding in this model, or it cannot be padded (no padding token?): texts "
                    "are explained one by one, which is slower; padding='right' or 'left' says otherwise",
                    stacklevel=2,
                )
            # Rows of one length show whether the model takes batches, but not which side is right.
            if side is None or len(rows[0]) < len(rows[-1]):
                self.side, self._side_is_known = side, True
        return units if self.side is None else [batch]

    def _exact_side(self, short: Row, long: Row) -> str | None:
        times = 2 if self.head.apart else 1

        def explained(beside: bool, side: str) -> np.ndarray:
            rows = [short] * times + ([long] * times if beside else [])
            run = self._run(rows, side)
            return np.concatenate(run.of_rows(self._account(run).relevance, rows)[0])

        like = next((p.dtype for p in self.network.module.parameters() if p.is_floating_point()), torch.float32)
        return exact_side(explained, 1e-3 if like in (torch.float32, torch.float64) else 0.1)
