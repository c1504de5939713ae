"""The way of texts through a model: tokens, rows, batches, and back to words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from .arguments import item_of
from .batches import Batches
from .books import Books
from .document import Reading
from .errors import TextError
from .models.network import Network
from .results.relevance import TextRelevance
from .settings import Progress, Settings, quietly
from .tokens.encoding import Encoding, join
from .tokens.fitting import fit
from .tokens.rows import Row

Request = tuple[Any, Any, Any]  # a text or a pair, its target, its place


@dataclass(frozen=True)
class Reader:
    """Explains texts, some at a time.

    Attributes
    ----------
    network, head
        The model, and what it is for.
    settings
        How to explain.
    encode
        From texts, as tuples, and the number of the first to `Encoding` objects.
    longest
        The most tokens that the model reads at once, None if there is no limit.
    batches
        What runs the model.
    """

    network: Network
    head: Any
    settings: Settings
    encode: Callable[[Sequence[tuple[str, ...]], int], list[Encoding]]
    longest: int | None
    batches: Batches

    def explain(
        self, requests: Sequence[Request], first: int, books: Books, progress: Progress = quietly
    ) -> list[TextRelevance]:
        """Explain some texts, the first of which has this number."""
        items = [item_of(text, number) for number, (text, _, _) in enumerate(requests, first)]
        encodings = self._apart(items, first) if self.head.apart else [(one,) for one in self.encode(items, first)]
        readings = [
            self._reading(parts, target, at, number)
            for number, (parts, (_, target, at)) in enumerate(zip(encodings, requests, strict=True), first)
        ]
        if self.head.in_windows and (long := [reading for reading in readings if len(reading.rows) > 1]):
            self.batches.decide(long)
        own = Books()
        for batch in progress(list(self.batches.of(readings)), "Explaining"):
            self.batches.explain(batch, readings, own)
        if len(readings) == 1:
            readings[0].leaves, readings[0].residue = dict(own.leaves), own.residue
        books.add(own.leaves, own.residue)
        settings = self.settings
        return [one.tell(self.head.parts(one.encoding), settings.words, settings.rules.name) for one in readings]

    def fitted(self, encoding: Encoding, number: int) -> tuple[Encoding, list, tuple[str, ...]]:
        """A text that the model can read, its windows, and what the user should know."""
        return fit(encoding, self.longest, self.settings, self.head.in_windows, self.head.cut_side, number)

    def check_length(self, rows: Sequence[Row], number: int) -> None:
        """Refuse what has become too long by what a head put behind it."""
        tokens = max(len(row) for row in rows)
        if self.longest is not None and tokens > self.longest:
            raise TextError(
                f"text {number} and what continues it have {tokens} tokens, but the model reads {self.longest} at "
                "once: shorten one of them"
            )

    def _apart(self, items: Sequence[tuple[str, ...]], first: int) -> list[tuple[Encoding, ...]]:
        """The tokens of pairs whose texts the model reads one by one."""
        for number, item in enumerate(items, first):
            if len(item) != 2:
                raise TextError(f"text {number} is one text, but similarity is about two: give a tuple of two")
        halves = [self.encode([(item[half],) for item in items], first) for half in (0, 1)]
        return list(zip(*halves, strict=True))

    def _reading(self, parts: tuple[Encoding, ...], target: Any, at: Any, number: int) -> Reading:
        """One text made ready."""
        encodings, picks, notes = zip(*(self.fitted(one, number) for one in parts), strict=True)
        encoding = join(*encodings) if len(encodings) == 2 else encodings[0]
        try:
            encoding, rows = self.head.read(encoding, picks[0], target, at)
        except TextError as error:
            raise TextError(f"text {number}: {error}") from error
        self.check_length(rows, number)
        return Reading(encoding, rows, tuple(chain.from_iterable(notes)))
