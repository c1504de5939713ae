"""From requests to the rows that the model reads: tokens, references, lengths."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..arguments import Reference, Request, checked_reference, is_chat
from ..chats import Written, written
from ..errors import TextError, about
from ..models.extra import check_extra
from ..models.text_model import TextModel
from ..settings import SIDES, Settings
from ..tokens.encoding import Encoding
from ..tokens.lengths import Fitted, LengthLimit
from ..tokens.references import PLACEHOLDERS, name_of, with_ids, with_placeholders, with_text
from ..tokens.rows import Row
from .document import Document


class Preparation:
    """Prepares requests for one model.

    Attributes
    ----------
    model, settings
        The model and how to explain it.
    limit
        How long texts may be.
    """

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
        self.limit = LengthLimit(
            settings.window or model.longest,
            long=settings.long,
            stride=settings.stride if settings.stride is not None or model.head.overlaps else 0,
            in_windows=model.head.in_windows,
            cut_side=model.head.cut_side,
            part=long_part,
        )

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
