"""What a model expects of a cohort: declared, not guessed."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import CohortError, choices, listed

NORMALISATIONS = {
    "log": "the layer holds log values, zero where nothing was expressed; read as they are",
    "counts": "the layer holds counts; read as they are",
    "log1p_cp10k": "the layer holds counts; each cell is scaled to 10,000 over all its genes, then log1p",
    "centred": "the layer holds values around zero, such as log ratios; read as they are",
    "zscore": "each gene of the layer is centred and scaled by the cohort's own mean and standard deviation",
}
IDENTIFIERS = {
    "symbol": "names such as CD19",
    "ensembl": "Ensembl ids, with or without a version: ENSG00000177455, ENSG00000177455.13",
}


@dataclass(frozen=True)
class Expects:
    """What a model expects of a cohort.

    Attributes
    ----------
    genes
        The names of its inputs, in order.
    layer
        The expression it reads: ``"X"``, ``"raw"`` or a layer.
    normalisation
        What the values are, or are made into while they are read; see `NORMALISATIONS`.
    identifiers
        ``"symbol"`` or ``"ensembl"``; versions of Ensembl ids are never compared.
    most_missing
        The largest share of genes that a cohort may lack. Missing ones are read as 0.
    """

    genes: tuple[str, ...]
    layer: str = "X"
    normalisation: str = "log"
    identifiers: str = "symbol"
    most_missing: float = 0.2

    def __post_init__(self) -> None:
        object.__setattr__(self, "genes", tuple(str(gene) for gene in self.genes))
        if not self.genes:
            raise CohortError("the model expects no genes; name its inputs in their order")
        check_one_of("normalisation", self.normalisation, NORMALISATIONS)
        check_one_of("identifiers", self.identifiers, IDENTIFIERS)
        if not 0 <= self.most_missing < 1:
            raise CohortError(f"most_missing is {self.most_missing}; it is a share of genes, from 0 to below 1")
        names = comparable(self.genes, self.identifiers)
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1}) if len(names) < 50_000 else []
            raise CohortError(f"the model's genes are not unique: {listed(twice, 5)}")

    @property
    def zero_is_absence(self) -> bool:
        """Whether a gene that isn't expressed is read as 0, so that its relevance is 0 as well."""
        return self.normalisation in ("log", "counts", "log1p_cp10k")


def comparable(names: Sequence[str], identifiers: str) -> list[str]:
    """Give gene names as they are compared: Ensembl ids without their version."""
    names = [str(name) for name in names]
    return [name.partition(".")[0] for name in names] if identifiers == "ensembl" else names


def check_one_of(what: str, given: str, known: Sequence[str]) -> None:
    """Refuse a name that isn't known."""
    if given not in known:
        raise CohortError(f"there is no {what} '{given}'; {choices(str(given), known)}")
