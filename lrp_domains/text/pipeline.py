"""From texts to their relevance: tokens, rows, batches, and back to words."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from torch import Tensor

from ..domain import Account, Progress, no_progress, refuse_training_mode
from .arguments import Reference, Request, checked_reference
from .batches import Batch, Runner, batches_of
from .chats import Written, written
from .document import Document
from .errors import TextError, about
from .models.extra import check_extra
from .models.text_model import TextModel
from .padding_side import PaddingSide
from .results.relevance import TextRelevance
from .settings import Settings
from .tokens.encoding import Encoding, join
from .tokens.lengths import Fitted, LengthLimit
from .tokens.references import PLACEHOLDERS, name_of, with_ids, with_placeholders, with_text
from .tokens.rows import Row


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
    """

    def __init__(self, model: TextModel, settings: Settings) -> None:
        if settings.window is not None and model.longest is not None and settings.window > model.longest:
            raise TextError(f"window={settings.window}: the model reads at most {model.longest} tokens at once")
        self.model, self.settings = model, settings
        self.runner = Runner(model, settings)
        self.padding = PaddingSide(self.runner)
        self.limit = LengthLimit(
            settings.window or model.longest,
            long=settings.long,
            stride=settings.stride,
            in_windows=model.head.in_windows,
            cut_side=model.head.cut_side,
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
        documents = self._documents(requests, names or _numbered(requests, first))
        side = self.padding.find(self._batches(documents, "right"))

        # All windows of a text explain the same label, which their mean logits predict.
        long = [document for document in documents if self.model.head.in_windows and len(document.rows) > 1]
        if long:
            self._choose_labels(long, side)

        account = Account()
        for batch in progress(self._batches(documents, side), "Explaining"):
            account.add(self.runner.explain(batch, side or "right"))

        # The leaves of a batch can't be split among its texts.
        alone = account if len(documents) == 1 else None
        parts = [self.model.head.parts(document.encoding) for document in documents]
        results = [d.result(names, self.settings, alone) for d, names in zip(documents, parts, strict=True)]
        return results, account

    def check(self, requests: Sequence[Request], names: Sequence[str]) -> None:
        """Raise what `explain` would raise for these texts before the model runs, without its warnings."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._documents(requests, names)

    def write(self, request: Request) -> Written:
        """Return the texts of a request as the model reads them."""
        add, continues = self.settings.add_special_tokens, self.model.head.continues
        return written(request, self.model.tokenizer, add_special_tokens=add, continues=continues)

    def encode(self, items: Sequence[Written]) -> Iterator[tuple[Encoding, ...]]:
        """Yield the encoding of each text or pair, or of each half of a pair that the model reads separately."""
        if self.model.head.apart:
            halves = [((text,), item.add_special_tokens) for item in items for text in item.texts]
            encodings = iter(self.model.encode(*(zip(*halves, strict=True) if halves else ((), ()))))
            for item in items:
                yield tuple(next(encodings) for _ in item.texts)
        else:
            for encoding in self.model.encode([i.texts for i in items], [i.add_special_tokens for i in items]):
                yield (encoding,)

    def check_length(self, rows: Sequence[Row]) -> None:
        """Raise if rows became too long by what a head added to a text."""
        tokens, longest = max(len(row) for row in rows), self.model.longest
        if longest is not None and tokens > longest:
            raise TextError(
                f"with its continuation the text has {tokens} tokens, but the model reads {longest} at once: shorten "
                "one of them, or pass long='truncate'"
            )

    def _documents(self, requests: Sequence[Request], names: Sequence[str]) -> list[Document]:
        documents, items = [], []
        for name, request in zip(names, requests, strict=True):
            with about(name):
                items.append(self.write(request))
        encodings = self.encode(items)
        for name, request, item in zip(names, requests, items, strict=True):
            with about(name):
                reference = self._reference(request)
                halves = self._with_reference(next(encodings), reference)
                fitted = [self.fit(encoding, request) for encoding in halves]
                documents.append(replace(self._document(request, fitted, reference), name=name, written=item))
            for note in (half.note for half in fitted if half.was_cut):
                warnings.warn(f"{name}: {note}", stacklevel=2)
        return documents

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

    def _with_reference(self, encodings: Sequence[Encoding], reference: Reference | None) -> Sequence[Encoding]:
        """Return the encodings of a text, or of the halves of a pair, with the tokens of its reference."""
        special = self.model.special
        if reference is None:
            return encodings
        if isinstance(reference, str) and reference in PLACEHOLDERS:
            return [with_placeholders(encoding, reference, special) for encoding in encodings]
        if not isinstance(reference, str) and not isinstance(reference[0], str):
            return with_ids(encodings, reference, special)

        texts = (reference,) if isinstance(reference, str) else reference
        if len(texts) != sum(len(encoding.texts) for encoding in encodings):
            raise TextError(f"reference={reference!r}: a text has a text as reference, a pair a tuple of two")
        # A reference is split as its text is.
        (others,) = self.encode([Written(tuple(texts), encodings[0].framed)])
        return [with_text(*halves) for halves in zip(encodings, others, strict=True)]

    def _document(self, request: Request, fitted: Sequence[Fitted], reference: Reference | None) -> Document:
        encoding = fitted[0].encoding
        if self.model.head.apart:
            if len(fitted) != 2:
                raise TextError("similarity requires two texts: pass a tuple of two")
            encoding = join(encoding, fitted[1].encoding)
        encoding, rows = self.model.head.rows(encoding, fitted[0].windows, request)
        self.check_length(rows)
        if request.extra is not None:
            check_extra(self.model.network, request.extra)
            rows = [replace(row, extra=request.extra) for row in rows]

        name, notes = None, [half.note for half in fitted if half.note] + list(encoding.notes)
        if encoding.replacement is not None:
            name = name_of(reference, self.model.special)
            numbers = encoding.replacement.numbers
            rows = [replace(row, replaced=tuple(numbers[tokens] for tokens in row.tokens)) for row in rows]
            if (numbers[:, 0] == numbers[:, 1]).all():
                notes.append("the reference has the same tokens as the text, so nothing differs")
        return Document(encoding, rows, tuple(notes), name)

    def _batches(self, documents: Sequence[Document], side: str | None) -> list[Batch]:
        """Return the rows of documents in batches; as small as they can be if none can be padded (side None)."""
        size = 1 if side is None else self.settings.batch_size
        # Texts with and without a reference are explained by different rules.
        kinds = [[d for d in documents if (d.reference is None) is none] for none in (True, False)]
        return [batch for kind in kinds for batch in batches_of(kind, size, together=self.model.head.apart)]

    def _choose_labels(self, documents: Sequence[Document], side: str | None) -> None:
        """Make all rows of each document explain the label that the mean of their logits predicts."""
        head = self.model.head
        logits: defaultdict[int, Tensor | float] = defaultdict(float)
        for batch in self._batches(documents, side):
            rows = [row for _, row in batch]
            outputs = self.runner.predict(rows, side or "right")
            for (document, row), values in zip(batch, head.logits(outputs, rows).double().cpu(), strict=True):
                logits[id(document)] += row.weight * values

        for document in documents:
            subject, document.answer = head.choose(logits[id(document)], document.rows[0].subject)
            document.rows = [replace(row, subject=subject) for row in document.rows]


def _numbered(requests: Sequence[Request], first: int) -> list[str]:
    return [f"text {number}" for number in range(first, first + len(requests))]
