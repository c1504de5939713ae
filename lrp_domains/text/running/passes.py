"""Forward passes of rows through the model: their tensors, their scores, and what is read of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from ...domain import Read
from ..errors import TextError, excerpt
from ..models.embedded import Embedded
from ..models.extra import batch_of
from ..models.kept_logits import INPUT, KeptLogits
from ..models.network import EXTRA
from ..models.text_model import TextModel
from ..tokens.padding import pad
from ..tokens.replacement import STAYS
from ..tokens.rows import Answer, Row


@dataclass(frozen=True)
class Run:
    """A forward pass of B rows, and the first column of each.

    ``kept`` are the columns that the model computed logits of; None if all.
    """

    read: Read[list[Tensor]]
    first: np.ndarray
    kept: KeptLogits | None = None


@dataclass(frozen=True)
class Passes:
    """Runs rows through a model."""

    model: TextModel

    def run(
        self,
        rows: Sequence[Row],
        side: str,
        embedded: Sequence[Tensor] = (),
        selecting: AbstractContextManager | None = None,
        sources: Sequence[Tensor] = (),
    ) -> Run:
        """Run one forward pass.

        With `embedded`, B x T per side of the model, these tokens are embedded in place of those that have a reference.
        In `selecting` the model chooses its experts, which a reference must share with the text. With `sources`, the
        model computes with these embeddings, and nothing else is recorded.
        """
        tensors, first = self.tensors(rows, side)
        kept = KeptLogits.of(rows, first) if self.model.network.keeps_logits else None
        if kept is not None:
            tensors[INPUT] = kept.tensor(self.model.network.device)
        if sources:
            outputs = self.model.network.outputs_from(tensors, sources)
            return Run(Read(outputs, tuple(sources), None), first, kept if kept and kept.are_of(outputs) else None)
        own = self.replaced(rows, side)[0] if embedded else ()
        in_place = [Embedded(*pair) for pair in zip(own, embedded, strict=True)]
        with torch.enable_grad():
            read = self.model.network.run(tensors, in_place, selecting)
        return Run(read, first, kept if kept is not None and kept.are_of(read.outputs) else None)

    def predict(self, rows: Sequence[Row], side: str) -> tuple[Any, np.ndarray]:
        """Return the model's outputs for rows, without a graph, and the first column of each row."""
        tensors, first = self.tensors(rows, side)
        return self.model.network.predict(tensors), first

    def scored(self, run: Run, rows: Sequence[Row], texts: Sequence[tuple[str, str]]) -> tuple[Tensor, list[Answer]]:
        """Compute the scores of rows, by their weights, and what the model predicts."""
        seen = (rows, run.first) if run.kept is None else run.kept.seen_by_head(rows, run.first)
        with torch.enable_grad():
            scores, answers = self.model.head.scores(run.read.outputs, *seen)
            scores = scores * torch.tensor([row.weight for row in rows]).to(scores)
        _check_finite(scores, texts)
        return scores, answers

    def decided(self, run: Run, rows: Sequence[Row]) -> list[Row]:
        """Return the rows of a run with what the model predicted as what is explained."""
        if run.kept is None:
            return self.model.head.decided(run.read.outputs, rows, run.first)
        decided = self.model.head.decided(run.read.outputs, *run.kept.seen_by_head(rows, run.first))
        subjects = [replace(new.subject, columns=row.subject.columns) for new, row in zip(decided, rows, strict=True)]
        return [replace(row, subject=subject) for row, subject in zip(rows, subjects, strict=True)]

    def of_tokens(self, sides: Sequence[np.ndarray], rows: Sequence[Row], first: np.ndarray) -> list[list[np.ndarray]]:
        """Return the relevance of each row's tokens from that of columns, per side of the model B x T."""
        if len(sides) != len(rows[0].tokens):
            raise TextError(
                f"the model used its embeddings on {len(sides)} sides, not {len(rows[0].tokens)}: name the modules "
                "that embed the encoder's and the decoder's tokens, such as embedding='*.embed_tokens'"
            )

        relevance = []
        for number, row in enumerate(rows):
            starts = [first[number], *[0] * (len(sides) - 1)]  # a decoder is padded on the right
            columns = zip(sides, starts, row.tokens, strict=True)
            relevance.append([side[number, start : start + len(tokens)] for side, start, tokens in columns])
        return relevance

    def replaced(self, rows: Sequence[Row], side: str) -> tuple[list[Tensor], list[Tensor]]:
        """Return the tokens that have a reference and those of the reference, per side B x T; `STAYS` elsewhere."""
        names = ("encoder", "decoder")[: len(rows[0].replaced)]
        inputs = [dict(zip(names, row.replaced, strict=True)) for row in rows]
        fill, device = dict.fromkeys(names, STAYS), self.model.network.device
        tensors, _ = pad(inputs, fill, side=side, device=device)
        return [tensors[name][..., 0] for name in names], [tensors[name][..., 1] for name in names]

    def tensors(
        self, rows: Sequence[Row], side: str, least: Mapping[str, int] = MappingProxyType({})
    ) -> tuple[dict[str, Tensor], np.ndarray]:
        """Return the model's inputs, of at least some numbers of columns, and the first column of each row."""
        vocabulary = self.model.network.vocabulary
        for row in rows if vocabulary is not None else ():
            if (largest := row.inputs["input_ids"].max()) >= vocabulary:
                raise TextError(
                    f"the tokenizer returned the token {largest}, but the model's embedding has {vocabulary} rows: the "
                    "tokenizer belongs to another model"
                )
            if (largest := max((tokens.max() for tokens in row.replaced), default=0)) >= vocabulary:
                raise TextError(
                    f"the reference has the token {largest}, but the model's embedding has {vocabulary} rows: pass "
                    "another reference"
                )
        inputs = [row.inputs for row in rows]
        tensors, first = pad(inputs, self.model.fill, side=side, device=self.model.network.device, least=least)
        if (extra := batch_of([row.extra for row in rows], self.model.network)) is not None:
            tensors[EXTRA] = extra
        return tensors, first


def _check_finite(scores: Tensor, texts: Sequence[tuple[str, str]]) -> None:
    """Raise if the score of a text, which has a name, is not finite."""
    for (name, text), score in zip(texts, scores.detach().double().cpu().tolist(), strict=True):
        if not np.isfinite(score):
            raise_not_finite(name, text, score)


def raise_not_finite(name: str, text: str, score: float) -> NoReturn:
    """Raise for a text, which has a name, whose score isn't finite."""
    raise TextError(
        f"{name}: the score of {excerpt(text)} is {score}: check the model's weights (NaN? overflow in half precision? "
        "try dtype=torch.float32)"
    )


def arrays(sides: Sequence[Tensor]) -> list[np.ndarray]:
    """Return the relevance of columns, per side of the model B x T, off the device."""
    return [side.cpu().numpy() for side in sides]
