"""Words, found in the original text: spans that tile it, independent of the model's tokenizer.

Letters of one word stay together (*isn't*, *well-acted*, *U.S.*, *5.0*, *@user*, *#tag*), an emoji is one
grapheme cluster, a run of one mark (*!!!*) is one span, and so is whitespace in between.
"""

from collections.abc import Callable, Iterable

import numpy as np
import regex

from ..errors import TextError, choices, excerpt

Segmentation = str | Callable[[str], Iterable[tuple[int, int]]]

_LETTERS = r"[\p{L}\p{N}\p{M}_\u200c\u200d]"
# Scripts without spaces: with words="characters" each of their characters is a word.
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]"


def _pattern(letter: str) -> regex.Pattern:
    """Return a pattern of words of these letters, marks and whitespace; its matches tile any text."""
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


SEGMENTATIONS = {"words": _pattern(_LETTERS), "characters": _pattern(f"[{_LETTERS}--{_UNSPACED}]")}
KINDS = ("word", "mark", "space")


def segment(text: str, words: Segmentation = "words") -> tuple[np.ndarray, np.ndarray]:
    """Split a text into spans that tile it.

    Parameters
    ----------
    text
        Any string.
    words
        ``"words"``; ``"characters"``: the same, but one word per character in scripts without spaces (Chinese,
        Japanese, Thai, ...); or a function from a text to ``(start, end)`` pairs in order, without overlap. What
        such a function leaves out becomes separate spans.

    Returns
    -------
    spans
        Start and end in characters, n x 2: each span begins where the one before ends.
    kinds
        Per span 0 (a word), 1 (a mark: punctuation, a symbol, an emoji) or 2 (whitespace).
    """
    if callable(words):
        return _by_function(text, words)
    if words not in SEGMENTATIONS:
        raise TextError(f"words={words!r} is neither a segmentation nor a function; {choices(words, SEGMENTATIONS)}")

    spans, kinds = [], []
    for match in SEGMENTATIONS[words].finditer(text):
        spans.append(match.span())
        # With words="characters" a letter of a script without spaces matches as one grapheme cluster.
        kinds.append(2 if match["space"] else 0 if match["word"] or match[0][0].isalpha() else 1)
    return np.array(spans, np.int64).reshape(-1, 2), np.array(kinds, np.int8)


def _by_function(text: str, words: Callable) -> tuple[np.ndarray, np.ndarray]:
    spans, kinds, end = [], [], 0
    result = words(text)
    if not isinstance(result, Iterable):
        raise TextError(f"words= returned {result!r} for {excerpt(text)}: expected pairs (start, end) of characters")
    for span in result:
        start, stop = _checked(span, text, end)
        _fill(text[end:start], end, into=(spans, kinds))
        spans.append((start, stop))
        kinds.append(0)
        end = stop
    _fill(text[end:], end, into=(spans, kinds))
    return np.array(spans, np.int64).reshape(-1, 2), np.array(kinds, np.int8)


def _checked(span: object, text: str, end: int) -> tuple[int, int]:
    """Return a span of the user's function as two integers; raise if it is invalid after one that ends at `end`."""
    try:
        start, stop = map(int, span)
    except (TypeError, ValueError) as error:
        raise TextError(
            f"words= returned {span!r} for {excerpt(text)}: expected pairs (start, end) of characters"
        ) from error
    if not end <= start < stop <= len(text):
        raise TextError(
            f"words= returned the span ({start}, {stop}) for {excerpt(text)}, which has {len(text)} characters, after "
            f"a span that ends at {end}: return spans in order, not empty and without overlap"
        )
    return start, stop


def _fill(gap: str, start: int, into: tuple[list, list]) -> None:
    """Add what the user's spans leave out, as whitespace and marks; `start` is where the gap begins in the text."""
    spans, kinds = into
    for match in regex.finditer(r"\s+|\S+", gap):
        spans.append((start + match.start(), start + match.end()))
        kinds.append(2 if match[0].isspace() else 1)
