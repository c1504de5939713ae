"""Batches of rows through the model and back: the relevance of every token of every row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import Ledger
from ..domain import Read, explain
from .document import Document
from .errors import TextError, excerpt
from .models.text_model import TextModel
from .settings import Settings
from .tokens.padding import pad
from .tokens.rows import Answer, Row

Batch = list[tuple[Document, Row]]  # rows that go through the model together, each with its text


def batches_of(documents: Sequence[Document], size: int, *, together: bool) -> Iterator[Batch]:
    """Yield the rows of documents in batches, sorted by length.

    Parameters
    ----------
    documents
        Texts.
    size
        The largest number of rows per batch, unless a single document has more that must be together.
    together
        Whether the two rows of a document, a pair that is compared, must be in one batch.
    """
    if together:
        units = [[(document, row) for row in document.rows] for document in documents]
    else:
        units = [[(document, row)] for document in documents for row in document.rows]
    units.sort(key=lambda unit: max(len(row) for _, row in unit))
    count = max(1, size // (2 if together else 1))
    for start in range(0, len(units), count):
        yield list(chain.from_iterable(units[start : start + count]))


@dataclass(frozen=True)
class Run:
    """A forward pass of B rows, their scores with the graph, what the model predicts, and the first column of each."""

    read: Read[list[np.ndarray]]
    scores: Tensor
    answers: list[Answer]
    first: np.ndarray


@dataclass(frozen=True)
class Runner:
    """Runs rows through a model, and explains their scores."""

    model: TextModel
    settings: Settings

    def explain(self, batch: Batch, side: str) -> Ledger:
        """Explain the rows of a batch, add each row's relevance to its document, and return the batch's ledger."""
        rows = [row for _, row in batch]
        run = self.run(rows, side)
        scores = run.scores.detach().double().cpu().tolist()
        for (document, _), score in zip(batch, scores, strict=True):
            if not np.isfinite(score):
                raise TextError(
                    f"the score of {excerpt(document.encoding.texts[0])} is {score}: check the model's weights (NaN? "
                    "overflow in half precision? try dtype=torch.float32)"
                )

        relevance, ledger = self.relevance(run, rows)
        for (document, row), amounts, score, answer in zip(batch, relevance, scores, run.answers, strict=True):
            document.add(row, amounts, score)
            if document.answer is None and row is document.rows[0]:
                document.answer = answer
        return ledger

    def run(self, rows: Sequence[Row], side: str) -> Run:
        """Run one forward pass, and compute the scores of its rows."""
        tensors, first = self._tensors(rows, side)
        with torch.enable_grad():
            read = self.model.network.run(tensors)
            scores, answers = self.model.head.scores(read.outputs, rows, first)
            scores = scores * torch.tensor([row.weight for row in rows]).to(scores)
        return Run(read, scores, answers=answers, first=first)

    def relevance(self, run: Run, rows: Sequence[Row]) -> tuple[list[list[np.ndarray]], Ledger]:
        """Return the relevance of each row's tokens, one array per side of the model, and the ledger of the batch."""
        options = {"rules": self.settings.rules, "unknown": self.settings.unknown}
        (sides,), ledger = explain(run.scores, [run.read], model=self.model.network.module, **options)
        if len(sides) != len(rows[0].tokens):
            raise TextError(
                f"the model used its embeddings on {len(sides)} sides, not {len(rows[0].tokens)}: name the modules "
                "that embed the encoder's and the decoder's tokens, such as embedding='*.embed_tokens'"
            )

        relevance = []
        for number, row in enumerate(rows):
            starts = [run.first[number], *[0] * (len(sides) - 1)]  # a decoder is padded on the right
            columns = zip(sides, starts, row.tokens, strict=True)
            relevance.append([side[number, start : start + len(tokens)] for side, start, tokens in columns])
        return relevance, ledger

    def predict(self, rows: Sequence[Row], side: str) -> Any:
        """Return the model's outputs for rows, without a graph."""
        return self.model.network.predict(self._tensors(rows, side)[0])

    def _tensors(self, rows: Sequence[Row], side: str) -> tuple[dict[str, Tensor], np.ndarray]:
        vocabulary = self.model.network.vocabulary
        for row in rows:
            if vocabulary is not None and (largest := row.inputs["input_ids"].max()) >= vocabulary:
                raise TextError(
                    f"the tokenizer returned the token {largest}, but the model's embedding has {vocabulary} rows: the "
                    "tokenizer belongs to another model"
                )
        inputs = [row.inputs for row in rows]
        return pad(inputs, self.model.fill, side=side, device=self.model.network.device)
