"""Alphabets and shuffles."""

from collections import Counter
from itertools import pairwise, permutations

import numpy as np
import pytest

from lrp_domains.genomics.letters import reverse_complement
from lrp_domains.sequences import Alphabet, dinucleotide_shuffle
from tests.sequences.small_models import sequences


def pairs(letters: str) -> Counter:
    return Counter(pairwise(letters))


@pytest.mark.parametrize("length", [1, 2, 3, 17, 200])
@pytest.mark.parametrize("letters", ["ACGT", "ACGTN", "AC"])
def test_a_shuffle_has_the_same_dinucleotides(length, letters):
    for seed, sequence in enumerate(sequences(20, length, letters)):
        shuffled = dinucleotide_shuffle(sequence, seed)
        assert pairs(shuffled) == pairs(sequence) and shuffled[0] == sequence[0] and shuffled[-1] == sequence[-1]
        assert shuffled == dinucleotide_shuffle(sequence, seed)


def test_every_arrangement_is_as_probable():
    sequence = "AACATACGA"
    possible = {"".join(p) for p in permutations(sequence) if pairs("".join(p)) == pairs(sequence)}
    drawn = Counter(dinucleotide_shuffle(sequence, seed) for seed in range(4000))
    assert set(drawn) == possible and len(possible) == 24
    chi_squared = sum((count - 4000 / 24) ** 2 / (4000 / 24) for count in drawn.values())
    assert chi_squared < 49.7  # the 99.9 % quantile for 23 degrees of freedom


def test_one_hot():
    assert Alphabet("ACGT").one_hot("aCNT").tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    assert Alphabet("TCGA").one_hot("AN", 0.25).tolist() == [[0, 0, 0, 1], [0.25] * 4]
    assert Alphabet.of("protein").one_hot("W").argmax() == 18 and Alphabet.of("protein").unknown == "X"
    assert Alphabet.of("DNA").check("acgtN", "s") == "ACGTN"


def test_complements():
    assert reverse_complement("AACGTTN") == "NAACGTT" and reverse_complement("aacc") == "GGTT"
    alphabet, sequence = Alphabet("CATG"), "GATTACAN"
    turned = alphabet.one_hot(sequence)[::-1][:, alphabet.complements()]
    assert np.array_equal(turned, alphabet.one_hot(reverse_complement(sequence)))
