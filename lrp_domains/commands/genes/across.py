"""The steps across cohorts: consensus, enrichment, report."""

from pathlib import Path
from typing import Annotated

import typer

from ..console import say
from . import options as o
from .cohort import write_tsv

Tables = Annotated[list[Path], typer.Argument(help="Tables of ranked genes, as 'genes rank' writes them.")]


def consensus(
    tables: Tables,
    out: Annotated[Path, typer.Option(help="The table of consensus genes to write, .tsv.")],
    agreement: Annotated[Path, typer.Option(help="The table of agreement between cohorts to write, .tsv.")],
    expected: Annotated[list[str], typer.Option(help="A cohort that should be there; may be given many times.")] = [],  # noqa: B006
    direction: Annotated[bool, typer.Option(help="Order genes by relevance, those lower in the group last.")] = True,
    top: o.Top = 20,
    least_cohorts: Annotated[int, typer.Option(min=1, help="In how many cohorts a gene must be measured.")] = 2,
) -> None:
    """Aggregate the ranked genes of several cohorts, and tell how far they agree."""
    import pandas as pd

    from ... import genes as library

    table = pd.concat([library.read_table(path) for path in tables], ignore_index=True)
    found = library.consensus(
        table, direction=direction, top=top, least_cohorts=least_cohorts, expected=expected or None
    )
    agreeing = library.agreement(table, direction=direction, top=top)
    write_tsv(agreeing, agreement)
    write_tsv(found, out)
    if absent := sorted(set(expected) - set(table["cohort"])):
        say("missing", f"{', '.join(absent)}: not in the consensus", "bold yellow")


def enrich(
    tables: Tables,
    gene_sets: Annotated[Path, typer.Option(help="Gene sets, .gmt.")],
    out: Annotated[Path, typer.Option(help="The table of enriched sets to write, .tsv.")],
    seed: o.Seed = 0,
) -> None:
    """Test which gene sets lead the rankings (GSEA prerank)."""
    import pandas as pd

    from ... import genes as library

    table = pd.concat([library.read_table(path) for path in tables], ignore_index=True)
    write_tsv(library.enrich(table, gene_sets, seed=seed), out)


def report(
    folders: Annotated[list[Path], typer.Argument(help="The cohorts' folders of results.")],
    out: Annotated[Path, typer.Option(help="The .html file to write.")],
    consensus: Annotated[Path | None, typer.Option(help="As 'genes consensus' writes it.")] = None,
    agreement: Annotated[Path | None, typer.Option(help="As 'genes consensus' writes it.")] = None,
    enrichment: Annotated[Path | None, typer.Option(help="As 'genes enrich' writes it.")] = None,
    failed: Annotated[list[str], typer.Option(help="A cohort that failed, and why: NAME=REASON.")] = [],  # noqa: B006
    title: Annotated[str, typer.Option(help="What the run is called.")] = "Genes that carry each group",
    top: o.Top = 10,
) -> None:
    """Write a report of all cohorts with tables and figures, in one file."""
    import pandas as pd

    from ... import genes as library

    given = {
        name: pd.read_csv(path, sep="\t") if path is not None else None
        for name, path in (("consensus", consensus), ("agreement", agreement), ("enrichment", enrichment))
    }
    reasons = {name: reason for name, _, reason in (one.partition("=") for one in failed)}
    library.write_report(out, folders, **given, failed=reasons, title=title, top=top)
    say("report", str(out.resolve()))
