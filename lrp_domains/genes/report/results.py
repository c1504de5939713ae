"""The results of one cohort, as the report reads them."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from .. import slots
from ..cohorts.labels import label_column
from ..errors import CohortError, choices
from ..explanation.curves import measured_in
from ..explanation.explain_adata import provenance_of
from ..rankings.tables import check_ranking

# So many cells are drawn at most; more can't be told apart on paper.
DRAWN = 10_000
CHUNK = 4096
# What the report reads of each table.
RANKED = ("low", "high", "positive", "negative", "effect_size", "share_positive", "selected", "log2_fold_change")
RANKED += ("p_value", "p_adjusted", "de_rank", "cells")
STABILITY = ("group", "networks", "spearman", "jaccard", "first")
CURVES = ("group", "order", "curve", "genes", "standard_error")
CELLS = (slots.SCORE, slots.REST)


@dataclass(frozen=True)
class CohortResults:
    """The results of one cohort.

    Attributes
    ----------
    name
        What the cohort is called.
    adata
        The explained cohort; its matrices may lie on disk, and it need not have a relevance layer.
    table
        Its ranked genes, from `rank`.
    stability
        How far its networks agree, by group, from `stability`; None if not known.
    performance
        One row per fold; None or empty for a model that was trained elsewhere.
    curves
        From `curves`; None if not measured.
    """

    name: str
    adata: AnnData = field(repr=False)
    table: pd.DataFrame = field(repr=False)
    stability: pd.DataFrame | None = field(default=None, repr=False)
    performance: pd.DataFrame | None = field(default=None, repr=False)
    curves: pd.DataFrame | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        provenance_of(self.adata)
        object.__setattr__(self, "table", check_ranking(self.table))
        self._check_columns("ranked genes", self.table, RANKED)
        for what, columns in (("stability", STABILITY), ("curves", CURVES)):
            if getattr(self, what) is not None:
                self._check_columns(what, getattr(self, what), columns)
        if self.curves is not None:
            self._check_columns("curves", self.curves, (measured_in(self.curves),))
        self._check_columns("cells", self.adata.obs, CELLS)
        if not self.groups:
            raise CohortError(
                f"the ranked genes of cohort '{self.name}' are of other groups than its column "
                f"'{self.provenance['groupby']}'; give the table of this cohort"
            )
        if strange := set(self.table["gene"]) - set(self.adata.var_names):
            raise CohortError(
                f"the ranked gene '{min(strange)}' is no gene of cohort '{self.name}'; give the table of this cohort"
            )

    @property
    def provenance(self) -> dict[str, object]:
        """What was explained, and how."""
        return provenance_of(self.adata)

    @property
    def of_classes(self) -> bool:
        """Whether the model tells classes apart; else it gives a value or a risk."""
        return self.provenance["task"] == "classes"

    @property
    def labels(self) -> pd.Series:
        """The group of each cell."""
        return label_column(self.adata, str(self.provenance["groupby"]))

    @property
    def groups(self) -> list[str]:
        """The groups that have a ranking, in their own order everywhere."""
        ranked = set(self.table["group"])
        return [group for group in self.labels.cat.categories if group in ranked]

    @property
    def drawn(self) -> np.ndarray:
        """The rows of the cells that are drawn: all, or evenly spaced ones of many."""
        return np.unique(np.linspace(0, self.adata.n_obs - 1, min(DRAWN, self.adata.n_obs)).astype(int))

    def genes_of(self, group: str) -> pd.DataFrame:
        """The ranked genes of a group, best first."""
        return self.table[self.table["group"] == group].sort_values("rank", kind="stable")

    def relevance_of(self, rows: np.ndarray, genes: list[str] | None = None) -> np.ndarray | None:
        """Give the relevance of some cells (in order), of all genes or some; None where no layer was kept."""
        layer = str(self.provenance["relevance_layer"])
        if not layer or layer not in self.adata.layers:
            return None
        columns = slice(None) if genes is None else self.adata.var_names.get_indexer(genes)
        stored, found = self.adata.layers[layer], []
        for start in np.unique(rows // CHUNK) * CHUNK:
            here = rows[(rows >= start) & (rows < start + CHUNK)] - start
            part = stored[start : start + CHUNK][here]
            part = part.tocsr()[:, columns].toarray() if sparse.issparse(part) else np.asarray(part)[:, columns]
            found.append(part)
        return np.concatenate(found)

    def _check_columns(self, what: str, table: pd.DataFrame, columns: tuple[str, ...]) -> None:
        if absent := [name for name in columns if name not in table]:
            raise CohortError(
                f"the table of {what} of cohort '{self.name}' has no column '{absent[0]}'; "
                f"{choices(absent[0], table.columns)}"
            )
