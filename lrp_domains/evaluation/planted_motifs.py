"""DNA with two planted motifs and a rule for their distance: the truth that explanations are compared with."""

from typing import NamedTuple

import numpy as np

LETTERS = "ACGT"
CONSENSUS = ("TGACTCAT", "CCGATAAG")
LENGTH, WIDTH, MUTATED = 80, 8, 0.04
NEAR, FAR = (3, 8), (16, 60)  # letters between the motifs
KINDS = {"near": 0.5, "far": 0.2, "first": 0.125, "second": 0.125, "none": 0.05}


class Planted(NamedTuple):
    """A sequence, whether its motifs are near each other, and where they start and end."""

    letters: str
    is_near: bool
    sites: list[tuple[int, int]]


def motif(number: int) -> np.ndarray:
    """Return the probability of each letter in a planted motif, W x 4: that of the consensus is 0.96."""
    is_consensus = np.array(list(CONSENSUS[number]))[:, None] == list(LETTERS)
    return np.where(is_consensus, 1 - MUTATED, MUTATED / 3)


def plant_motifs(count: int, seed: int = 0) -> list[Planted]:
    """Return random sequences: half have both motifs near each other, in order; the others far apart, one, or none."""
    random = np.random.default_rng(seed)
    kinds = random.choice(list(KINDS), count, p=list(KINDS.values()))
    return [_planted(kind, random) for kind in kinds]


def _planted(kind: str, random: np.random.Generator) -> Planted:
    letters, starts = random.integers(0, 4, LENGTH), {}
    if kind in ("near", "far"):
        least, most = NEAR if kind == "near" else FAR
        gap = int(random.integers(least, most + 1))
        start = int(random.integers(0, LENGTH - 2 * WIDTH - gap + 1))
        starts = {0: start, 1: start + WIDTH + gap}
    elif kind != "none":
        starts = {int(kind == "second"): int(random.integers(0, LENGTH - WIDTH + 1))}
    for number, start in starts.items():
        consensus = np.array([LETTERS.index(letter) for letter in CONSENSUS[number]])
        mutated = random.integers(1, 4, WIDTH) * (random.random(WIDTH) < MUTATED)
        letters[start : start + WIDTH] = (consensus + mutated) % 4
    sites = [(start, start + WIDTH) for start in starts.values()]
    return Planted("".join(LETTERS[letter] for letter in letters), kind == "near", sites)
