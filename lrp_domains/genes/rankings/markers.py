"""How many known markers of a group lead its ranking, and how many would by chance."""

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import CohortError, listed
from .gene_sets import nothing_shared
from .tables import check_ranking


def marker_recovery(table: pd.DataFrame, markers: dict[str, list[str]], *, top: int = 20) -> pd.DataFrame:
    """Tell how many known markers of a group are among its first genes.

    Parameters
    ----------
    table
        Ranked genes; see `lrp_domains.genes.rankings.tables`.
    markers
        By group, its known markers, as `read_markers` gives them; unmeasured ones are left out, so that chance is over
        the measured genes alone.
    top
        How many first genes are looked at.

    Returns
    -------
    One row per cohort and group that has markers: ``cohort``, ``group``, ``markers`` (measured), ``found``,
    ``precision``, ``expected`` (by chance) and the hypergeometric ``p_value`` of finding so many; and of differential
    expression ``de_found`` and ``de_precision``.
    """
    table = check_ranking(table)
    if top < 1 or top % 1:
        raise CohortError(f"top={top} should be a whole number from 1 on")
    named = set(table["group"]) & set(markers)
    if not named:
        raise CohortError(
            f"no group ({listed(table['group'].unique(), 5)}) has markers among {listed(markers, 5)}; name the groups "
            "of markers as the table does"
        )
    rows = []
    for (cohort, group), part in table.groupby(["cohort", "group"], sort=False):
        known = set(markers.get(group, ())) & set(part["gene"])
        if not known:
            continue
        size = min(top, len(part))
        found = len(known & set(part.nsmallest(size, "rank")["gene"]))
        row = {
            "cohort": cohort, "group": group, "markers": len(known), "found": found, "precision": found / size,
            "expected": len(known) / len(part),
            "p_value": float(stats.hypergeom.sf(found - 1, len(part), len(known), size)),
        }  # fmt: skip
        has_other = "de_rank" in part and part["de_rank"].notna().all()
        other = len(known & set(part.nsmallest(size, "de_rank")["gene"])) if has_other else np.nan
        rows.append(row | {"de_found": other, "de_precision": other / size})
    if not rows:
        known = {gene for group in named for gene in markers[group]}
        raise CohortError(nothing_shared(set(table["gene"]), known, f"the markers of {listed(sorted(named), 5)}"))
    return pd.DataFrame(rows)
