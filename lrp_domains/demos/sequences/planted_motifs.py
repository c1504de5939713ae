"""DNA with two planted motifs and a rule for their distance: the truth that explanations are compared with."""

import numpy as np

from ...sequences import Record

Sites = list[tuple[int, int]]

LETTERS = "ACGT"
CLASSES = ("other", "together")
CONSENSUS = ("TGACTCAT", "CCGATAAG")
LENGTH, WIDTH, MUTATED = 80, 8, 0.04
NEAR, FAR = (3, 8), (16, 60)  # letters between the motifs
KINDS = {"near": 0.5, "far": 0.2, "first": 0.125, "second": 0.125, "none": 0.05}


def motif(number: int) -> np.ndarray:
    """Return the probability of each letter in a planted motif, W x 4: that of the consensus is 0.96."""
    is_consensus = np.array(list(CONSENSUS[number]))[:, None] == list(LETTERS)
    return np.where(is_consensus, 1 - MUTATED, MUTATED / 3)


def make_sequences(count: int, seed: int = 0) -> tuple[list[Record], list[Sites]]:
    """Return random sequences with labels, and where their motifs start and end.

    Half have both motifs with 3 to 8 letters between them, in that order, and the label "together". Of the others, 4 in
    10 have them 16 to 60 letters apart, 5 in 10 have one of them, and 1 in 10 none.
    """
    random = np.random.default_rng(seed)
    kinds = random.choice(list(KINDS), count, p=list(KINDS.values()))
    planted = [_planted(kind, random) for kind in kinds]
    records = [
        Record(letters, f"sequence{number}", label=CLASSES[kind == "near"])
        for number, (kind, (letters, _)) in enumerate(zip(kinds, planted, strict=True))
    ]
    return records, [sites for _, sites in planted]


def _planted(kind: str, random: np.random.Generator) -> tuple[str, Sites]:
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
    return "".join(LETTERS[letter] for letter in letters), [(start, start + WIDTH) for start in starts.values()]
