"""The steps across cohorts: consensus, enrichment, report."""

from pathlib import Path
from typing import Annotated

import typer

from ..console import say
from ..grouped import grouped
from . import options as o
from .cohort import write_tsv

Tables = Annotated[list[Path], typer.Argument(help="Tables of ranked genes, as 'genes rank' writes them.")]


@grouped(settings=o.CONSENSUS)
def consensus(
    tables: Tables,
    out: Annotated[Path, typer.Option(help="The table of consensus genes to write, .tsv.")],
    agreement: Annotated[Path, typer.Option(help="The table of agreement between cohorts to write, .tsv.")],
    settings: dict,
) -> None:
    """Aggregate the ranked genes of several cohorts, and measure their agreement."""
    from ... import genes as library

    with library.open_tables(tables) as ranked:
        aggregated = library.consensus(ranked, **settings)
        shared = {name: settings[name] for name in ("direction", "top") if name in settings}
        write_tsv(library.agreement(ranked, **shared), agreement)
        write_tsv(aggregated, out)
        absent = sorted(set(settings.get("expected", ())) - set(ranked.cohorts))
    if absent:
        say("missing", f"{', '.join(absent)}: not in the consensus", "bold yellow")


@grouped(settings={"seed": o.Seed})
def enrich(
    tables: Tables,
    gene_sets: Annotated[Path, typer.Option(help="Gene sets, .gmt.")],
    out: Annotated[Path, typer.Option(help="The table of enriched sets to write, .tsv.")],
    settings: dict,
) -> None:
    """Test which gene sets lead the rankings (GSEA prerank)."""
    from ... import genes as library

    with library.open_tables(tables) as ranked:
        write_tsv(library.enrich(ranked, gene_sets, **settings), out)


@grouped(settings=o.REPORT, aggregation=o.AGGREGATION)
def report(
    folders: Annotated[list[Path], typer.Argument(help="The cohorts' folders of results.")],
    out: Annotated[Path, typer.Option(help="The .html file to write.")],
    settings: dict,
    aggregation: dict,
    consensus: Annotated[Path | None, typer.Option(help="The table that 'genes consensus' writes.")] = None,
    agreement: Annotated[Path | None, typer.Option(help="The table that 'genes consensus' writes.")] = None,
    enrichment: Annotated[Path | None, typer.Option(help="The table that 'genes enrich' writes.")] = None,
    failed: Annotated[list[str] | None, typer.Option(help="A cohort that failed, and why: NAME=REASON.")] = None,
    missing_ok: Annotated[
        bool,
        typer.Option(
            help="Report the finished cohorts, with a new consensus of them, and list the others with the errors in "
            "their logs."
        ),
    ] = False,
) -> None:
    """Write a report of all cohorts with tables and figures, in one file."""
    import pandas as pd

    from ... import genes as library

    paths = {"consensus": consensus, "agreement": agreement, "enrichment": enrichment}
    reasons = {name: reason for name, _, reason in (entry.partition("=") for entry in failed or ())}
    if missing_ok:
        folders, missing = library.finished_cohorts(folders)
        for name, reason in missing.items():
            say("missing", f"{name}: {reason}", "bold yellow")
        reasons |= missing
        if not folders:
            say("report", "no cohort is finished, so there is nothing to report")
            return
        if len(folders) > 1:
            paths |= _consensus_of(folders, beside=out, expected=list(missing), **aggregation)

    tables = {name: pd.read_csv(path, sep="\t") for name, path in paths.items() if path is not None}
    library.write_report(out, folders, failed=reasons, **tables, **settings)
    say("report", str(out.resolve()))


def _consensus_of(
    folders: list[Path], *, beside: Path, expected: list[str], consensus_top: int | None = None, **settings
) -> dict[str, Path]:
    """Write consensus and agreement of some cohorts to the folder of a report; return their paths, if there is one."""
    from ... import genes as library

    paths = {name: beside.with_name(f"{name}.tsv") for name in ("consensus", "agreement")}
    tables = [folder / "genes.parquet" for folder in folders]
    try:
        consensus(
            tables=tables,
            out=paths["consensus"],
            agreement=paths["agreement"],
            expected=expected,
            top=consensus_top,
            **settings,
        )
    except library.CohortError as error:  # such as no common group: the cohorts can still be reported one by one
        say("warning", f"without a consensus: {error}", "bold yellow")
        return {}
    return paths

