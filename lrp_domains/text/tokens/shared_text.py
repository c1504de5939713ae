"""One text that is read with each of several others: a hypothesis per candidate, a choice per answer."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .encoding import Encoding
from .replacement import STAYS, Replacement, joined

SHARED = 0  # the number of the shared text in each pair


def join_pairs(pairs: Sequence[Encoding]) -> tuple[Encoding, list[np.ndarray]]:
    """Return the encodings of pairs with the same first text as one, which has the tokens of that text once.

    Returns
    -------
    encoding
        The shared text, and the second text of each pair.
    places
        Per pair the numbers that its tokens have in the encoding.
    """
    first = pairs[0]
    shared = np.flatnonzero(first.part == SHARED)

    chosen, places, count = [], [], 0
    for pair in pairs:
        same = np.flatnonzero(pair.part == SHARED)
        merges = bool(chosen) and np.array_equal(pair.inputs["input_ids"][same], first.inputs["input_ids"][shared])
        new = np.ones(len(pair), bool)
        new[same] = not merges
        place = np.zeros(len(pair), np.int64)
        place[new] = count + np.arange(new.sum())
        if merges:
            place[same] = shared
        chosen.append(np.flatnonzero(new))
        places.append(place)
        count += int(new.sum())

    parts = [pair.take(tokens) for pair, tokens in zip(pairs, chosen, strict=True)]
    encoding = Encoding(
        texts=(first.texts[0], *(pair.texts[1] for pair in pairs)),
        inputs={name: np.concatenate([part.inputs[name] for part in parts]) for name in first.inputs},
        pieces=tuple(piece for part in parts for piece in part.pieces),
        spans=None if any(part.spans is None for part in parts) else np.concatenate([part.spans for part in parts]),
        part=np.concatenate([np.where(part.part > SHARED, part.part + n, part.part) for n, part in enumerate(parts)]),
        special=np.concatenate([part.special for part in parts]),
        kept=(first.ranges[0], *(pair.ranges[1] for pair in pairs)),
        replacement=joined([part.replacement for part in parts]),
        framed=first.framed,
        notes=tuple(dict.fromkeys(note for pair in pairs for note in pair.notes)),
    )
    return encoding, places


def with_held_texts(pair: Encoding) -> Encoding:
    """Return a pair with a reference that replaces only the shared text."""
    stays = pair.part != SHARED
    numbers = np.where(stays[:, None], STAYS, pair.replacement.numbers)
    texts = tuple("" if same else text for same, text in zip(stays, pair.replacement.texts, strict=True))
    return replace(pair, replacement=Replacement(numbers, texts))
