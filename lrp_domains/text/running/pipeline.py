"""From texts to their relevance: tokens, rows, batches, and back to words."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from ... import Ledger
from ...domain import Account, Clock, Progress, no_progress, refuse_training_mode
from ..arguments import Reference, Request, checked_reference, is_chat
from ..chats import Written, written
from ..errors import TextError, about
from ..heads.head import FirstPass
from ..heads.labels import asks_for_all
from ..models.extra import check_extra
from ..models.text_model import TextModel
from ..results.relevance import TextRelevance, distance_of
from ..settings import SIDES, Settings
from ..tokens.encoding import Encoding
from ..tokens.lengths import Fitted, LengthLimit
from ..tokens.references import PLACEHOLDERS, name_of, with_ids, with_placeholders, with_text
from ..tokens.rows import Row
from .batches import Batch, batches_of
from .document import Document
from .padding_side import PaddingSide
from .residue import notes_on_residue
from .rows_at_once import RowsAtOnce
from .runner import Runner


class Pipeline:
    """Explains requests with one model.

    Attributes
    ----------
    model, settings
        The model and how to explain it.
    runner
        Runs batches.
    padding
        The side on which their rows are padded.
    limit
        How long texts may be.
    rows_at_once
        How many rows a batch has.
    clock
        Where the time went.
    single
        The same in single precision, until a first batch was compared with it; None where there is nothing to compare.
    """

    single: Pipeline | None = None

    def __init__(self, model: TextModel, settings: Settings) -> None:
        if settings.window is not None and model.longest is not None and settings.window > model.longest:
            raise TextError(f"window={settings.window}: the model reads at most {model.longest} tokens at once")
        long_part = model.head.long_part
        if settings.long_text is not None and (model.head.apart or long_part is not None):
            raise TextError(
                f"long_text={settings.long_text!r}: for {model.task} the text that may be cut is fixed; leave it out"
            )
        if settings.long_text is not None:
            long_part = SIDES.index(settings.long_text)
        self.model, self.settings = model, settings
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
        self.limit = LengthLimit(
            settings.window or model.longest,
            long=settings.long,
            stride=settings.stride if settings.stride is not None or model.head.overlaps else 0,
            in_windows=model.head.in_windows,
            cut_side=model.head.cut_side,
            part=long_part,
        )

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
            documents = self.documents(requests, names)
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
            self.documents(requests, names)

    def several(self, request: Request) -> bool:
        """Return whether a request asks for any number of results rather than for one."""
        return asks_for_all(request, self.model.head.labels_of(request))

    def written(self, request: Request) -> tuple[Request, Written]:
        """Return a request and its texts as the model reads them; a chat becomes a text."""
        add, continues = self.settings.add_special_tokens, self.model.head.continues
        item = written(request, self.model.tokenizer, add_special_tokens=add, continues=continues)
        return (replace(request, text=item.texts[0]) if is_chat(request.text) else request), item

    def encode(self, requests: Sequence[Request], add: Sequence[bool | None]) -> Iterator[tuple[Encoding, ...]]:
        """Yield the encodings of each request: of its text or pair, or of several that the model reads separately.

        `add` says of each whether special tokens are added; see `Settings`.
        """
        items = [self.model.head.items(request) for request in requests]
        added = [adds for parts, adds in zip(items, add, strict=True) for _ in parts]
        encodings = iter(self.model.encode([item for parts in items for item in parts], added))
        for parts in items:
            yield tuple(next(encodings) for _ in parts)

    def check_length(self, rows: Sequence[Row]) -> None:
        """Raise if rows became too long by what a head added to a text."""
        tokens, longest = max(len(row) for row in rows), self.model.longest
        if longest is not None and tokens > longest:
            raise TextError(
                f"with its continuation the text has {tokens} tokens, but the model reads {longest} at once: shorten "
                "one of them, or pass long='truncate'"
            )

    def documents(self, requests: Sequence[Request], names: Sequence[str]) -> list[Document]:
        """Return the texts of requests, which have names for messages, as they go through the model."""
        head, items, documents = self.model.head, [], []
        for name, request in zip(names, requests, strict=True):
            with about(name):
                items.append(self.written(request))
                head.items(items[-1][0])
                head.check_contrast(request)

        encodings = self.encode([request for request, _ in items], [item.add_special_tokens for _, item in items])
        for number, (name, (request, item)) in enumerate(zip(names, items, strict=True)):
            with about(name):
                reference = self._reference(request)
                halves = self._with_reference(next(encodings), reference, request)
                fitted = self._fitted(halves, request)
                for wish in head.wishes(request):
                    document = self._document(wish, fitted, reference)
                    documents.append(replace(document, number=number, name=name, written=item))
            for note in dict.fromkeys(half.note for half in fitted if half.was_cut):
                warnings.warn(f"{name}: {note}", stacklevel=2)
        return documents

    def _fitted(self, encodings: Sequence[Encoding], request: Request) -> list[Fitted]:
        """Return encodings that the model can read."""
        if self.limit.part is not None and len(encodings) > 1:
            return self.limit.fit_together(encodings)
        return [self.fit(encoding, request) for encoding in encodings]

    def fit(self, encoding: Encoding, request: Request) -> Fitted:
        """Return a text that the model can read; one that is cut leaves room for what the head adds to it."""
        room = self.model.head.room(encoding, request) if self.limit.long == "truncate" and len(encoding) else 0
        return self.limit.fit(encoding, room)

    def room_to_generate(self, longest: int) -> int:
        """Return for how many tokens a text that is cut leaves room, of those that are generated after it."""
        most = self.limit.most
        if most is None or self.limit.long != "truncate" or self.model.head.cut_side != "left":
            return 0
        return min(longest - 1, most // 2)

    def most_to_generate(self, source: Encoding, longest: int) -> int:
        """Return how many tokens the model can generate after a text, at most `longest`."""
        # The last token is not read. An answer is read by the decoder, apart from its source.
        if self.limit.most is None or self.model.head.cut_side != "left":
            return longest
        return max(1, min(longest, self.limit.most - len(source) + 1))

    def _reference(self, request: Request) -> Reference | None:
        """Return what a text is explained against; raise if the rule set doesn't fit."""
        reference = checked_reference(request.reference)
        reference = checked_reference(self.settings.reference) if reference is None else reference
        self.settings.rule_set(against_reference=reference is not None)
        return reference

    def _with_reference(
        self, encodings: Sequence[Encoding], reference: Reference | None, request: Request
    ) -> Sequence[Encoding]:
        """Return the encodings of a text, or of the halves of a pair, with the tokens of its reference."""
        special, head = self.model.special, self.model.head
        if reference is None:
            return encodings
        if isinstance(reference, str) and reference in PLACEHOLDERS:
            return head.held([with_placeholders(encoding, reference, special) for encoding in encodings])
        if not isinstance(reference, str) and not isinstance(reference[0], str):
            return head.held(with_ids(encodings, reference, special))

        # A reference is split as its text is.
        (others,) = self.encode([replace(request, text=head.in_place_of(request, reference))], [encodings[0].framed])
        return head.held([with_text(*halves) for halves in zip(encodings, others, strict=True)])

    def _document(self, request: Request, fitted: Sequence[Fitted], reference: Reference | None) -> Document:
        encoding, places = self.model.head.joined([half.encoding for half in fitted])
        by_window = zip(*(half.windows for half in fitted), strict=True)
        windows = [place[pick] for picks in by_window for place, pick in zip(places, picks, strict=True)]
        encoding, rows = self.model.head.rows(encoding, windows, request)
        self.check_length(rows)
        if request.extra is not None:
            check_extra(self.model.network, request.extra)
            rows = [replace(row, extra=request.extra) for row in rows]

        notes = list(dict.fromkeys(half.note for half in fitted if half.note))
        notes += encoding.notes
        name = None
        if encoding.replacement is not None:
            name = name_of(reference, self.model.special)
            numbers = encoding.replacement.numbers
            rows = [replace(row, replaced=tuple(numbers[tokens] for tokens in row.tokens)) for row in rows]
            if (numbers[:, 0] == numbers[:, 1]).all():
                notes.append("the reference has the same tokens as the text, so nothing differs")
        return Document(encoding, rows, tuple(notes), name)

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
