"""What a model expects of a cohort: declared, not guessed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ....domain import check_choice
from ...errors import CohortError, listed

NORMALISATIONS = {
    "log": "the layer holds log values, zero where nothing was expressed; read unchanged",
    "counts": "the layer holds counts; read unchanged",
    "log1p_cp10k": "the layer holds counts; each cell is scaled to 10,000 over all its genes, then log1p",
    "centred": "the layer holds values around zero, such as log ratios; read unchanged",
    "zscore": "each gene of the layer is centred and scaled by its mean and standard deviation in the cohort; of cells "
    "that the model was trained on, by those of the other folds",
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
        What the values are, or what they are converted to while they are read; see `NORMALISATIONS`.
    identifiers
        ``"symbol"`` or ``"ensembl"``; versions of Ensembl ids are never compared.
    most_missing
        The largest share of genes that a cohort may lack. Missing ones are read as 0.
    log_base
        The base of the logs in the layer: ``"e"``, 2, 10 or another number; only fold changes depend on it. If None,
        what `scanpy.pp.log1p` stored in ``uns["log1p"]``; without that, values around zero and those of microarrays
        are taken to be log2, others natural logs.
    """

    genes: tuple[str, ...]
    layer: str = "X"
    normalisation: str = "log"
    identifiers: str = "symbol"
    most_missing: float = 0.2
    log_base: float | str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "genes", tuple(str(gene) for gene in self.genes))
        if not self.genes:
            raise CohortError("the model expects no genes; name its inputs in order")
        check_choice("normalisation", self.normalisation, NORMALISATIONS)
        check_choice("identifiers", self.identifiers, IDENTIFIERS)
        if not 0 <= self.most_missing < 1:
            raise CohortError(f"most_missing is {self.most_missing}; expected a share of genes, from 0 to below 1")
        if self.log_base is not None:
            object.__setattr__(self, "log_base", _base(self.log_base, self.normalisation))
        names = comparable(self.genes, self.identifiers)
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1}) if len(names) < 50_000 else []
            raise CohortError(f"the model's genes are not unique: {listed(twice, 5)}")

    @property
    def zero_is_absence(self) -> bool:
        """Whether a gene that isn't expressed is read as 0, so that its relevance is 0 as well."""
        return self.normalisation in ("log", "counts", "log1p_cp10k")


def _base(declared: float | str, normalisation: str) -> float:
    """Return a base of logs as a number, from a number or from text as on the command line."""
    try:
        base = math.e if declared == "e" else float(declared)
    except (TypeError, ValueError):
        base = math.nan
    if isinstance(declared, bool) or not 1 < base < math.inf:
        raise CohortError(f"log_base is {declared!r}; expected 'e', 2, 10 or another number above 1")
    if normalisation in ("counts", "log1p_cp10k"):
        raise CohortError(
            f"log_base is for layers of logs, but normalisation is '{normalisation}', whose layer holds counts; leave "
            "out log_base"
        )
    return base


def comparable(names: Sequence[str], identifiers: str) -> list[str]:
    """Return gene names in the form in which they are compared: Ensembl ids without their version."""
    names = [str(name) for name in names]
    return [name.partition(".")[0] for name in names] if identifiers == "ensembl" else names
