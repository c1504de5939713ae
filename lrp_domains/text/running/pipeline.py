"""From texts to their relevance: batches of their rows, and back to words."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from ... import Ledger
from ...domain import Account, Clock, Progress, no_progress, refuse_training_mode
from ..arguments import Request
from ..heads.head import FirstPass
from ..heads.labels import asks_for_all
from ..models.text_model import TextModel
from ..results.relevance import TextRelevance, distance_of
from ..settings import Settings
from .batches import Batch, batches_of
from .document import Document
from .padding_side import PaddingSide
from .preparation import Preparation
from .residue import notes_on_residue
from .rows_at_once import RowsAtOnce
from .runner import Runner


class Pipeline:
    """Explains requests with one model.

    Attributes
    ----------
    model, settings
        The model and how to explain it.
    preparation
        Makes documents of requests.
    runner
        Runs batches.
    padding
        The side on which their rows are padded.
    rows_at_once
        How many rows a batch has.
    clock
        Where the time went.
    single
        The same in single precision, until a first batch was compared with it; None where there is nothing to compare.
    """

    single: Pipeline | None = None

    def __init__(self, model: TextModel, settings: Settings) -> None:
        self.model, self.settings = model, settings
        self.preparation = Preparation(model, settings)
        self.runner = Runner(model, settings)
        if settings.compile is not False and not self.runner.compiled.is_possible:
            warnings.warn(
                f"compile={settings.compile!r}: explanations of this model for {model.task} aren't compiled, but "
                "computed as usual",
                stacklevel=4,
            )
        self.padding = PaddingSide(self.runner)
        self.clock = Clock()
        self.rows_at_once = RowsAtOnce(self.runner)

    def explain(
        self,
        requests: Sequence[Request],
        *,
        first: int = 0,
        names: Sequence[str] | None = None,
        progress: Progress = no_progress,
    ) -> tuple[list[TextRelevance], Account]:
        """Explain texts.

        Parameters
        ----------
        requests
            The texts, each with what to explain.
        first
            The number of the first text, for messages.
        names
            The names of the texts for messages, such as the rows of a file; None for their numbers.
        progress
            Wraps the iteration over batches.

        Returns
        -------
        results
            Per text its relevance.
        account
            The sum of their ledgers.
        """
        refuse_training_mode(self.model.network.module)
        names = names or _numbered(requests, first)
        with self.clock("tokenizing"):
            documents = self.preparation.documents(requests, names)
        with self.clock("explaining"):
            results, account = self._explained(documents, progress)
            if self.single is not None:
                first = slice(self.rows_at_once.number)
                results = self._compared(results, requests[first], names[first])
        return results, account

    def _explained(self, documents: list[Document], progress: Progress) -> tuple[list[TextRelevance], Account]:
        """Return the relevance of documents, and the sum of their ledgers."""
        leaders = _leaders(documents)
        side = self.padding.find(self._batches(leaders, "right"))
        self.rows_at_once.find(leaders, side)
        documents = self._decided(documents, side)

        # The results of one text share a forward pass, and so a batch, where their rows are the same.
        leaders = _leaders(documents)
        account = Account()
        batches = progress(self._batches(leaders, side), "Explaining")
        options = {"side": side or "right", "more_columns": self.padding.is_known and side is not None}

        def explain(batch: Batch) -> list[Ledger]:
            return self.runner.explain(batch, most_rows=self.rows_at_once.number, **options)

        for batch, ledgers in self.rows_at_once.run(batches, explain):
            for number, ledger in enumerate(ledgers):
                account.add(ledger)
                self._note_residue(batch, number, ledger)
                # The leaves of a batch can't be split among its texts.
                if len(leaders) == 1:
                    leaders[0].family[number].account.add(ledger)

        parts = [self.model.head.parts(document.encoding) for document in documents]
        alone = len(leaders) == 1
        results = [d.result(names, self.settings, alone) for d, names in zip(documents, parts, strict=True)]
        return results, account

    def _compared(
        self, results: list[TextRelevance], requests: Sequence[Request], names: Sequence[str]
    ) -> list[TextRelevance]:
        """Return results in half precision, those of the first batch with their distance to single precision."""
        single, self.single = self.single, None
        expected, _ = single.explain(requests, names=names)
        distances = [distance_of(*pair) for pair in zip(results, expected, strict=False)]
        compared = [replace(result, fp32_distance=far) for result, far in zip(results, distances, strict=False)]
        return compared + results[len(compared) :]

    def _note_residue(self, batch: Batch, number: int, ledger: Ledger) -> None:
        """Note what a large residue of a batch contains at its documents, or at their twins of this number."""
        if self.settings.rival is not None:
            return
        for document, _ in batch:
            for member in document.family[number : number + 1]:
                rules = self.settings.rule_set(against_reference=member.reference is not None)
                member.in_residue.extend(notes_on_residue(ledger, rules))

    def scores(self, documents: Sequence[Document]) -> np.ndarray:
        """Return the scores of texts whose target is known, without explaining them."""
        side = self.padding.find(self._batches(documents, "right"))
        totals = dict.fromkeys(map(id, documents), 0.0)

        def scores(batch: Batch) -> list[float]:
            return self.runner.scores(batch, side or "right")

        for batch, of_rows in self.rows_at_once.run(self._batches(documents, side), scores):
            for (document, _), score in zip(batch, of_rows, strict=True):
                totals[id(document)] += score
        return np.array([totals[id(document)] for document in documents])

    def check(self, requests: Sequence[Request], names: Sequence[str]) -> None:
        """Raise what `explain` would raise for these texts before the model runs, without its warnings."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.preparation.documents(requests, names)

    def several(self, request: Request) -> bool:
        """Return whether a request asks for any number of results rather than for one."""
        return asks_for_all(request, self.model.head.labels_of(request))

    def _batches(self, documents: Sequence[Document], side: str | None) -> list[Batch]:
        """Return the rows of documents in batches; as small as they can be if none can be padded (side None)."""
        size = 1 if side is None else self.rows_at_once.number
        # Texts with and without a reference are explained by different rules.
        kinds = [[d for d in documents if (d.reference is None) is none] for none in (True, False)]
        return [batch for kind in kinds for batch in batches_of(kind, size)]

    def _decided(self, documents: Sequence[Document], side: str | None) -> list[Document]:
        """Return one document per result, after a first pass where that decides what is explained."""
        head = self.model.head
        undecided = [d for d in documents if isinstance(head, FirstPass) and head.undecided(d.rows)]
        leaders = _leaders(undecided)
        readings: dict[int, Tensor] = {}

        def predict(batch: Batch) -> tuple[Any, np.ndarray]:
            return self.runner.passes.predict([row for _, row in batch], side or "right")

        for batch, (outputs, first) in self.rows_at_once.run(self._batches(leaders, side), predict):
            rows = [row for _, row in batch]
            for row, values in zip(rows, head.readings(outputs, rows, first), strict=True):
                readings[id(row)] = values.detach().double().cpu()

        decided: dict[int, list[Document]] = {}
        for leader in leaders:
            values = [readings[id(row)] for row in leader.rows]
            decided |= {id(document): document.after(head, values) for document in leader.family}
        return [result for document in documents for result in decided.get(id(document), [document])]


def _numbered(requests: Sequence[Request], first: int) -> list[str]:
    return [f"text {number}" for number in range(first, first + len(requests))]


def _leaders(documents: Sequence[Document]) -> list[Document]:
    """Return the first document of each text; those after it whose rows have the same tokens become its twins."""
    leaders: list[Document] = []
    for document in documents:
        if leaders and document.is_twin_of(leaders[-1]):
            leaders[-1].twins.append(document)
        else:
            document.twins.clear()
            leaders.append(document)
    return leaders
