"""Batches of rows through the model and back: the relevance of every token of every row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor

from ... import Ledger
from ...domain import Read, Selections, explain, explain_against
from ..models.text_model import TextModel
from ..settings import Settings
from ..tokens.rows import Row, have_references
from .batches import Batch
from .compiled import CompiledBatches, NonFiniteScore
from .document import Document
from .explained import Explained
from .passes import Passes, Run, arrays, raise_not_finite
from .rival import explain_by_rival, of_odds


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
        run = self.passes.run(rows, side)
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
    def passes(self) -> Passes:
        """What runs rows through the model."""
        return Passes(self.model)

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
        tensors, first = self.passes.tensors(filled, side, self.compiled.columns(filled) if more_columns else {})
        try:
            sides, scores, answers, ledger = self.compiled.explain(filled, tensors, first)
        except NonFiniteScore as error:
            raise_not_finite(*texts[min(error.number, len(texts) - 1)], error.score)
        relevance, values = self.passes.of_tokens(sides, rows, first), scores.double().cpu().tolist()[: len(rows)]
        return Explained(relevance, values, [0.0] * len(rows), answers=answers[: len(rows)], ledger=ledger)

    def _explained_from(
        self, run: Run, rows: Sequence[Row], texts: Sequence[tuple[str, str]], *, retain_graph: bool
    ) -> Explained:
        """Return the relevance of rows after a forward pass, of these or of others that differ in what is explained."""
        scores, answers = self.passes.scored(run, rows, texts)
        options = {"rules": self.settings.rule_set(against_reference=False), "unknown": self.settings.unknown}
        options |= {"model": self.model.network.module, "retain_graph": retain_graph}
        (sides,), ledger = explain(scores, [run.read], **options)
        relevance = self.passes.of_tokens(arrays(sides), rows, run.first)
        values = scores.detach().double().cpu().tolist()
        return Explained(relevance, values, [0.0] * len(rows), answers=answers, ledger=ledger)

    def explained(self, rows: Sequence[Row], side: str, texts: Sequence[tuple[str, str]]) -> Explained:
        """Return the relevance of rows, all with a reference or none; `texts`, with names, are for messages."""
        if self.settings.rival is not None:
            return explain_by_rival(self.settings.rival, self.passes, rows, side, texts)
        if not have_references(rows):
            return self._explained_from(self.passes.run(rows, side), rows, texts, retain_graph=False)
        options = {"model": self.model.network.module, "unknown": self.settings.unknown}
        options["rules"] = self.settings.rule_set(against_reference=True)
        runs, scored, selections = [], [], Selections()

        def run(*embedded: Tensor) -> tuple[Tensor, list[Read]]:
            # What is explained is decided by the first run, of the texts themselves.
            held = rows if not runs else self.passes.decided(runs[0], rows)
            selecting = selections.repeated() if runs else selections.recorded()
            runs.append(self.passes.run(held, side, embedded, selecting))
            scored.append(self.passes.scored(runs[-1], held, texts))
            return scored[-1][0], [runs[-1].read]

        (sides,), ledger = explain_against(run, *self.passes.replaced(rows, side), **options)
        values = [scores.detach().double().cpu().tolist() for scores, _ in scored]
        relevance = self.passes.of_tokens(arrays(sides), rows, runs[0].first)
        return Explained(relevance, values[0], values[1], answers=scored[0][1], ledger=ledger)

    def scores(self, batch: Batch, side: str) -> list[float]:
        """Return the score of each row, by its weight, without a graph."""
        rows = [of_odds(row) for _, row in batch]
        texts = [(document.name, document.encoding.texts[0]) for document, _ in batch]
        outputs, first = self.passes.predict(rows, side)
        scores, _ = self.passes.scored(Run(Read(outputs, (), None), first), rows, texts)
        return scores.detach().double().cpu().tolist()


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
