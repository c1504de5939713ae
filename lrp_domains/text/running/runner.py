"""Rows through the model and back: the relevance of every token of every row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from ... import Ledger
from ...domain import Read, Selections, explain, explain_against
from ...evaluation.rivals import Problem, Rival
from ..errors import TextError, excerpt
from ..models.embedded import Embedded
from ..models.extra import batch_of
from ..models.kept_logits import INPUT, KeptLogits
from ..models.network import EXTRA
from ..models.text_model import TextModel
from ..settings import Settings
from ..tokens.padding import pad
from ..tokens.replacement import STAYS
from ..tokens.rows import Answer, Row, have_references
from .batches import Batch
from .compiled import CompiledBatches, NonFiniteScore
from .document import Document


@dataclass(frozen=True)
class Run:
    """A forward pass of B rows, and the first column of each.

    ``kept`` are the columns that the model computed logits of; None if all.
    """

    read: Read[list[Tensor]]
    first: np.ndarray
    kept: KeptLogits | None = None


@dataclass(frozen=True)
class Explained:
    """B rows with their relevance: per row one array per side of the model, its score, and that of its reference."""

    relevance: list[list[np.ndarray]]
    scores: list[float]
    reference_scores: list[float]
    answers: list[Answer]
    ledger: Ledger


@dataclass(frozen=True)
class Runner:
    """Runs rows through a model, and explains their scores."""

    model: TextModel
    settings: Settings

    def explain(self, batch: Batch, side: str, *, most_rows: int, more_columns: bool = True) -> list[Ledger]:
        """Explain the rows of a batch and those of their documents' twins, and add the relevance to the documents.

        Where it is compiled, a batch may be filled up to ``most_rows``, and ``more_columns`` says whether rows may be
        padded beyond the longest one.

        Returns
        -------
        One ledger per backward pass, the first for the documents, the others for their twins, in order.
        """
        rows = [row for _, row in batch]
        texts = [(document.name, document.encoding.texts[0]) for document, _ in batch]
        if self.is_compiled and not have_references(rows):
            room = {"most_rows": most_rows, "more_columns": more_columns}
            return self._explain_family(batch, lambda rows, _: self._from_recording(rows, side, texts, **room))
        if self.settings.rival is not None:
            return self._explain_family(batch, lambda rows, _: self.explained(rows, side, texts))
        if not any(document.twins for document, _ in batch):
            explained = self.explained(rows, side, texts)
            _add(batch, explained)
            return [explained.ledger]

        # One forward pass, whose graph is kept until the last twin is explained.
        run = self.run(rows, side)
        return self._explain_family(
            batch, lambda rows, is_last: self._explained_from(run, rows, texts, retain_graph=not is_last)
        )

    def _explain_family(self, batch: Batch, explain: Callable[[list[Row], bool], Explained]) -> list[Ledger]:
        """Explain the rows of documents, then those of each twin, by a function that also learns which are the last."""
        count, results = max(len(document.family) for document, _ in batch), []
        for number in range(count):
            twins = [_twin(document, row, number) for document, row in batch]
            results.append((twins, explain([row for _, row in twins], number == count - 1)))
        # Only now, since memory may run out within the batch, which is then explained again.
        for twins, explained in results:
            _add([twin for twin in twins if twin[0] is not None], explained, [d is not None for d, _ in twins])
        return [explained.ledger for _, explained in results]

    @cached_property
    def is_compiled(self) -> bool:
        """Whether explanations without a reference are compiled."""
        return self.settings.compile is not False and self.compiled.is_possible

    @cached_property
    def compiled(self) -> CompiledBatches:
        """What explains batches from recordings."""
        return CompiledBatches(self.model, self.settings)

    def _from_recording(
        self, rows: list[Row], side: str, texts: Sequence[tuple[str, str]], *, most_rows: int, more_columns: bool
    ) -> Explained:
        """Return the relevance of rows, from a recording."""
        filled = self.compiled.filled(rows, most_rows)
        tensors, first = self._tensors(filled, side, self.compiled.columns(filled) if more_columns else {})
        try:
            sides, scores, answers, ledger = self.compiled.explain(filled, tensors, first)
        except NonFiniteScore as error:
            _raise_not_finite(*texts[min(error.number, len(texts) - 1)], error.score)
        relevance, values = self._of_tokens(sides, rows, first), scores.double().cpu().tolist()[: len(rows)]
        return Explained(relevance, values, [0.0] * len(rows), answers=answers[: len(rows)], ledger=ledger)

    def _explained_from(
        self, run: Run, rows: Sequence[Row], texts: Sequence[tuple[str, str]], *, retain_graph: bool
    ) -> Explained:
        """Return the relevance of rows after a forward pass, of these or of others that differ in what is explained."""
        scores, answers = self._scores(run, rows, texts)
        options = {"rules": self.settings.rule_set(against_reference=False), "unknown": self.settings.unknown}
        options |= {"model": self.model.network.module, "retain_graph": retain_graph}
        (sides,), ledger = explain(scores, [run.read], **options)
        relevance = self._of_tokens(_arrays(sides), rows, run.first)
        values = scores.detach().double().cpu().tolist()
        return Explained(relevance, values, [0.0] * len(rows), answers=answers, ledger=ledger)

    def explained(self, rows: Sequence[Row], side: str, texts: Sequence[tuple[str, str]]) -> Explained:
        """Return the relevance of rows, all with a reference or none; `texts`, with names, are for messages."""
        if self.settings.rival is not None:
            return self._by_rival(self.settings.rival, rows, side, texts)
        if not have_references(rows):
            return self._explained_from(self.run(rows, side), rows, texts, retain_graph=False)
        options = {"model": self.model.network.module, "unknown": self.settings.unknown}
        options["rules"] = self.settings.rule_set(against_reference=True)
        runs, scored, selections = [], [], Selections()

        def run(*embedded: Tensor) -> tuple[Tensor, list[Read]]:
            # What is explained is decided by the first run, of the texts themselves.
            held = rows if not runs else self._decided(runs[0], rows)
            selecting = selections.repeated() if runs else selections.recorded()
            runs.append(self.run(held, side, embedded, selecting))
            scored.append(self._scores(runs[-1], held, texts))
            return scored[-1][0], [runs[-1].read]

        (sides,), ledger = explain_against(run, *self._replaced(rows, side), **options)
        values = [scores.detach().double().cpu().tolist() for scores, _ in scored]
        relevance = self._of_tokens(_arrays(sides), rows, runs[0].first)
        return Explained(relevance, values[0], values[1], answers=scored[0][1], ledger=ledger)

    def _by_rival(self, rival: Rival, rows: Sequence[Row], side: str, texts: Sequence[tuple[str, str]]) -> Explained:
        """Return the relevance of rows by a rival, as `explained` does."""
        rows = [_of_odds(row) for row in rows]
        run = self.run(rows, side)
        scores, answers = self._scores(run, rows, texts)
        held = self._decided(run, rows)
        inputs = tuple(source.detach() for source in run.read.sources)
        references, of_reference = tuple(torch.zeros_like(x) for x in inputs), torch.zeros_like(scores)
        if any((tokens != STAYS).any() for row in rows for tokens in row.replaced):
            other = self.run(held, side, self._replaced(rows, side)[1])
            references, of_reference = other.read.sources, self._scores(other, held, texts)[0]

        def score(*embeddings: Tensor) -> Tensor:
            times = len(embeddings[0]) // len(inputs[0])
            return self._scores(self.run(held * times, side, sources=embeddings), held * times, texts * times)[0]

        asked = Problem(score, inputs, tuple(r.detach() for r in references), self.model.network.module)
        relevance = tuple(r.detach() for r in rival.relevance(asked))
        total, *sums = torch.stack([t.detach().double().sum() for t in (scores - of_reference, *relevance)]).tolist()
        account = Ledger(total, tuple(sums), {}, total - sum(sums), relevance, rival.name)
        values = [amounts.detach().double().cpu().tolist() for amounts in (scores, of_reference)]
        of_tokens = self._of_tokens(_arrays(run.read.per_unit(relevance)), rows, run.first)
        return Explained(of_tokens, *values, answers=answers, ledger=account)

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
        tensors, first = self._tensors(rows, side)
        kept = KeptLogits.of(rows, first) if self.model.network.keeps_logits else None
        if kept is not None:
            tensors[INPUT] = kept.tensor(self.model.network.device)
        if sources:
            outputs = self.model.network.outputs_from(tensors, sources)
            return Run(Read(outputs, tuple(sources), None), first, kept if kept and kept.are_of(outputs) else None)
        own = self._replaced(rows, side)[0] if embedded else ()
        in_place = [Embedded(*pair) for pair in zip(own, embedded, strict=True)]
        with torch.enable_grad():
            read = self.model.network.run(tensors, in_place, selecting)
        return Run(read, first, kept if kept is not None and kept.are_of(read.outputs) else None)

    def _scores(self, run: Run, rows: Sequence[Row], texts: Sequence[tuple[str, str]]) -> tuple[Tensor, list[Answer]]:
        """Compute the scores of rows, by their weights, and what the model predicts."""
        seen = (rows, run.first) if run.kept is None else run.kept.seen_by_head(rows, run.first)
        with torch.enable_grad():
            scores, answers = self.model.head.scores(run.read.outputs, *seen)
            scores = scores * torch.tensor([row.weight for row in rows]).to(scores)
        _check_finite(scores, texts)
        return scores, answers

    def _decided(self, run: Run, rows: Sequence[Row]) -> list[Row]:
        """Return the rows of a run with what the model predicted as what is explained."""
        if run.kept is None:
            return self.model.head.decided(run.read.outputs, rows, run.first)
        decided = self.model.head.decided(run.read.outputs, *run.kept.seen_by_head(rows, run.first))
        subjects = [replace(new.subject, columns=row.subject.columns) for new, row in zip(decided, rows, strict=True)]
        return [replace(row, subject=subject) for row, subject in zip(rows, subjects, strict=True)]

    def _of_tokens(self, sides: Sequence[np.ndarray], rows: Sequence[Row], first: np.ndarray) -> list[list[np.ndarray]]:
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

    def scores(self, batch: Batch, side: str) -> list[float]:
        """Return the score of each row, by its weight, without a graph."""
        rows = [_of_odds(row) for _, row in batch]
        texts = [(document.name, document.encoding.texts[0]) for document, _ in batch]
        outputs, first = self.predict(rows, side)
        scores, _ = self._scores(Run(Read(outputs, (), None), first), rows, texts)
        return scores.detach().double().cpu().tolist()

    def predict(self, rows: Sequence[Row], side: str) -> tuple[Any, np.ndarray]:
        """Return the model's outputs for rows, without a graph, and the first column of each row."""
        tensors, first = self._tensors(rows, side)
        return self.model.network.predict(tensors), first

    def _replaced(self, rows: Sequence[Row], side: str) -> tuple[list[Tensor], list[Tensor]]:
        """Return the tokens that have a reference and those of the reference, per side B x T; `STAYS` elsewhere."""
        names = ("encoder", "decoder")[: len(rows[0].replaced)]
        inputs = [dict(zip(names, row.replaced, strict=True)) for row in rows]
        fill, device = dict.fromkeys(names, STAYS), self.model.network.device
        tensors, _ = pad(inputs, fill, side=side, device=device)
        return [tensors[name][..., 0] for name in names], [tensors[name][..., 1] for name in names]

    def _tensors(
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


def _of_odds(row: Row) -> Row:
    """Return a row whose score is the log-odds themselves, as those of rows with a reference are.

    That of other rows exceeds them by an entropy, which rules can't account for.
    """
    return row if row.replaced else replace(row, replaced=tuple(np.full((len(t), 2), STAYS) for t in row.tokens))


def _twin(document: Document, row: Row, number: int) -> tuple[Document | None, Row]:
    """Return a twin of a document with its row in the place of `row`; no document and a weight of 0 if it has none."""
    if number >= len(document.family):
        return None, replace(row, weight=0.0)
    twin = document.family[number]
    return twin, twin.rows[next(place for place, other in enumerate(document.rows) if other is row)]


def _add(batch: Batch, explained: Explained, taken: Sequence[bool] | None = None) -> None:
    """Add the relevance of a batch's rows to their documents; `taken` marks which of the explained rows they are."""
    fields = zip(explained.relevance, explained.scores, explained.reference_scores, explained.answers, strict=True)
    chosen = [values for number, values in enumerate(fields) if taken is None or taken[number]]
    for (document, row), (amounts, score, reference_score, answer) in zip(batch, chosen, strict=True):
        document.add(row, amounts, score, reference_score)
        if document.answer is None and row is document.rows[0]:
            document.answer = answer


def _check_finite(scores: Tensor, texts: Sequence[tuple[str, str]]) -> None:
    """Raise if the score of a text, which has a name, is not finite."""
    for (name, text), score in zip(texts, scores.detach().double().cpu().tolist(), strict=True):
        if not np.isfinite(score):
            _raise_not_finite(name, text, score)


def _raise_not_finite(name: str, text: str, score: float) -> NoReturn:
    raise TextError(
        f"{name}: the score of {excerpt(text)} is {score}: check the model's weights (NaN? overflow in half precision? "
        "try dtype=torch.float32)"
    )


def _arrays(sides: Sequence[Tensor]) -> list[np.ndarray]:
    return [side.cpu().numpy() for side in sides]
