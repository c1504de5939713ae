"""Texts as a model's tokenizer splits them: numbers for the model, and the place of each token in the text."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import excerpt
from .alignment import align
from .replacement import Replacement, joined, taken

ADDED = -1  # the part of a token that is not in the text: [CLS], </s>, ...


@dataclass(frozen=True)
class Encoding:
    """One text, or one pair of texts, as T tokens.

    Attributes
    ----------
    texts
        The text, or the texts of the pair.
    inputs
        The model's inputs by name, T numbers each.
    pieces
        The tokenizer's strings.
    spans
        Start and end of each token in its text, T x 2; None if the tokenizer doesn't report them and they can't be
        found.
    part
        Per token the number of its text, or `ADDED`.
    marks
        Special tokens such as [MASK] that are written in a text, as rows of the text's number, start and end.
    side
        Per token 0 (encoder) or 1 (decoder), for models that have both; else None.
    kept
        Per text the characters (start, end) that the model is given; None if all.
    starts
        The number of each text's first token, for texts that the model reads separately.
    replacement
        The tokens of a reference in the places of these; None without a reference.
    """

    texts: tuple[str, ...]
    inputs: dict[str, np.ndarray]
    pieces: tuple[str, ...]
    spans: np.ndarray | None
    part: np.ndarray
    marks: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.int64))
    side: np.ndarray | None = None
    kept: tuple[tuple[int, int], ...] | None = None
    starts: tuple[int, ...] = (0,)
    replacement: Replacement | None = None

    def __len__(self) -> int:
        return len(self.part)

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """The characters (start, end) of each text that the model is given."""
        return self.kept or tuple((0, len(text)) for text in self.texts)

    def take(self, tokens: np.ndarray) -> "Encoding":
        """Return the same texts with only some of the tokens, by number."""
        return replace(
            self,
            inputs={name: values[tokens] for name, values in self.inputs.items()},
            pieces=tuple(self.pieces[token] for token in tokens),
            spans=None if self.spans is None else self.spans[tokens],
            part=self.part[tokens],
            replacement=taken(self.replacement, tokens),
        )


def encode(tokenizer, items: Sequence[tuple[str, ...]]) -> list[Encoding]:
    """Split texts, or pairs of texts, with a tokenizer of transformers; special tokens are added, nothing is cut."""
    fast = getattr(tokenizer, "is_fast", False)
    encoding_of = _with_offsets if fast else _without_offsets
    options = {"add_special_tokens": True, "padding": False, "truncation": False, "verbose": False}

    encodings: list[Encoding | None] = [None] * len(items)
    # A tokenizer splits either texts or pairs in one call.
    for size in {len(item) for item in items}:
        numbers = [number for number, item in enumerate(items) if len(item) == size]
        columns = [list(column) for column in zip(*(items[number] for number in numbers), strict=True)]
        batch = tokenizer(*columns, return_offsets_mapping=fast, **options)
        for row, number in enumerate(numbers):
            encodings[number] = encoding_of(tokenizer, batch, row=row, texts=items[number])
    return encodings


def join(first: Encoding, second: Encoding) -> Encoding:
    """Return one encoding of two texts that the model reads separately, one after the other."""
    spans = None if first.spans is None or second.spans is None else np.concatenate([first.spans, second.spans])
    return Encoding(
        texts=first.texts + second.texts,
        inputs={name: np.concatenate([first.inputs[name], second.inputs[name]]) for name in first.inputs},
        pieces=first.pieces + second.pieces,
        spans=spans,
        part=np.r_[first.part, np.where(second.part == ADDED, ADDED, second.part + len(first.texts))],
        marks=np.concatenate([first.marks, second.marks + np.array([len(first.texts), 0, 0])]),
        kept=first.ranges + second.ranges,
        starts=(*first.starts, len(first)),
        replacement=joined(first.replacement, second.replacement),
    )


def _with_offsets(tokenizer, batch, *, row: int, texts: tuple[str, ...]) -> Encoding:
    """Return the encoding of one row of a batch, with the offsets that the tokenizer reports."""
    # Before an empty text, the token that only marks the beginning of a word is in no text.
    part = [ADDED if number is None or not texts[number] else number for number in batch.sequence_ids(row)]
    part = np.array(part, np.int64)
    spans = np.array(batch["offset_mapping"][row], np.int64).reshape(-1, 2)
    inputs = _inputs(batch, row)

    special = np.isin(inputs["input_ids"], special_ids(tokenizer)) & (part != ADDED) & (spans[:, 0] < spans[:, 1])
    marks = np.column_stack([part, spans])[special]
    return Encoding(texts, inputs, tuple(batch.tokens(row)), spans=spans, part=part, marks=marks)


def _without_offsets(tokenizer, batch, *, row: int, texts: tuple[str, ...]) -> Encoding:
    """Return the encoding of one row of a batch, its tokens found in the text; spans are None where they are not."""
    inputs = _inputs(batch, row)
    ids = inputs["input_ids"].tolist()
    pieces = tokenizer.convert_ids_to_tokens(ids)
    added = np.array(tokenizer.get_special_tokens_mask(ids, already_has_special_tokens=True), bool)

    # A special token between two others ends the first text of a pair.
    inside = np.flatnonzero(~added)
    in_second = len(texts) == 2 and len(inside) and np.cumsum(added) > added[: inside[0]].sum()
    part = np.where(added, ADDED, in_second)

    spans = np.zeros((len(ids), 2), np.int64)
    for number, text in enumerate(texts):
        tokens = np.flatnonzero(part == number)
        aligned = align(text, [pieces[token] for token in tokens])
        if aligned is None:
            warnings.warn(
                f"{type(tokenizer).__name__} reports no character offsets, and its tokens were not found in "
                f"{excerpt(text)}: relevance is computed for tokens, not for words",
                stacklevel=2,
            )
            return Encoding(texts, inputs, tuple(pieces), spans=None, part=part)
        spans[tokens] = aligned
    return Encoding(texts, inputs, tuple(pieces), spans=spans, part=part)


def _inputs(batch, row: int) -> dict[str, np.ndarray]:
    return {name: np.asarray(values[row]) for name, values in batch.items() if name != "offset_mapping"}


def special_ids(tokenizer) -> list[int]:
    """Return the special tokens that may be written in a text; the unknown token replaces text, so it isn't one."""
    return [number for number in tokenizer.all_special_ids if number != tokenizer.unk_token_id]
