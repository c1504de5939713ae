"""Batches of rows through the model and back: the relevance of every token of every row."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import ledger
from .books import Books
from .errors import TextError, excerpt
from .network import Network
from .padding import exact_side, pad
from .readings import Reading
from .rows import Row
from .settings import Settings


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
        self._side: str | None = settings.padding or "unknown"

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
        tensors, first = self._tensors(rows)
        outputs, sides = self.network.run(tensors)
        scores, answers = self.head.scores(outputs, rows, first)
        weights = torch.tensor([row.weight for row in rows], dtype=scores.explained.dtype, device=self.network.device)
        explained, spread = scores.explained * weights, scores.spread * weights
        values = (explained + spread).detach().double().cpu().numpy()
        for (number, _), value in zip(batch, values, strict=True):
            if not np.isfinite(value):
                text = readings[number].encoding.texts[0]
                raise TextError(
                    f"the score of {excerpt(text)} is {value}: look at the model's weights (NaN? half precision "
                    "overflow? try dtype=torch.float32)"
                )
        account = ledger(
            explained,
            [tensor for side in sides for tensor in side],
            rules=self.settings.rules,
            model=self.network.module,
            unknown=self.settings.unknown,
        )
        relevance = iter(account.relevance)
        by_side = [sum(next(relevance).double().sum(-1) for _ in side).cpu().numpy() for side in sides]
        scored, spreads = explained.detach().double().cpu().numpy(), spread.double().cpu().numpy()
        for i, ((number, row), answer) in enumerate(zip(batch, answers, strict=True)):
            starts = [first[i], *[0] * (len(by_side) - 1)]
            own = [r[i, start : start + len(p)] for r, start, p in zip(by_side, starts, row.places, strict=True)]
            readings[number].add(row, own, float(scored[i]), float(spreads[i]))
            if readings[number].answer is None and row is readings[number].rows[0]:
                readings[number].answer = answer
        books.add(account.leaves, account.residue)
        only = readings[batch[0][0]]
        if len(only.rows) == len(batch) and all(number == batch[0][0] for number, _ in batch):
            only.leaves, only.residue = dict(account.leaves), account.residue

    def decide(self, readings: Sequence[Reading]) -> None:
        """See what the model says of each text that is read in windows, so that all explain the same label."""
        logits: defaultdict[int, Tensor | float] = defaultdict(float)
        for batch in self.of(readings):
            rows = [row for _, row in batch]
            outputs = self.network.predict(self._tensors(rows)[0])
            for (number, row), own in zip(batch, self.head.logits(outputs, rows).cpu(), strict=True):
                logits[number] += row.weight * own
        for number, reading in enumerate(readings):
            wanted, reading.answer = self.head.decide(logits[number], reading.rows[0].wanted)
            reading.rows = [replace(row, wanted=wanted) for row in reading.rows]

    def _tensors(self, rows: Sequence[Row]) -> tuple[dict[str, Tensor], np.ndarray]:
        known = self.network.vocabulary
        for row in rows:
            if known is not None and (top := row.inputs["input_ids"].max()) >= known:
                raise TextError(
                    f"the tokenizer gave the token {top}, but the model's embedding has {known} rows: the tokenizer "
                    "belongs to another model"
                )
        side = self._side if self._side in ("right", "left") else "right"
        return pad([row.inputs for row in rows], self.fill, side, self.network.device)

    def _paddable(self, units: list[list[tuple[int, Row]]]) -> list[list[tuple[int, Row]]]:
        """The batch, or its parts one by one if this model can't be padded."""
        batch = [pair for unit in units for pair in unit]
        if self._side == "unknown" and len(batch) > 1:
            rows = [row.inputs for _, row in batch]
            side = exact_side(rows, self._outputs, self.fill, self.network.device)
            if side is None and self.head.apart:
                raise TextError(
                    "the model's outputs change with padding, so that two texts can't be compared in one pass; if you "
                    "know better, pass padding='right' or 'left'"
                )
            if side is None:
                warnings.warn(
                    "the model's outputs change with padding, or it cannot be padded (no padding token?): texts are "
                    "explained one by one, which is slower; padding='right' or 'left' says otherwise",
                    stacklevel=2,
                )
            # Rows of one length show whether the model takes batches, but not which side is right.
            if side is None or len({len(row["input_ids"]) for row in rows}) > 1:
                self._side = side
        return units if self._side is None else [batch]

    def _outputs(self, tensors: dict[str, Tensor]) -> Tensor:
        outputs = self.network.predict(tensors)
        if isinstance(outputs, Tensor):
            return outputs
        names = ("logits", "start_logits", "last_hidden_state")
        return next(tensor for name in names if (tensor := getattr(outputs, name, None)) is not None)
