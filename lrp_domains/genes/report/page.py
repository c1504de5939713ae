"""The whole page: all cohorts, what they agree on, and how to read it."""

from collections.abc import Iterable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from ...files import whole_file
from ..errors import CohortError
from . import figures_of_cohorts
from .cohort_section import cohort_section
from .results import read_results

PACKAGES = ("lrp_domains", "torch", "anndata", "scanpy", "numpy", "pandas", "matplotlib")
SETS, MOST_FDR, LEADING = 4, 0.25, 6


def write_report(
    folders: Iterable[str | Path],
    path: str | Path,
    *,
    consensus: pd.DataFrame | None = None,
    agreement: pd.DataFrame | None = None,
    enrichment: pd.DataFrame | None = None,
    failed: dict[str, str] | None = None,
    title: str = "Genes that carry each group",
    top: int = 10,
) -> None:
    """Write one self-contained HTML report of a run.

    Parameters
    ----------
    folders
        The cohorts' folders of results; see `read_results`.
    path
        The file to write.
    consensus, agreement, enrichment
        From the functions of these names, where there are several cohorts, or gene sets.
    failed
        By cohort, why it isn't there.
    title
        What the run is called.
    top
        How many genes to show per group.
    """
    folders = list(folders)
    if not folders:
        raise CohortError("there are no results to report")
    templates = Environment(
        loader=PackageLoader("lrp_domains.genes.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    with ExitStack() as opened:
        sections = [cohort_section(opened.enter_context(read_results(folder)), top) for folder in folders]
    page = templates.get_template("page.html.j2").render(
        title=title,
        cohorts=sections,
        failed=failed or {},
        agreement=_agreement(agreement),
        consensus=_consensus(consensus, top),
        enrichment=_enrichment(enrichment),
        most_fdr=MOST_FDR,
        top=top,
        zip=zip,
        versions={name: version(name.replace("_", "-")) for name in PACKAGES},
    )
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _agreement(agreement: pd.DataFrame | None) -> dict | None:
    if agreement is None or agreement.empty:
        return None
    several = len({*agreement["cohort_a"], *agreement["cohort_b"]}) > 2  # two cohorts need no figure
    figure = figures_of_cohorts.agreement_matrices(agreement) if several else None
    return {"figure": figure, "rows": agreement.to_dict("records")}


def _consensus(consensus: pd.DataFrame | None, top: int) -> dict[str, list[dict]] | None:
    if consensus is None or consensus.empty:
        return None
    consensus = consensus.fillna({"cohorts": "", "missing": ""})
    return {
        str(group): rows.nsmallest(top, "rank").to_dict("records")
        for group, rows in consensus.groupby("group", sort=False)
    }


def _enrichment(enrichment: pd.DataFrame | None) -> list[dict] | None:
    """Give the first sets of each cohort and group that are not likely to be there by chance."""
    if enrichment is None:
        return None
    found = enrichment[(enrichment["nes"] > 0) & (enrichment["p_adjusted"] <= MOST_FDR)]
    found = found.sort_values("nes", ascending=False).groupby(["cohort", "group"], sort=False).head(SETS)
    found = found.sort_values(["cohort", "group"], kind="stable")
    leading = found["leading_genes"].astype(str).str.split(", ")
    short = [", ".join(genes[:LEADING]) + (", …" if len(genes) > LEADING else "") for genes in leading]
    return found.assign(leading_genes=short).to_dict("records")
