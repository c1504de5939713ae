"""Alphabets, one-hot encoding, and reverse complements."""

from dataclasses import dataclass

import numpy as np

from ..domain import DomainError, listed

ALPHABETS = {"DNA": "ACGT", "protein": "ACDEFGHIKLMNPQRSTVWY"}
COMPLEMENT = str.maketrans("ACGT", "TGCA")


@dataclass(frozen=True)
class Alphabet:
    """The letters of sequences in the model's order; N of DNA and RNA, else X, is an unknown one."""

    letters: str

    @classmethod
    def of(cls, name: str) -> "Alphabet":
        """Return the alphabet of a name, ``"DNA"`` or ``"protein"``, or of letters, such as ``"ACGU"``."""
        letters = ALPHABETS.get(name, name) if isinstance(name, str) else ""
        if len(set(letters)) < max(2, len(letters)) or not (letters.isascii() and letters.isupper()):
            known = listed(ALPHABETS)
            raise DomainError(f"alphabet={name!r}: name {known}, or list its capital letters once each, as 'ACGU'")
        return cls(letters)

    @property
    def unknown(self) -> str:
        """The letter for an unknown one."""
        return "N" if set(self.letters) <= set("ACGTU") else "X"

    def check(self, letters: str, name: str) -> str:
        """Return a sequence in capitals (lower case marks repeats); raise for letters outside the alphabet."""
        if not isinstance(letters, str) or not letters:
            found = "empty" if isinstance(letters, str) else f"of type {type(letters).__name__}"
            raise DomainError(f"sequence '{name}' is {found}: pass a string of letters")
        allowed = {*self.letters, *self.letters.lower(), self.unknown, self.unknown.lower()}
        if others := set(letters) - allowed:
            place = min(letters.index(letter) for letter in others)
            raise DomainError(
                f"sequence '{name}' has {letters[place]!r} at position {place + 1}; the letters are {self.letters}, "
                f"and {self.unknown} for an unknown one"
            )
        return letters.upper()

    def one_hot(self, letters: str, unknown: float = 0.0) -> np.ndarray:
        """Return L x A numbers: 1 for the letter that is there, `unknown` for each where it is unknown."""
        rows = np.full((256, len(self.letters)), unknown, np.float32)
        rows[np.frombuffer(self.letters.encode(), np.uint8)] = np.eye(len(self.letters))
        return rows[np.frombuffer(letters.upper().encode(), np.uint8)]

    def complements(self) -> list[int]:
        """Return the number of each letter's complement; raise for other alphabets than DNA."""
        if set(self.letters) != set("ACGT"):
            raise DomainError(f"only DNA has a reverse complement, not the alphabet {self.letters}")
        return [self.letters.index(letter) for letter in self.letters.translate(COMPLEMENT)]


def reverse_complement(letters: str) -> str:
    """Return the other strand of DNA."""
    return letters.upper().translate(COMPLEMENT)[::-1]
