"""Words, found in the original text: spans that tile it, whatever the model's tokenizer makes of it.

Letters of one word stay together (*isn't*, *well-acted*, *U.S.*, *5.0*, *@user*, *#tag*), an emoji is one
grapheme cluster, a run of one mark (*!!!*) is one span, and whitespace stands between.
"""

from collections.abc import Callable, Iterable

import numpy as np
import regex

from ..errors import TextError, choices, excerpt

Segmentation = str | Callable[[str], Iterable[tuple[int, int]]]

_LETTERS = r"[\p{L}\p{N}\p{M}_\u200c\u200d]"
# Scripts that write no spaces: with words="characters" each of their characters is a word.
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]"


def _pattern(letter: str) -> regex.Pattern:
    """Words of these letters, marks and whitespace: everything that a text can hold, up to its last character."""
    return regex.compile(
        rf"""
        (?P<space> \s+ )
        | (?P<word>
            (?: \p{{L}} \. ){{2,}} (?: \p{{L}} (?! {letter} ) )?                  # U.S., e.g., U.S.A
            | [@#]? (?! [\p{{M}}\u200c\u200d] ) {letter}+                           # good, #tag, 5
              (?: (?: ['’\-‐‑·&] | (?<=\p{{N}}) [.,:/] (?=\p{{N}}) ) {letter}+ )*  # isn't, well-acted, 5.0, 10:30pm
          )
        | (?P<mark> (?P<same> [\p{{P}}\p{{S}}--\p{{Emoji_Presentation}}] ) (?P=same)* (?! [\p{{M}}\u200d] ) | \X )
        """,
        regex.VERBOSE | regex.VERSION1,
    )


_PATTERNS = {"words": _pattern(_LETTERS), "characters": _pattern(f"[{_LETTERS}--{_UNSPACED}]")}
KINDS = ("word", "mark", "space")


def segment(text: str, words: Segmentation = "words") -> tuple[np.ndarray, np.ndarray]:
    """Cut a text into spans that tile it.

    Parameters
    ----------
    text
        Any string.
    words
        ``"words"``; ``"characters"``: the same, but one character a word in scripts that write no spaces (Chinese,
        Japanese, Thai, ...); or a function from a text to ``(start, end)`` pairs in order, without overlap. What
        such a function leaves out becomes spans of its own.

    Returns
    -------
    spans
        Pairs of start and end in characters, n x 2: each span begins where the one before ends.
    kinds
        For each span 0 (a word), 1 (a mark: punctuation, a symbol, an emoji) or 2 (whitespace).
    """
    if callable(words):
        return _by_function(text, words)
    if words not in _PATTERNS:
        raise TextError(f"words={words!r}: there is no such segmentation; {choices(words, _PATTERNS)}, or a function")
    spans, kinds = [], []
    for match in _PATTERNS[words].finditer(text):
        spans.append(match.span())
        # With words="characters" a letter of an unspaced script comes as one grapheme cluster.
        kinds.append(2 if match["space"] else 0 if match["word"] or match[0][0].isalpha() else 1)
    return np.array(spans, np.int64).reshape(-1, 2), np.array(kinds, np.int8)


def _by_function(text: str, words: Callable) -> tuple[np.ndarray, np.ndarray]:
    spans, kinds, end = [], [], 0
    for one in words(text):
        try:
            start, stop = map(int, one)
        except (TypeError, ValueError) as error:
            raise TextError(
                f"words= gave {one!r} for {excerpt(text)}: give pairs (start, end) of characters"
            ) from error
        if not end <= start < stop <= len(text):
            raise TextError(
                f"words= gave the span ({start}, {stop}) for {excerpt(text)}, which has {len(text)} characters, after "
                f"a span that ends at {end}: give spans in order, not empty and without overlap"
            )
        _fill(text, end, start, spans, kinds)
        spans.append((start, stop))
        kinds.append(0)
        end = stop
    _fill(text, end, len(text), spans, kinds)
    return np.array(spans, np.int64).reshape(-1, 2), np.array(kinds, np.int8)


def _fill(text: str, start: int, end: int, spans: list, kinds: list) -> None:
    """What lies between two spans of the user's, as whitespace and marks."""
    for match in regex.finditer(r"\s+|\S+", text[start:end]):
        spans.append((start + match.start(), start + match.end()))
        kinds.append(2 if match[0].isspace() else 1)
