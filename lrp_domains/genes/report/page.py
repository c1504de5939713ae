"""A page of cohorts: their genes, their agreement, and how to read it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib.style
import pandas as pd
from jinja2 import Environment
from markupsafe import Markup, escape

from ... import __version__
from ...domain import whole_file
from ...domain.page import templates
from ..errors import CohortError
from ..figures.style import STYLE, shorter
from .across_section import across_section
from .cohort_section import cohort_section
from .folder import read_results
from .links import link
from .results import CohortResults

PACKAGES = ("torch", "anndata", "scanpy", "numpy", "pandas", "scipy", "matplotlib")


def write_report(
    path: str | Path,
    cohorts: Iterable[CohortResults | str | Path],
    *,
    consensus: pd.DataFrame | None = None,
    agreement: pd.DataFrame | None = None,
    enrichment: pd.DataFrame | None = None,
    recovery: pd.DataFrame | None = None,
    failed: dict[str, str] | None = None,
    partial: bool = False,
    title: str = "Genes that carry each group",
    top: int = 10,
) -> None:
    """Write one HTML page of one or a few cohorts, with all their figures; `write_index` is for many.

    It needs no other file; a cohort that is read from a folder has a link to its ``genes.tsv``.

    Parameters
    ----------
    path
        The file to write; it appears whole or not at all.
    cohorts
        The results of each cohort, or the folders that hold them; see `read_results`.
    consensus, agreement, enrichment, recovery
        From `consensus`, `agreement`, `enrich` and `marker_recovery`, if there are several cohorts, gene sets, or known
        markers.
    failed
        By cohort, why it is missing.
    partial
        State on the page that the run isn't finished.
    title
        Title of the report.
    top
        Number of genes to show per group.

    Examples
    --------
    >>> write_report("report.html", ["results/genes/pbmc", "results/genes/pancreas"])
    """
    check_top(top)
    sections: list[dict[str, Any]] = []
    with matplotlib.style.context(["default", STYLE]):
        for cohort in cohorts:  # one after another, so that only one file is open at a time
            with nullcontext(cohort) if isinstance(cohort, CohortResults) else read_results(cohort) as results:
                sections.append(cohort_section(results, top) | {"whole": _whole_table(cohort, path)})
        if not sections:
            raise CohortError("there are no results to report")
        groups = list(dict.fromkeys(group for section in sections for group in section["groups"]))
        tables = {"consensus": consensus, "agreement": agreement, "enrichment": enrichment, "recovery": recovery}
        cohorts_in_order = [section["name"] for section in sections]
        across = across_section(tables, cohorts=cohorts_in_order, groups=groups, top=top)
    write_page(
        path, "page.html.j2", cohorts=sections, across=across, failed=failed, title=title, partial=partial, top=top
    )


def write_page(
    path: str | Path,
    template: str,
    *,
    cohorts: Sequence[Mapping[str, Any]],
    failed: Mapping[str, str] | None,
    **variables: Any,
) -> None:
    """Fill in a template; the file appears whole or not at all."""
    text = (
        _templates()
        .get_template(template)
        .render(
            cohorts=cohorts,
            headlines=list(dict.fromkeys(words for cohort in cohorts for words in cohort["overview"])),
            failed=failed or {},
            versions={"lrp_domains": __version__} | {name: version(name) for name in PACKAGES},
            **variables,
        )
    )
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_top(top: int) -> None:
    """Raise if a number of genes to show is invalid."""
    if top < 1:
        raise CohortError(f"top is {top}; expected a number of genes from 1 on")


def _whole_table(cohort: CohortResults | str | Path, page: str | Path) -> str | None:
    """Return the address of a cohort's whole table, if it is in a folder."""
    table = None if isinstance(cohort, CohortResults) else Path(cohort) / "genes.tsv"
    return link(table, page) if table is not None and table.is_file() else None


def _templates() -> Environment:
    """Return the templates with their filters."""
    environment = templates("lrp_domains.genes.report", "lrp_domains.evaluation")
    environment.filters["shown"] = _shown
    environment.filters["short"] = _short
    return environment


def _short(name: str, most: int = 24) -> Markup:
    """Shorten a long name in the middle; the whole name is shown where the pointer is on it."""
    if len(name) <= most:
        return escape(name)
    return Markup('<span title="{}">{}</span>').format(name, shorter(name, most))


def _shown(value: float, form: str) -> str:
    """Format a number; a dash for NaN."""
    if value is None or math.isnan(value):
        return "–"
    if value == 0 and form[-1] in "eg":
        return "0"
    return format(value, f"+z{form[1:]}" if form[0] == "+" else f"z{form}")  # z: no -0.000
