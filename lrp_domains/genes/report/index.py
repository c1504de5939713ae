"""The index of several cohorts: what each is, what they share, and links to their pages."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import pandas as pd

from ..errors import CohortError
from ..figures.style import STYLE
from .across_section import across_section
from .across_tables import read_across
from .cohort_section import cohort_overview
from .folder import read_results
from .gene_section import FEW
from .links import link
from .page import check_top, write_page
from .results import CohortResults

PAGE = "report.html"  # of a cohort, in its folder
GROUPS, GENES = 6, 3  # whose top genes are named


def write_index(
    path: str | Path,
    folders: Iterable[str | Path],
    *,
    consensus: pd.DataFrame | str | Path | None = None,
    agreement: pd.DataFrame | str | Path | None = None,
    enrichment: pd.DataFrame | str | Path | None = None,
    recovery: pd.DataFrame | str | Path | None = None,
    failed: Mapping[str, str] | None = None,
    partial: bool = False,
    title: str = "Genes that carry each group",
    top: int = 10,
) -> None:
    """Write the index of a run: a table of all cohorts with links to their pages, and what cohorts agree on.

    One cohort at a time is in memory, and of tables only the rows that are shown. The pages are those that
    `write_report` has written to ``report.html`` in the folders; a cohort without a page has no link.

    Parameters
    ----------
    path
        The file to write; it appears whole or not at all.
    folders
        The folders of results of all cohorts; see `read_results`.
    consensus, agreement, enrichment, recovery
        As in `write_report`, or the ``.tsv`` files with these tables.
    failed
        By cohort, why it is missing.
    partial
        State on the page that the run isn't finished.
    title, top
        As in `write_report`.

    Examples
    --------
    >>> for folder in folders:
    ...     write_report(folder / "report.html", [folder], title=folder.name)
    >>> write_index("results/genes/report.html", folders, consensus="results/genes/consensus.tsv")
    """
    check_top(top)
    summaries = []
    for folder in map(Path, folders):
        with read_results(folder) as results:
            page = folder / PAGE
            summaries.append(_summary(results) | {"link": link(page, path) if page.is_file() else None})
    if not summaries:
        raise CohortError("there are no results to report")

    groups = list(dict.fromkeys(group for summary in summaries for group in summary["groups"]))
    given = {"consensus": consensus, "agreement": agreement, "enrichment": enrichment, "recovery": recovery}
    tables = {
        name: read_across(name, table, top) if isinstance(table, str | Path) else table for name, table in given.items()
    }
    with matplotlib.style.context(["default", STYLE]):
        across = across_section(tables, cohorts=[summary["name"] for summary in summaries], groups=groups, top=top)
    write_page(
        path, "index.html.j2", cohorts=summaries, across=across, failed=failed, title=title, partial=partial, top=top
    )


def _summary(results: CohortResults) -> dict[str, Any]:
    """Return what the index shows of a cohort."""
    genes = {group: list(results.genes_of(group)["gene"].head(GENES)) for group in results.groups[:GROUPS]}
    overview = cohort_overview(results)
    few = [group for group in results.groups if results.genes_of(group)["cells"].iloc[0] < FEW]
    warnings = [
        *(["not better than chance"] if overview["at_chance"] else []),
        *([] if overview["is_conserved"] else ["not conserved"]),
        *([f"without a ranking: {', '.join(overview['unranked'])}"] if overview["unranked"] else []),
        *([f"fewer than {FEW} {overview['noun']}: {', '.join(few)}"] if few else []),
    ]
    chance = float(results.provenance.get("chance", np.nan))
    return overview | {"first": genes, "chance": chance, "warnings": warnings}
