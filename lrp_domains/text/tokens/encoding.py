"""Texts as a model's tokenizer cuts them: numbers for the model, and where each token stands in the text."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import TextError, excerpt
from .alignment import align

_SURROGATE = re.compile("[\ud800-\udfff]")
ADDED = -1  # the part of a token that stands in no text: [CLS], </s>, ...


@dataclass(frozen=True)
class Encoding:
    """One text, or one pair of texts, cut into T tokens.

    Attributes
    ----------
    texts
        The text, or the texts of the pair.
    inputs
        What the model is given, by name, T numbers each.
    pieces
        The tokenizer's own strings.
    spans
        Start and end of each token in its text, T x 2; None where the tokenizer doesn't tell and none could be found.
    part
        For each token the number of its text, or `ADDED`.
    marks
        Where texts hold a special token such as [MASK], as rows of the text's number, start and end.
    side
        For each token 0 (encoder) or 1 (decoder), where the model is given both; else None.
    read
        For each text the characters, from and to, that the model was given; None if all.
    starts
        The number of the first token of each text, for texts that the model reads apart.
    """

    texts: tuple[str, ...]
    inputs: dict[str, np.ndarray]
    pieces: tuple[str, ...]
    spans: np.ndarray | None
    part: np.ndarray
    marks: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.int64))
    side: np.ndarray | None = None
    read: tuple[tuple[int, int], ...] | None = None
    starts: tuple[int, ...] = (0,)

    def __len__(self) -> int:
        return len(self.part)


def encode(tokenizer, items: Sequence[tuple[str, ...]], first: int = 0) -> list[Encoding]:
    """Cut texts, or pairs of texts, with a tokenizer of transformers; special tokens are added, nothing is cut off.

    ``first`` is the number of the first text, for messages.
    """
    check_characters(items, first)
    found: list[Encoding | None] = [None] * len(items)
    for parts in {len(item) for item in items}:
        rows = [i for i, item in enumerate(items) if len(item) == parts]
        columns = [list(column) for column in zip(*(items[i] for i in rows), strict=True)]
        options = {"add_special_tokens": True, "padding": False, "truncation": False, "verbose": False}
        fast = getattr(tokenizer, "is_fast", False)
        batch = tokenizer(*columns, return_offsets_mapping=fast, **options)
        read = _with_offsets if fast else _without_offsets
        for number, i in enumerate(rows):
            found[i] = read(tokenizer, batch, number, items[i])
    return found


def join(first: Encoding, second: Encoding) -> Encoding:
    """Put two texts that the model reads apart into one account, one after the other."""
    spans = None if first.spans is None or second.spans is None else np.concatenate([first.spans, second.spans])
    whole = [one.read or ((0, len(one.texts[0])),) for one in (first, second)]
    return Encoding(
        texts=first.texts + second.texts,
        inputs={name: np.concatenate([first.inputs[name], second.inputs[name]]) for name in first.inputs},
        pieces=first.pieces + second.pieces,
        spans=spans,
        part=np.r_[first.part, np.where(second.part == ADDED, ADDED, 1)],
        marks=np.concatenate([first.marks, second.marks + np.array([1, 0, 0])]),
        read=whole[0] + whole[1],
        starts=(0, len(first)),
    )


def _with_offsets(tokenizer, batch, number: int, texts: tuple[str, ...]) -> Encoding:
    # A mark of a word's beginning before an empty text stands in no text.
    part = np.array([ADDED if p is None or not texts[p] else p for p in batch.sequence_ids(number)], np.int64)
    spans = np.array(batch["offset_mapping"][number], np.int64).reshape(-1, 2)
    inputs = _inputs(batch, number)
    special = np.isin(inputs["input_ids"], _special_ids(tokenizer)) & (part != ADDED) & (spans[:, 0] < spans[:, 1])
    marks = np.column_stack([part, spans])[special]
    return Encoding(texts, inputs, tuple(batch.tokens(number)), spans, part, marks)


def _without_offsets(tokenizer, batch, number: int, texts: tuple[str, ...]) -> Encoding:
    inputs = _inputs(batch, number)
    ids = inputs["input_ids"].tolist()
    pieces = tokenizer.convert_ids_to_tokens(ids)
    added = np.array(tokenizer.get_special_tokens_mask(ids, already_has_special_tokens=True), bool)
    # A special token between two others ends the first text of a pair.
    inside = np.flatnonzero(~added)
    second = len(texts) == 2 and len(inside) and np.cumsum(added) > added[: inside[0]].sum()
    part = np.where(added, ADDED, second)
    spans = np.zeros((len(ids), 2), np.int64)
    for p, text in enumerate(texts):
        own = np.flatnonzero(part == p)
        aligned = align(text, [pieces[i] for i in own])
        if aligned is None:
            warnings.warn(
                f"{type(tokenizer).__name__} tells no character offsets, and its tokens were not found in "
                f"{excerpt(text)}: relevance is given for tokens, not for words",
                stacklevel=2,
            )
            return Encoding(texts, inputs, tuple(pieces), None, part)
        spans[own] = aligned
    return Encoding(texts, inputs, tuple(pieces), spans, part)


def _inputs(batch, number: int) -> dict[str, np.ndarray]:
    return {name: np.asarray(values[number]) for name, values in batch.items() if name != "offset_mapping"}


def _special_ids(tokenizer) -> list[int]:
    """The special tokens that stand for something; what stands for unknown text is none."""
    return [one for one in tokenizer.all_special_ids if one != tokenizer.unk_token_id]


def check_characters(items: Sequence[tuple[str, ...]], first: int) -> None:
    """Refuse half of a surrogate pair, which no tokenizer reads."""
    for number, item in enumerate(items, first):
        for text in item:
            if (found := _SURROGATE.search(text)) is not None:
                raise TextError(
                    f"text {number} ({text[:40]!a}) holds half of a surrogate pair at character {found.start()}, "
                    "which is no character: decode the text again with errors='replace'"
                )
