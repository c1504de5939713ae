"""Long texts: how many tokens a model reads, windows that slide over a longer text, or what is left if it is cut.

A window is a choice of a text's tokens, so everything known about a token (its numbers, its place in the text) stays
true in each window. All windows keep the tokens that the tokenizer added, and the other text of a pair.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from ..errors import TextError, excerpt
from .encoding import ADDED, Encoding

_NO_LIMIT = 10**9  # tokenizers without a limit report a number beyond this


@dataclass(frozen=True)
class Fitted:
    """A text that the model can read: its encoding, the tokens of each window, and what the user should know."""

    encoding: Encoding
    windows: list[np.ndarray]
    note: str | None = None
    was_cut: bool = False


@dataclass(frozen=True)
class LengthLimit:
    """How many tokens a text may have, and what happens to a longer one.

    Attributes
    ----------
    most
        The largest number of tokens per text or window; None for no limit.
    long
        ``"windows"``, ``"truncate"``, ``"error"``, or None: windows if the head allows, else an error.
    stride
        How many tokens neighbouring windows share; None for a third, at most 128.
    in_windows
        Whether the head can read windows.
    cut_side
        Which end may be cut off, ``"right"`` or ``"left"``.
    part
        Which text of a pair is cut or read in windows, by number; None for the longer one.
    """

    most: int | None
    long: str | None = None
    stride: int | None = 0
    in_windows: bool = False
    cut_side: str = "right"
    part: int | None = None

    def fit(self, encoding: Encoding, room: int = 0) -> Fitted:
        """Return a text unchanged if it fits, else in windows or cut; raise if neither is chosen.

        What is read at once leaves `room` for other tokens, such as those that continue a text that is cut.
        """
        if not len(encoding):
            raise TextError(
                f"{excerpt(encoding.texts[0])} has no tokens, as this tokenizer adds none: leave empty texts out"
            )
        if self.most is None or len(encoding) <= self.most - room:
            return Fitted(encoding, [np.arange(len(encoding))])

        long = self.long or ("windows" if self.in_windows else "error")
        if long == "windows" and self.in_windows:
            picks = windows(encoding, self.most - room, self.stride, self.part)
            return Fitted(encoding, picks, f"read in {len(picks)} windows of at most {self.most} tokens")
        if long == "truncate":
            if room and self.most - room <= (encoding.part == ADDED).sum():
                raise TextError(
                    f"the phrase to explain has {room + 1} tokens, which leaves no room for a text in the {self.most} "
                    "that the model reads at once: shorten it"
                )
            encoding, note = cut(encoding, self.most - room, self.cut_side, self.part)
            return Fitted(encoding, [np.arange(len(encoding))], note, was_cut=True)

        raise TextError(
            f"{_named(encoding)} {len(encoding)} tokens, but the model reads {self.most} at once: "
            f"{self._advice(encoding)}"
        )

    def _advice(self, encoding: Encoding) -> str:
        """Return what to do about a text that is too long: only values of `long` that would do."""
        slides = sliding_part(encoding, self.part)
        fixed = int((encoding.part != slides).sum())
        cuts_both = self.part is None and len(encoding.texts) > 1
        can_cut = self.most > (int((encoding.part == ADDED).sum()) if cuts_both else fixed)
        ways = ["long='windows'"] if self.in_windows and self.most > fixed else []
        ways += ["long='truncate'"] if can_cut else []
        if not ways and len(encoding.texts) > 1:
            return f"shorten {excerpt(encoding.texts[1 - slides])}"
        return "shorten it" + (f", or pass {' or '.join(ways)}" if ways else "")

    def fit_together(self, encodings: Sequence[Encoding]) -> list[Fitted]:
        """Return pairs that share a text, which is cut or split alike in all of them."""
        # The shared text gets the room that the longest pair leaves, which is the one that messages are about.
        longest = max(encodings, key=len)
        note = self.fit(longest).note
        fitted = [self.fit(encoding, room=len(longest) - len(encoding)) for encoding in encodings]
        return [replace(pair, note=note) for pair in fitted]


def longest(model: nn.Module, tokenizer) -> int | None:
    """Return the largest number of tokens that a model reads, added ones included, or None if no limit is known.

    Of an encoder-decoder, this is what the encoder reads.
    """
    names = ("max_encoder_position_embeddings", "max_position_embeddings", "n_positions")
    limits = [getattr(tokenizer, "model_max_length", None), _positions(model, "encoder", names)]
    limits = [limit for limit in limits if isinstance(limit, int) and 0 < limit < _NO_LIMIT]
    return min(limits, default=None)


def longest_answer(model: nn.Module) -> int | None:
    """Return the largest number of tokens that the decoder of an encoder-decoder reads, or None if there is no limit.

    T5's ``n_positions`` is not a limit, because its positions are relative.
    """
    return _positions(model, "decoder", ("max_decoder_position_embeddings", "max_position_embeddings"))


def _positions(model: nn.Module, side: str, names: Sequence[str]) -> int | None:
    """Return how many positions one side of a model has, by the first of some names that its configuration has."""
    config = getattr(model.config, side, None)  # a model made of two others has a configuration for each
    config = model.config if not hasattr(config, "to_dict") else config
    positions = next((number for name in names if (number := getattr(config, name, None))), None)
    if not isinstance(positions, int):
        return None
    for module in model.modules():
        # RoBERTa and its relatives count positions from after that of padding.
        if isinstance(module, nn.Embedding) and module.num_embeddings == positions and module.padding_idx is not None:
            return positions - module.padding_idx - 1
    return positions


def windows(encoding: Encoding, length: int, stride: int | None = 0, part: int | None = None) -> list[np.ndarray]:
    """Split a text into windows of at most `length` tokens.

    Parameters
    ----------
    encoding
        A text, or a pair, in which case windows slide over one of the two.
    length
        The largest number of tokens per window, added ones included.
    stride
        How many tokens neighbouring windows share (transformers' word for it); None for a third, at most 128.
    part
        The number of the text of a pair that windows slide over; None for the longer one.

    Returns
    -------
    Per window the numbers of its tokens, ascending.
    """
    if len(encoding) <= length:
        return [np.arange(len(encoding))]

    slides = encoding.part == sliding_part(encoding, part)
    sliding, fixed = np.flatnonzero(slides), np.flatnonzero(~slides)
    room = length - len(fixed)
    if room < 1:
        can_cut = part is None and length > (encoding.part == ADDED).sum()
        advice = ", or pass long='truncate'" if can_cut else ""
        raise TextError(
            f"a window of {length} tokens has no room for {excerpt(encoding.texts[sliding_part(encoding, part)])} in "
            f"addition to the {len(fixed)} tokens that every window keeps{_beside(encoding, part, advice)}"
        )
    stride = min(room // 3, 128) if stride is None else stride
    if not 0 <= stride < room:
        raise TextError(
            f"stride={stride}: windows of {length} tokens have room for {room} of the text, of which they can share 0 "
            f"to {room - 1}"
        )
    starts = np.arange(0, max(len(sliding) - stride, 1), room - stride)
    return [np.union1d(fixed, sliding[start : start + room]) for start in starts]


def cut(encoding: Encoding, length: int, side: str = "right", part: int | None = None) -> tuple[Encoding, str]:
    """Cut a text to its first (``side="right"``) or last tokens; return it with a note of what was cut off.

    Of a pair the text with the number `part` is cut; if that is None the longer one, and both once they are equally
    long (transformers' ``"longest_first"``).
    """
    counts = [int((encoding.part == number).sum()) for number in range(len(encoding.texts))]
    room = length - int((encoding.part == ADDED).sum())
    kept = _kept(counts, room, part)
    if room < 1 or min(kept) < 0:
        slides = sliding_part(encoding, part)
        others = int((encoding.part != slides).sum())
        raise TextError(
            f"{length} tokens at once leave no room for {excerpt(encoding.texts[slides])} in addition to the "
            f"{others} tokens that are kept{_beside(encoding, part)}"
        )

    lost = []
    for number, (count, keep) in enumerate(zip(counts, kept, strict=True)):
        tokens = np.flatnonzero(encoding.part == number)
        lost.append(tokens[keep:] if side == "right" else tokens[: count - keep])
    end = "last" if side == "right" else "first"
    note = f"the {end} {sum(map(len, lost))} of {len(encoding)} tokens were cut off"

    ranges = [(0, len(text)) for text in encoding.texts]
    for number, tokens in enumerate(lost):
        if not len(tokens) or encoding.spans is None:
            continue
        start, stop = int(encoding.spans[tokens, 0].min()), int(encoding.spans[tokens, 1].max())
        text = encoding.texts[number]
        note += f" (characters {start} to {stop} of {len(text)}, {excerpt(text[start:stop])})"
        ranges[number] = (0, start) if side == "right" else (stop, len(text))
    left = np.setdiff1d(np.arange(len(encoding)), np.concatenate(lost))
    return replace(encoding.take(left), kept=tuple(ranges)), note


def sliding_part(encoding: Encoding, part: int | None = None) -> int:
    """Return the number of the text of a pair that is cut or read in windows: the longer one, unless it is chosen."""
    if part is not None and part < len(encoding.texts):
        return part
    counts = [int((encoding.part == number).sum()) for number in range(len(encoding.texts))]
    # Of two equally long texts the second: the first of a pair is often a question.
    return int(len(counts) - 1 - np.argmax(counts[::-1]))


def _named(encoding: Encoding) -> str:
    """Return the beginning of a text, or of both of a pair, as the subject of a message."""
    if len(encoding.texts) == 1:
        return f"{excerpt(encoding.texts[0])} has"
    return " and ".join(map(excerpt, encoding.texts)) + " together have"


def _beside(encoding: Encoding, part: int | None, advice: str = "") -> str:
    """Return the end of a message on a text without room: what takes the room, and what to do."""
    if len(encoding.texts) == 1:
        return ": use a longer window"
    other = excerpt(encoding.texts[1 - sliding_part(encoding, part)])
    return f", added ones and those of {other}: shorten that{advice}"


def _kept(counts: Sequence[int], room: int, part: int | None) -> list[int]:
    """Return how many tokens of each text are kept where `room` are; at least one of the text that is cut."""
    if len(counts) == 1:
        return [room]
    if part is not None:
        others = sum(counts) - counts[part]
        return [(room - others or -1) if number == part else count for number, count in enumerate(counts)]
    shorter = min(*counts, room // 2)
    longer = int(np.argmax(counts))
    return [room - shorter if number == longer else shorter for number in range(2)]
