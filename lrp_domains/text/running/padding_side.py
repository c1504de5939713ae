"""The side on which rows are padded: chosen by the user, or determined by trial."""

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ...domain import parameter_of
from ..errors import TextError
from ..tokens.padding import exact_side
from ..tokens.rows import Row
from .batches import Batch
from .document import Document
from .runner import Runner


class PaddingSide:
    """The side of padding of one model.

    Attributes
    ----------
    side
        ``"right"``, ``"left"``, or None if relevance changes with padding on either side.
    is_known
        Whether it was chosen, or has been found.
    """

    def __init__(self, runner: Runner) -> None:
        # Padding is tried on texts without a reference: one like the text would have no relevance to compare.
        settings = runner.settings
        rules = None if settings.rival is not None or settings.reads_reference else settings.rules
        self._runner = Runner(runner.model, replace(settings, rules=rules, reference=None, compile=False))
        self.side: str | None = runner.settings.padding or "right"
        self.is_known = runner.settings.padding is not None

    def find(self, batches: Sequence[Batch]) -> str | None:
        """Return the side on which to pad these batches, by trial unless it is known; warn if there is none."""
        pair = None if self.is_known else _shortest_and_longest(batches)
        if pair is None:
            return self.side

        side = self._try(*pair)
        # Rows of one length show whether the model takes batches, but not which side is right.
        if side is None or len(pair[0][1]) < len(pair[1][1]):
            self.side, self.is_known = side, True
        if side is None:
            self._report()
        return side

    def _try(self, *pair: tuple[Document, Row]) -> str | None:
        first, second = (self._runner.model.head.trial(replace(row, replaced=())) for _, row in pair)
        texts = [(document.name, document.encoding.texts[0]) for document, _ in pair]
        texts = [texts[0]] * len(first) + [texts[1]] * len(second)

        def explained(beside: bool, side: str) -> np.ndarray:
            rows = [*first, *(second if beside else [])]
            relevance = self._runner.explained(rows, side, texts[: len(rows)]).relevance[: len(first)]
            return np.concatenate([amounts for row in relevance for amounts in row])

        precise = parameter_of(self._runner.model.network.module).dtype in (torch.float32, torch.float64)
        return exact_side(explained, 1e-3 if precise else 0.1)

    def _report(self) -> None:
        if self._runner.model.head.apart:
            raise TextError(
                "relevance changes with padding in this model, so texts of different lengths can't be compared in one "
                "pass; if you know better, pass padding='right' or 'left'"
            )
        warnings.warn(
            "relevance changes with padding in this model, or it can't be padded (no padding token?): texts are "
            "explained one by one, which is slower; padding='right' or 'left' overrides this",
            stacklevel=2,
        )


def _shortest_and_longest(batches: Sequence[Batch]) -> tuple[tuple[Document, Row], ...] | None:
    """Return two rows of one batch, of different length if there are such; None if no batch has two rows."""
    ordered = [sorted(batch, key=lambda pair: len(pair[1])) for batch in batches if len(batch) > 1]
    pairs = [(batch[0], batch[-1]) for batch in ordered]
    return max(pairs, key=lambda pair: len(pair[0][1]) < len(pair[1][1]), default=None)
