"""Sequences without signal: shuffles that keep which letters are neighbours, as nulls and as references."""

import zlib

import numpy as np

from ..domain import DomainError, check_whole


def dinucleotide_shuffle(letters: str, seed: int = 0) -> str:
    """Return one of all sequences with the same counts of neighbouring letters, each with the same probability.

    It begins and ends with the same letters (Altschul and Erickson 1985, Mol. Biol. Evol. 2:526). `seed` and the
    sequence determine the result.
    """
    if not isinstance(letters, str) or not letters:
        raise DomainError(f"there is nothing to shuffle in {letters!r}: pass a string of letters")
    check_whole("seed", seed, 0)
    random = np.random.default_rng([seed, zlib.crc32(letters.encode())])
    kinds, codes = np.unique(np.frombuffer(letters.encode(), np.uint8), return_inverse=True)
    after = [codes[1:][codes[:-1] == kind] for kind in range(len(kinds))]

    # The last exits from all letters lead to the last letter: a uniform spanning tree, by Wilson's random walks.
    last, reached = {}, {codes[-1]}
    for kind in range(len(kinds)):
        at = kind
        while at not in reached:
            last[at] = random.integers(len(after[at]))
            at = after[at][last[at]]
        at = kind
        while at not in reached:
            reached.add(at)
            at = after[at][last[at]]

    exits = []
    for kind, following in enumerate(after):
        end = [last[kind]] if kind in last else []
        exits.append(iter([*random.permutation(np.delete(following, end)), *following[end]]))
    walk = [codes[0]]
    for _ in range(len(letters) - 1):
        walk.append(next(exits[walk[-1]]))
    return kinds[walk].tobytes().decode()
