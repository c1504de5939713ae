"""What a text is explained against: its words masked, another text of as many tokens, or tokens by number."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..arguments import Reference
from ..errors import TextError, excerpt
from .encoding import ADDED, Encoding
from .replacement import STAYS, Replacement

# What `reference=` names, and how results name it.
PLACEHOLDERS = {"mask": "all words masked", "pad": "all words replaced by padding"}


@dataclass(frozen=True)
class SpecialTokens:
    """The special tokens of a vocabulary, for references.

    Attributes
    ----------
    placeholders
        The numbers of the tokens that can stand for a word, by name: ``"mask"``, ``"pad"``.
    spell
        From the number of a token to its string.
    """

    placeholders: Mapping[str, int]
    spell: Callable[[int], str] = str


def name_of(reference: Reference, special: SpecialTokens) -> str:
    """Return what results call a reference."""
    if isinstance(reference, str):
        return PLACEHOLDERS.get(reference, reference)
    return " | ".join(reference) if isinstance(reference[0], str) else " ".join(map(special.spell, reference))


def with_placeholders(encoding: Encoding, name: str, special: SpecialTokens) -> Encoding:
    """Return an encoding whose reference is the same text with a placeholder for each token of a word."""
    if name not in special.placeholders:
        others = ", ".join(repr(other) for other in special.placeholders) or "neither of the two"
        raise TextError(
            f"reference='{name}': the tokenizer has no {name} token (it has: {others}); pass a text of as many tokens, "
            "or the numbers of the tokens"
        )
    number = special.placeholders[name]
    # Special tokens in the text have a meaning there, such as a mask to fill.
    return _with_numbers(encoding, np.where(encoding.special, STAYS, number), [special.spell(number)] * len(encoding))


def with_text(encoding: Encoding, reference: Encoding) -> Encoding:
    """Return an encoding whose reference is another text of as many tokens."""
    for part, (text, other) in enumerate(zip(encoding.texts, reference.texts, strict=True)):
        counts = [int((tokens.part == part).sum()) for tokens in (encoding, reference)]
        if counts[0] != counts[1]:
            raise TextError(
                f"{excerpt(text)} has {counts[0]} tokens, but its reference {excerpt(other)} has {counts[1]}: they are "
                "compared token by token, so reword one of them (see tokenizer.tokenize), or pass reference='mask'"
            )
    if not np.array_equal(encoding.part, reference.part):
        raise TextError(f"the tokenizer adds tokens in other places to {excerpt(reference.texts[0])} than to its text")
    return _with_numbers(encoding, reference.inputs["input_ids"], _spelled(reference))


def with_ids(encodings: Sequence[Encoding], ids: tuple[int, ...], special: SpecialTokens) -> list[Encoding]:
    """Return encodings whose reference are these tokens, with or without the added ones, of all texts in order."""
    is_added = np.concatenate([encoding.part == ADDED for encoding in encodings])
    own = np.concatenate([encoding.inputs["input_ids"] for encoding in encodings])
    numbers = np.array(ids, np.int64)
    if len(numbers) == (~is_added).sum():
        numbers = own.copy()
        numbers[~is_added] = ids
    if len(numbers) != len(own):
        raise TextError(
            f"reference= has {len(ids)} tokens, but {excerpt(encodings[0].texts[0])} has {(~is_added).sum()}, or "
            f"{len(own)} with those that the tokenizer adds: pass one number per token"
        )
    if (numbers < 0).any() or (changed := numbers[is_added] != own[is_added]).any():
        what = "has negative numbers" if (numbers < 0).any() else f"changes {int(changed.sum())} added tokens"
        raise TextError(f"reference= {what}: pass the numbers of tokens to put in the places of the words' tokens")

    ends = np.cumsum([len(encoding) for encoding in encodings])[:-1]
    pairs = zip(encodings, np.split(numbers, ends), strict=True)
    return [_with_numbers(encoding, part, [special.spell(n) for n in part.tolist()]) for encoding, part in pairs]


def _with_numbers(encoding: Encoding, numbers: np.ndarray, texts: Sequence[str]) -> Encoding:
    """Return an encoding with the numbers and texts of a reference's tokens; added tokens stay."""
    stays = (encoding.part == ADDED) | (numbers == STAYS)
    pairs = np.where(stays[:, None], STAYS, np.column_stack([encoding.inputs["input_ids"], numbers]))
    shown = tuple("" if same else text for same, text in zip(stays, texts, strict=True))
    return replace(encoding, replacement=Replacement(pairs, shown))


def _spelled(encoding: Encoding) -> list[str]:
    """Return the characters of each token with the whitespace before it; its string where its place is unknown."""
    if encoding.spans is None:
        return list(encoding.pieces)
    texts, ends = [], [0] * len(encoding.texts)
    for (start, end), part in zip(encoding.spans.tolist(), encoding.part.tolist(), strict=True):
        if part == ADDED:
            texts.append("")
            continue
        texts.append(encoding.texts[part][min(ends[part], start) : end])
        ends[part] = max(ends[part], end)
    return texts
