"""The steps across cohorts: consensus, enrichment, report."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from ..console import say, say_time
from ..grouped import grouped
from . import options as o
from .small_tables import write_tsv

Tables = Annotated[list[Path], typer.Argument(help="Tables of ranked genes, as 'genes rank' writes them.")]

SHOWN = 10  # genes per group, by default


@grouped(settings=o.CONSENSUS)
def consensus(
    tables: Tables,
    out: Annotated[Path, typer.Option(help="The table of consensus genes to write, .tsv.")],
    agreement: Annotated[Path, typer.Option(help="The table of agreement between cohorts to write, .tsv.")],
    settings: dict,
) -> None:
    """Aggregate the ranked genes of several cohorts, and measure their agreement."""
    from ... import genes as library
    from ...domain import Clock

    clock = Clock()
    with library.open_tables(tables) as ranked:
        with clock("consensus"):
            aggregated = library.consensus(ranked, **settings)
        shared = {name: settings[name] for name in ("direction", "top") if name in settings}
        with clock("agreement"):
            agreements = library.agreement(ranked, **shared)
        with clock("writing"):
            write_tsv(agreements, agreement)
            write_tsv(aggregated, out)
        absent = sorted(set(settings.get("expected", ())) - set(ranked.cohorts))
    if absent:
        say("missing", f"{', '.join(absent)}: not in the consensus", "bold yellow")
    say_time(clock)


@grouped(settings={"seed": o.Seed})
def enrich(
    tables: Tables,
    gene_sets: Annotated[Path, typer.Option(help="Gene sets, .gmt.")],
    out: Annotated[Path, typer.Option(help="The table of enriched sets to write, .tsv.")],
    settings: dict,
) -> None:
    """Test which gene sets lead the rankings (GSEA prerank)."""
    from ... import genes as library
    from ...domain import Clock
    from ...domain.files.tsv import write_parts
    from ...genes.rankings.enrichment import COLUMNS, each_enrichment

    clock = Clock()
    with library.open_tables(tables) as ranked, clock("testing"):
        write_parts(each_enrichment(ranked, gene_sets, **settings), COLUMNS, out, float_format="%.6g")
    say_time(clock)


@grouped(settings={"top": o.REPORT["top"]})
def page(
    folder: Annotated[Path, typer.Argument(help="A cohort's folder of results.")],
    out: Annotated[Path, typer.Option(help="The .html file to write; the index links to report.html in the folder.")],
    settings: dict,
    title: Annotated[str | None, typer.Option(help="Title of the page (default: the name of the cohort).")] = None,
) -> None:
    """Write the page of one cohort, with tables and figures, in one file."""
    from ... import genes as library
    from ...domain import Clock
    from ...genes.report import read_results

    clock = Clock()
    with clock("reading"), read_results(folder) as results:
        name = results.name
    with clock("drawing"):
        library.write_report(out, [folder], title=title or name, **settings)
    say("page", str(out.resolve()))
    say_time(clock)


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
    pages: Annotated[
        bool | None,
        typer.Option(
            help="Write the page of each of several cohorts, report.html in its folder (default: yes, but not with "
            "--missing-ok). Without it the index links to the pages that there are."
        ),
    ] = None,
    missing_ok: Annotated[
        bool,
        typer.Option(
            help="Report the finished cohorts, with a new consensus and enrichment of them, and list the others with "
            "the errors in their logs. Only the report is written."
        ),
    ] = False,
) -> None:
    """Write a report: the page of one cohort, or an index of several cohorts and a page for each."""
    from ... import genes as library

    paths = {"consensus": consensus, "agreement": agreement, "enrichment": enrichment}
    paths = {name: path for name, path in paths.items() if path is not None}
    reasons = {name: reason for name, _, reason in (entry.partition("=") for entry in failed or ())}
    if not missing_ok:
        if aggregation:
            raise typer.BadParameter(f"{_options(aggregation)}: only with --missing-ok, which computes a consensus")
        _write(out, folders, pages is not False, failed=reasons, tables=paths, **settings)
        return

    if paths:
        raise typer.BadParameter(f"--missing-ok computes tables of the finished cohorts; leave out {_options(paths)}")
    folders, missing = library.finished_cohorts(folders)
    for name, reason in missing.items():
        say("missing", f"{name}: {reason}", "bold yellow")
    if not folders:
        say("report", "no cohort is finished, so there is nothing to report")
        return
    partial = {"failed": reasons | missing, "partial": bool(missing)}
    with TemporaryDirectory() as folder:  # tables beside the report could be taken for those of all cohorts
        tables = _tables_of(folders, Path(folder), expected=list(missing), **aggregation)
        _write(out, folders, bool(pages), tables=tables, **partial, **settings)


def _write(out: Path, folders: list[Path], pages: bool, *, tables: dict[str, Path], **settings) -> None:
    """Write the page of one cohort, or the index of several and their pages."""
    from ... import genes as library
    from ...genes.report import PAGE
    from ...genes.report.across_tables import read_across

    if len(folders) == 1:
        read = {name: read_across(name, path, settings.get("top", SHOWN)) for name, path in tables.items()}
        library.write_report(out, folders, **read, **settings)
    else:
        own = [folder / PAGE for folder in folders]
        if out.resolve() in [path.resolve() for path in own]:
            raise library.CohortError(f"'{out}' is the page of one of the cohorts; name another file with --out")
        for folder, path in zip(folders, own, strict=True):
            if pages:
                page(folder=folder, out=path, **{name: settings[name] for name in ("top",) if name in settings})
        library.write_index(out, folders, **tables, **settings)
    say("report", str(out.resolve()))


def _tables_of(
    folders: list[Path],
    out: Path,
    *,
    expected: list[str],
    gene_sets: Path | None = None,
    seed: int | None = None,
    consensus_top: int | None = None,
    **settings,
) -> dict[str, Path]:
    """Write consensus, agreement and enrichment of some cohorts to a folder; return the paths of those there are."""
    from ... import genes as library

    paths = {name: out / f"{name}.tsv" for name in ("consensus", "agreement", "enrichment")}
    tables = [folder / "genes.parquet" for folder in folders]
    written = {}
    if len(folders) > 1:
        both = {"out": paths["consensus"], "agreement": paths["agreement"]}
        try:
            consensus(tables=tables, **both, expected=expected, top=consensus_top, **settings)
            written |= {name: paths[name] for name in ("consensus", "agreement")}
        except library.CohortError as error:  # such as no common group: the cohorts can still be reported one by one
            say("warning", f"without a consensus: {error}", "bold yellow")
    if gene_sets is not None:
        try:
            enrich(tables=tables, gene_sets=gene_sets, out=paths["enrichment"], seed=seed)
            written["enrichment"] = paths["enrichment"]
        except library.CohortError as error:
            say("warning", f"without gene sets: {error}", "bold yellow")
    return written


def _options(names) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)
