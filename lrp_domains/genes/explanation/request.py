"""What to explain in each cell: one request, checked as far as possible without a cohort."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch

from ... import ATTN_LRP, RuleSet
from ...domain import check_score
from ..errors import CohortError, choices


@dataclass(frozen=True)
class Explanation:
    """What to explain in each cell, and how.

    Attributes
    ----------
    target
        The class to explain: ``"predicted"`` (the highest score; the same as None), ``"labelled"`` (the cell's label),
        or the name of one class for all cells.
    against
        A class to contrast the target with: the difference of the two logits is explained.
    score
        ``"log-odds"``, ``"margin"`` or ``"logit"``; see `lrp_domains.domain.score_of`. A value or a risk is explained
        unchanged.
    rules
        The rule set of `lrp_domains.relevance`.
    top
        Keep the top k genes of each cell in ``obsm``; 0 for none.
    groupby
        The column of ``obs`` whose groups are summed over. If None, the model's labels; without them, the predicted
        classes.
    donor
        The column of ``obs`` with the donor or patient of each cell; ``"index"`` if every row is a donor.
    gene_column
        The column of ``var`` with the gene names that the model knows; ``var_names`` if None.
    batch_size
        Number of cells to read and explain at a time; only that many are ever dense. If None, the number of genes
        decides.
    device
        ``"cpu"``, ``"cuda"``, ...; if None, a GPU if there is one.

    Examples
    --------
    >>> relevance(adata, model, Explanation(target="labelled", donor="patient"))
    >>> relevance(adata, model, target="labelled", donor="patient")  # the same
    """

    target: str | None = None
    against: str | None = None
    score: str = "log-odds"
    rules: RuleSet = ATTN_LRP
    top: int = 0
    groupby: str | None = None
    donor: str | None = None
    gene_column: str | None = None
    batch_size: int | None = None
    device: str | torch.device | None = None

    def __post_init__(self) -> None:
        check_score(self.score)
        if not isinstance(self.rules, RuleSet):
            raise CohortError(f"rules is {self.rules!r}; expected a rule set such as lrp_domains.ATTN_LRP")
        if not _is_whole(self.top) or self.top < 0:
            raise CohortError(f"top is {self.top!r}; expected a number of genes, 0 for none")
        if self.batch_size is not None and (not _is_whole(self.batch_size) or self.batch_size < 1):
            raise CohortError(f"batch_size is {self.batch_size!r}; expected a whole number from 1 on, or None")
        if self.against is not None and self.against == self.target:
            raise CohortError(f"target and against are both '{self.target}'; contrast the target with another class")


def requested(explanation: Explanation | None, settings: Mapping[str, object]) -> Explanation:
    """Return a request that was passed as an `Explanation` or as its fields by keyword, but not as both."""
    if explanation is None:
        names = [field.name for field in fields(Explanation)]
        if unknown := [name for name in settings if name not in names]:
            raise CohortError(f"unknown setting '{unknown[0]}'; {choices(unknown[0], names)}")
        return Explanation(**settings)
    if not isinstance(explanation, Explanation):
        raise CohortError(f"expected an Explanation, got a {type(explanation).__name__}; pass settings by keyword")
    if settings:
        raise CohortError(
            f"got an Explanation and also {', '.join(settings)}; pass one of the two, or use "
            "dataclasses.replace(explanation, ...)"
        )
    return explanation


def check_layer(layer: str | None, expression: str) -> None:
    """Raise if relevance can't be written to a layer, or would replace the expression that it is of."""
    if layer is None:
        return
    if not isinstance(layer, str) or not layer or "/" in layer:
        raise CohortError(f"layer is {layer!r}; expected a name without '/', or None to keep no layer")
    if layer == expression:
        raise CohortError(f"layer is '{layer}', the expression that is explained; write relevance to another layer")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
