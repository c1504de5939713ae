"""What to explain in each cell: one request, checked as far as possible without a cohort."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import torch

from .... import ATTN_LRP, SECANT, RuleSet
from ....domain import check_compile, check_precision, check_score
from ....evaluation.rivals import Rival
from ...errors import CohortError, choices


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
        The rule set; if None, `ATTN_LRP`, or `SECANT` with a reference. With a reference it is `SECANT` or
        `SECANT_HALF`, which are only for this. Or one of `lrp_domains.evaluation.rivals`, to compare with, for models
        that read a matrix of values; it takes zeros where there is no reference.
    top
        Keep the top k genes of each cell in ``obsm``; 0 for none.
    groupby
        The column of ``obs`` whose groups are summed over. If None, the model's labels; without them, the predicted
        classes.
    donor
        The column of ``obs`` with the donor or patient of each cell; ``"index"`` if every row is a donor.
    reference
        What each cell is compared with: its relevance then sums to the difference between its score and that of the
        reference. ``"zero"`` (0 on the scale that the model reads: nothing is expressed, or for z-scores the mean),
        ``"mean"`` (the mean of the whole cohort), the name of a group of `groupby` (the mean of its cells), or
        ``"donor"`` (the mean of the cells of the same donor). Means are of the values that the model reads. If None,
        the score itself is explained. See Notes.
    gene_column
        The column of ``var`` with the gene names that the model knows. If None, the column that the model was trained
        by, or ``var_names``.
    batch_size
        Number of cells to read and explain at a time; only that many are ever dense. If None, the number of genes
        decides, and on a GPU also its free memory. Fewer are explained at a time where memory runs out, with a warning.
    precision
        What the networks compute in: ``"fp32"``, ``"bf16"`` or ``"fp16"``; if None, the precision of their weights.
        Relevance is float32 and sums are float64 in any case. For half precision the distance from single precision is
        measured on the first cells, and is in ``uns["lrp"]``.
    compile
        Whether to compile the explanation of a batch, which then costs about as much as a compiled gradient: True or
        ``"eager"`` (at once), ``"inductor"`` (takes up to a minute, which pays off for large cohorts), or
        ``"cudagraphs"``; see `lrp_domains.compile`. The results are the same, to rounding.
    device
        ``"cpu"``, ``"cuda"``, ...; if None, a GPU if there is one.

    Notes
    -----
    With a reference the target is that of the cell, also for the score of the reference, and ``"log-odds"`` are log
    p / (1 - p) themselves, as they are for rivals. A gene whose values in cell and reference are the same has no
    relevance. Against ``"zero"`` relevance is as sparse as the expression. A mean is above 0 for nearly all genes, so
    that genes that the cell doesn't express have relevance too: relevance is then dense, cells x genes, in memory as a
    whole only in `relevance`.

    Examples
    --------
    >>> relevance(adata, model, Explanation(target="labelled", donor="patient"))
    >>> relevance(adata, model, target="labelled", donor="patient")  # the same
    >>> relevance(adata, model, target="CD8+ T", reference="CD4+ T")  # what sets cells apart from the mean CD4+ T cell
    """

    target: str | None = None
    against: str | None = None
    score: str = "log-odds"
    rules: RuleSet | Rival | None = None
    top: int = 0
    groupby: str | None = None
    donor: str | None = None
    reference: str | None = None
    gene_column: str | None = None
    batch_size: int | None = None
    precision: str | None = None
    compile: bool | str = False
    device: str | torch.device | None = None

    def __post_init__(self) -> None:
        for name in ("target", "against", "reference"):
            if _is_whole(number := getattr(self, name)):  # groups may be numbered; their names are text
                object.__setattr__(self, name, str(number))
        check_score(self.score)
        check_precision(self.precision)
        check_compile(self.compile)
        _check_rules(self.rules, self.reference)
        if self.compile and self.rival is not None:
            raise CohortError(f"compile={self.compile!r} is for rule sets, and {self.rival.name} is none: leave it out")
        if not _is_whole(self.top) or self.top < 0:
            raise CohortError(f"top is {self.top!r}; expected a number of genes, 0 for none")
        if self.batch_size is not None and (not _is_whole(self.batch_size) or self.batch_size < 1):
            raise CohortError(f"batch_size is {self.batch_size!r}; expected a whole number from 1 on, or None")
        if self.against is not None and self.against == self.target:
            raise CohortError(f"target and against are both '{self.target}'; contrast the target with another class")

    @property
    def rival(self) -> Rival | None:
        """What explains in the place of a rule set, if anything does."""
        return self.rules if isinstance(self.rules, Rival) else None

    @property
    def rule_set(self) -> RuleSet | Rival:
        """The rule set, or rival, that is used."""
        if self.rules is not None:
            return self.rules
        return ATTN_LRP if self.reference is None else SECANT


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


def _check_rules(rules: RuleSet | Rival | None, reference: str | None) -> None:
    """Raise if rules are neither a rule set nor a rival, or don't fit an explanation with or without a reference."""
    if reference is not None and (not isinstance(reference, str) or not reference):
        raise CohortError(f"reference is {reference!r}; expected 'zero', 'mean', 'donor', the name of a group, or None")
    if rules is None or isinstance(rules, Rival):
        return
    if not isinstance(rules, RuleSet):
        name = "ATTN_LRP" if reference is None else "SECANT"
        raise CohortError(f"rules is {rules!r}; expected a rule set such as lrp_domains.{name}")
    if rules.reads_reference and reference is None:
        raise CohortError(
            f"the rule set '{rules.name}' explains differences from a reference; pass one, such as reference='mean', "
            "or leave out rules"
        )
    if reference is not None and not rules.reads_reference:
        raise CohortError(
            f"the rule set '{rules.name}' explains no differences from a reference; use lrp_domains.SECANT or "
            "SECANT_HALF, leave out rules, or leave out the reference"
        )


def _is_whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
