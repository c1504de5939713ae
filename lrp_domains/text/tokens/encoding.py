"""Texts as a model's tokenizer splits them: numbers for the model, and the place of each token in the text."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import excerpt
from .alignment import align
from .replacement import Replacement, joined, taken
from .special_tokens import has_special_tokens, parts_of, special_ids, unknown_note, unknown_tokens

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
    special
        Per token whether it is a special token, such as [MASK], that is written in a text.
    side
        Per token 0 (encoder) or 1 (decoder), for models that have both; else None.
    kept
        Per text the characters (start, end) that the model is given; None if all.
    starts
        The number of each text's first token, for texts that the model reads separately.
    replacement
        The tokens of a reference in the places of these; None without a reference.
    framed
        Whether the tokenizer was asked to add its special tokens.
    notes
        What the user should know, such as what is unknown to the model.
    """

    texts: tuple[str, ...]
    inputs: dict[str, np.ndarray]
    pieces: tuple[str, ...]
    spans: np.ndarray | None
    part: np.ndarray
    special: np.ndarray
    side: np.ndarray | None = None
    kept: tuple[tuple[int, int], ...] | None = None
    starts: tuple[int, ...] = (0,)
    replacement: Replacement | None = None
    framed: bool = True
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.part)

    def written(self, token: int) -> str:
        """Return what a token of a text is written as there, where places are known."""
        return self.texts[self.part[token]][slice(*self.spans[token])].strip()

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
            special=self.special[tokens],
            side=None if self.side is None else self.side[tokens],
            replacement=taken(self.replacement, tokens),
        )


def encode(
    tokenizer,
    items: Sequence[tuple[str, ...]],
    add_special_tokens: bool | Sequence[bool | None] | None = None,
    *,
    answers: bool = False,
) -> list[Encoding]:
    """Split texts, or pairs of texts, with a tokenizer of transformers; nothing is cut.

    Parameters
    ----------
    tokenizer
        The tokenizer.
    items
        Texts as tuples of one, pairs as tuples of two.
    add_special_tokens
        Whether the tokenizer adds its special tokens, for all items or one per item. None: unless a text already has
        them (see `has_special_tokens`).
    answers
        Whether the texts are what an encoder-decoder answers: some tokenizers split these differently.
    """
    fast = getattr(tokenizer, "is_fast", False)
    single = add_special_tokens is None or isinstance(add_special_tokens, bool)
    wishes = [add_special_tokens] * len(items) if single else list(add_special_tokens)
    framed = [_is_framed(tokenizer, *pair) for pair in zip(items, wishes, strict=True)]

    special, encodings = special_ids(tokenizer), [None] * len(items)
    # A tokenizer splits either texts or pairs in one call, with or without special tokens.
    for size, frame in {(len(item), frame) for item, frame in zip(items, framed, strict=True)}:
        numbers = [n for n, item in enumerate(items) if (len(item), framed[n]) == (size, frame)]
        columns = [list(column) for column in zip(*(items[number] for number in numbers), strict=True)]
        options = {"add_special_tokens": frame, "padding": False, "truncation": False, "verbose": False}
        options |= {"text_target": columns[0]} if answers else dict(zip(("text", "text_pair"), columns, strict=False))
        batch = tokenizer(return_offsets_mapping=fast, **options)
        for row, number in enumerate(numbers):
            if fast:
                encoding = _with_offsets(tokenizer, batch, row=row, texts=items[number])
            else:
                encoding = _without_offsets(tokenizer, batch, row=row, texts=items[number], framed=frame)
            unknown = unknown_tokens(tokenizer, encoding)
            is_special = np.isin(encoding.inputs["input_ids"], special) & (encoding.part != ADDED)
            is_special[unknown] = False  # what the unknown token replaces is text, also where it has other roles
            notes = unknown_note(encoding, unknown)
            if not frame and wishes[number] is not False:
                notes.insert(0, _AS_IT_IS.format(encoding.pieces[int(is_special.argmax())]))
            encodings[number] = replace(encoding, special=is_special, framed=frame, notes=tuple(notes))
    return encodings


_AS_IT_IS = "the text has special tokens ({} ...), so the tokenizer added none; add_special_tokens=True overrides this"


def _is_framed(tokenizer, item: tuple[str, ...], wish: bool | None) -> bool:
    """Return whether special tokens are added to a text or pair; the halves of a pair require them."""
    return wish if wish is not None else len(item) > 1 or not has_special_tokens(tokenizer, item[0])


def join(first: Encoding, second: Encoding) -> Encoding:
    """Return one encoding of two texts that the model reads separately, one after the other."""
    spans = None if first.spans is None or second.spans is None else np.concatenate([first.spans, second.spans])
    return Encoding(
        texts=first.texts + second.texts,
        inputs={name: np.concatenate([first.inputs[name], second.inputs[name]]) for name in first.inputs},
        pieces=first.pieces + second.pieces,
        spans=spans,
        part=np.r_[first.part, np.where(second.part == ADDED, ADDED, second.part + len(first.texts))],
        special=np.concatenate([first.special, second.special]),
        kept=first.ranges + second.ranges,
        starts=(*first.starts, len(first)),
        replacement=joined([first.replacement, second.replacement]),
        framed=first.framed,
        notes=first.notes + second.notes,
    )


def _with_offsets(tokenizer, batch, *, row: int, texts: tuple[str, ...]) -> Encoding:
    """Return the encoding of one row of a batch, with the offsets that the tokenizer reports."""
    # Before an empty text, the token that only marks the beginning of a word is in no text.
    part = [ADDED if number is None or not texts[number] else number for number in batch.sequence_ids(row)]
    part = np.array(part, np.int64)
    spans = np.array(batch["offset_mapping"][row], np.int64).reshape(-1, 2)
    inputs = _inputs(batch, row)

    return Encoding(texts, inputs, tuple(batch.tokens(row)), spans=spans, part=part, special=np.zeros(len(part), bool))


def _without_offsets(tokenizer, batch, *, row: int, texts: tuple[str, ...], framed: bool) -> Encoding:
    """Return the encoding of one row of a batch, its tokens found in the text; spans are None where they are not."""
    inputs = _inputs(batch, row)
    ids = inputs["input_ids"].tolist()
    pieces = tokenizer.convert_ids_to_tokens(ids)
    part = parts_of(tokenizer, ids, texts, framed=framed)

    spans, special = np.zeros((len(ids), 2), np.int64), np.zeros(len(ids), bool)
    for number, text in enumerate(texts):
        tokens = np.flatnonzero(part == number)
        # Before they are looked up, unknown tokens are still parts of the text.
        surface = tokenizer.tokenize(text)
        surface = surface if len(surface) == len(tokens) else [pieces[token] for token in tokens]
        is_unknown = [ids[token] == tokenizer.unk_token_id for token in tokens]
        unknown = [lacks and piece == tokenizer.unk_token for lacks, piece in zip(is_unknown, surface, strict=True)]
        aligned = align(text, surface, unknown)
        if aligned is None:
            warnings.warn(
                f"{type(tokenizer).__name__} reports no character offsets, and its tokens were not found in "
                f"{excerpt(text)}: relevance is computed for tokens, not for words",
                stacklevel=2,
            )
            return Encoding(texts, inputs, tuple(pieces), spans=None, part=part, special=special)
        spans[tokens] = aligned
    return Encoding(texts, inputs, tuple(pieces), spans=spans, part=part, special=special)


def _inputs(batch, row: int) -> dict[str, np.ndarray]:
    return {name: np.asarray(values[row]) for name, values in batch.items() if name != "offset_mapping"}
