"""The results of one cohort, as the report reads them."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from anndata import AnnData

from ...evaluation import Comparison
from .. import slots
from ..cohorts.cells.labels import label_column
from ..errors import CohortError, choices
from ..explanation.curves.tables import measured_in
from ..explanation.requests.reference_names import REFERENCES
from ..explanation.runs.results_in_adata import provenance_of, reference_in
from ..figures.selected_values import MOST_CELLS as DRAWN
from ..figures.selected_values import spaced_rows, values_of
from ..figures.volcano import RATE
from ..rankings.tables import check_ranking
from .shown_names import by_shown_names

# The columns that the report reads of each table.
RANKED = ("low", "high", "positive", "negative", "effect_size", "share_positive", "selected", "log2_fold_change")
RANKED += ("de_rank", "cells")
TESTS = ("p_value", "p_adjusted", "q_value", "decoy_score")  # empty or missing where no test was made
STABILITY = ("group", "networks", "spearman", "jaccard", "first")
CURVES = ("group", "order", "curve", "genes", "standard_error")
CELLS = (slots.SCORE, slots.REST)


@dataclass(frozen=True)
class CohortResults:
    """The results of one cohort.

    Attributes
    ----------
    name
        Name of the cohort.
    adata
        The explained cohort; its matrices may be on disk, and a relevance layer is not required.
    table
        Its ranked genes, from `rank`.
    stability
        The agreement of its networks by group, from `stability`; None if unknown.
    performance
        One row per fold; None or empty for a model that was trained elsewhere.
    curves
        From `curves`; None if not measured.
    comparison
        Of methods, from `lrp_domains.genes.evaluation.compare_methods`; None if none were compared.
    """

    name: str
    adata: AnnData = field(repr=False)
    table: pd.DataFrame = field(repr=False)
    stability: pd.DataFrame | None = field(default=None, repr=False)
    performance: pd.DataFrame | None = field(default=None, repr=False)
    curves: pd.DataFrame | None = field(default=None, repr=False)
    comparison: Comparison | None = field(default=None, repr=False)
    _by_group: dict[str, pd.DataFrame] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        provenance_of(self.adata)
        object.__setattr__(self, "adata", by_shown_names(self.adata))
        table = check_ranking(self.table)
        self._check_columns("ranked genes", table, RANKED)
        table = table.assign(**{name: np.nan for name in TESTS if name not in table})
        object.__setattr__(self, "table", table)
        ordered = table.sort_values("rank", kind="stable")
        object.__setattr__(self, "_by_group", dict(list(ordered.groupby("group", sort=False))))
        for what, columns in (("stability", STABILITY), ("curves", CURVES)):
            if getattr(self, what) is not None:
                self._check_columns(what, getattr(self, what), columns)
        if self.curves is not None:
            self._check_columns("curves", self.curves, (measured_in(self.curves),))
        of_reference = (slots.REFERENCE_SCORE,) if self.reference else ()
        self._check_columns("cells", self.adata.obs, (*CELLS, *of_reference))
        if not self.groups:
            raise CohortError(
                f"the ranked genes of cohort '{self.name}' are of other groups than its column "
                f"'{self.provenance['groupby']}'; pass the table of this cohort"
            )
        if unknown := set(self.table["gene"]) - set(self.adata.var_names):
            raise CohortError(
                f"the ranked gene '{min(unknown)}' is not a gene of cohort '{self.name}'; pass the table of this cohort"
            )

    @property
    def provenance(self) -> dict[str, object]:
        """What was explained, and how."""
        return provenance_of(self.adata)

    @property
    def reference(self) -> str:
        """What cells were explained against, in words; empty for their scores themselves."""
        name = reference_in(self.provenance)
        return REFERENCES.get(name, f"the mean of {name}") if name else ""

    @property
    def of_classes(self) -> bool:
        """Whether the model predicts classes; otherwise a value or a risk."""
        return self.provenance["task"] == "classes"

    @property
    def labels(self) -> pd.Series:
        """The group of each cell."""
        return label_column(self.adata, str(self.provenance["groupby"]))

    @property
    def groups(self) -> list[str]:
        """The groups that have a ranking, in the order of their categories."""
        return [group for group in self.labels.cat.categories if group in self._by_group]

    @property
    def drawn(self) -> np.ndarray:
        """The rows of the cells that are drawn: all, or evenly spaced ones if there are too many."""
        return spaced_rows(self.adata.n_obs, DRAWN)

    @property
    def rate(self) -> float:
        """The false discovery rate that genes were selected at."""
        ranking = self.adata.uns.get(slots.RANKING, {})
        return float(ranking.get("params", {}).get("lrp_fdr", RATE))

    @property
    def has_layer(self) -> bool:
        """Whether the relevance of each cell was kept."""
        layer = str(self.provenance["relevance_layer"])
        return bool(layer) and layer in self.adata.layers

    def genes_of(self, group: str) -> pd.DataFrame:
        """Return the ranked genes of a group, best first."""
        return self._by_group[group]

    def relevance_of(self, rows: np.ndarray, genes: list[str] | None = None) -> np.ndarray | None:
        """Return the relevance of some cells (in order), of all genes or some; None without a layer."""
        return values_of(self.adata, "relevance", rows, genes=genes) if self.has_layer else None

    def _check_columns(self, what: str, table: pd.DataFrame, columns: tuple[str, ...]) -> None:
        """Raise if a table lacks a column."""
        if missing := [name for name in columns if name not in table]:
            raise CohortError(
                f"the table of {what} of cohort '{self.name}' has no column '{missing[0]}'; "
                f"{choices(missing[0], table.columns)}"
            )
