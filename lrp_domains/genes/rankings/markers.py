"""The number of known markers among the top genes of a group, and the number expected by chance."""

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import CohortError, listed
from .gene_sets import nothing_shared
from .marker_lists import in_marker_order
from .tables import check_ranking


def marker_recovery(table: pd.DataFrame, markers: dict[str, list[str]], *, top: int = 20) -> pd.DataFrame:
    """Count the known markers among the top genes of each group.

    Parameters
    ----------
    table
        Ranked genes; see `lrp_domains.genes.rankings.tables`.
    markers
        By group, its known markers, as `read_markers` returns them; unmeasured ones are dropped, so that chance is
        only over the measured genes.
    top
        Number of top genes: the highest scores; where genes can be evidence by their absence, those that are higher in
        the group come first, as markers are.

    Returns
    -------
    One row per cohort and group that has markers: ``cohort``, ``group``, ``markers`` (measured), ``found``,
    ``precision``, ``expected`` (by chance) and the hypergeometric ``p_value`` of finding that many; and of differential
    expression ``de_found`` and ``de_precision``.
    """
    table = check_ranking(table)
    markers = {str(group): genes for group, genes in markers.items()}
    if top < 1 or top % 1:
        raise CohortError(f"top={top} should be a whole number from 1 on")
    shared = set(table["group"]) & set(markers)
    if not shared:
        raise CohortError(
            f"no group ({listed(table['group'].unique(), 5)}) has markers among {listed(markers, 5)}; name the groups "
            "of markers as in the table"
        )

    rows = []
    for (cohort, group), part in table.groupby(["cohort", "group"], sort=False):
        of_group = set(markers.get(group, ())) & set(part["gene"])
        if not of_group:
            continue

        size = min(top, len(part))
        leading = len(of_group & set(in_marker_order(part)["gene"].head(size)))
        has_differential = "de_rank" in part and part["de_rank"].notna().all()
        de_found = len(of_group & set(part.nsmallest(size, "de_rank")["gene"])) if has_differential else np.nan
        chance = stats.hypergeom(len(part), len(of_group), size)

        rows.append(
            {
                "cohort": cohort,
                "group": group,
                "markers": len(of_group),
                "found": leading,
                "precision": leading / size,
                "expected": len(of_group) / len(part),
                "p_value": float(chance.sf(leading - 1)),
                "de_found": de_found,
                "de_precision": de_found / size,
            }
        )

    if not rows:
        genes = {gene for group in shared for gene in markers[group]}
        raise CohortError(nothing_shared(set(table["gene"]), genes, f"the markers of {listed(sorted(shared), 5)}"))
    return pd.DataFrame(rows)
