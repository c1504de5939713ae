"""The steps of one cohort that has a model: explain (in shards, gather), rank, curves."""

from pathlib import Path
from typing import Annotated

import typer

from ..console import progress, say, say_time
from ..grouped import grouped
from . import options as o
from .small_tables import write_tsv

CURVES = ["cohort", "group", "order", "curve", "genes", "probability", "standard_error"]  # of an empty table


@grouped(explanation=o.EXPLANATION)
def explain(
    cohort: o.Cohort,
    model: o.Model,
    out: Annotated[
        Path, typer.Option(help="The .h5ad or .zarr to write, the cohort with relevance; the folder of a shard.")
    ],
    explanation: dict,
    top: o.KeepTop = None,
    layer: Annotated[bool, typer.Option(help="Keep the relevance of every gene in every cell as a layer.")] = True,
    allow_pickle: o.AllowPickle = False,
    allow_code: o.AllowCode = False,
    check: o.Check = None,
    shard: Annotated[
        int | None, typer.Option(min=1, help="Explain one shard of the cohort, numbered from 1 (default: all cells).")
    ] = None,
    shards: Annotated[
        int | None, typer.Option(min=1, help="Number of shards, which 'genes gather' puts together (default: none).")
    ] = None,
) -> None:
    """Compute the relevance of every gene in every cell, in constant memory. Resumes an interrupted run."""
    from ...domain import Clock, unchanged
    from ...genes import Explanation, explain_shard, load_model, relevance_on_disk
    from ...genes.models.files import model_files

    if (shard is None) != (shards is None):
        raise typer.BadParameter("--shard is the number of one of --shards; name both")
    if top is not None:
        explanation["top"] = top
    clock = Clock()
    unchanged(model_files(model), check)
    with clock("loading"):
        loaded = load_model(model, allow_pickle=allow_pickle, allow_code=allow_code)
        request = Explanation(**explanation)
    common = {"layer": "lrp" if layer else None, "check": check, "progress": progress, "clock": clock}
    if shard is None:
        relevance_on_disk(cohort, loaded, out, explanation=request, **common)
    else:
        explain_shard(cohort, loaded, out, explanation=request, shard=shard, shards=shards, **common)
    say_time(clock)


def gather(
    folders: Annotated[list[Path], typer.Argument(help="The folders of all shards, as 'genes explain' writes them.")],
    cohort: Annotated[Path, typer.Option(help="The cohort that was explained.")],
    out: Annotated[Path, typer.Option(help="The .h5ad or .zarr to write: the cohort with relevance.")],
    check: o.Check = None,
) -> None:
    """Write the cohort with the relevance of all its shards, in constant memory."""
    from ... import genes as library
    from ...domain import Clock

    clock = Clock()
    library.gather_shards(folders, cohort, out, check=check, clock=clock)
    say_time(clock)


@grouped(settings=o.RANKING)
def rank(
    cohort: o.Explained,
    out: Annotated[Path, typer.Option(help="The .h5ad or .zarr to write: the cohort with ranked genes.")],
    table: Annotated[list[Path], typer.Option(help="The table of ranked genes: .tsv or .parquet; may be given twice.")],
    stability: Annotated[Path, typer.Option(help="The table of the networks' agreement, .tsv.")],
    settings: dict,
    name: Annotated[
        str | None, typer.Option(help="Name of the cohort in the tables (default: that of its file).")
    ] = None,
) -> None:
    """Rank the genes of every group by relevance."""
    from ...domain import Clock, require_space, size_on_disk
    from ...genes import rank_on_disk, write_table
    from ...genes.cohorts.cohort import cohort_name

    require_space(out, size_on_disk(cohort))
    for path in (*table, stability):
        require_space(path)
    clock = Clock()
    with clock("ranking"):
        ranked = rank_on_disk(cohort, out, cohort=name or cohort_name(cohort), **settings)
    with clock("writing tables"):
        for path in table:
            write_table(ranked.table, path)
        write_tsv(ranked.stability, stability)
    say_time(clock)


@grouped(settings=o.CURVES)
def curves(
    cohort: o.Explained,
    model: o.Model,
    table: Annotated[Path, typer.Option(help="The ranked genes, as 'genes rank' writes them.")],
    out: Annotated[Path, typer.Option(help="The table of curves to write, .tsv.")],
    settings: dict,
    allow_pickle: o.AllowPickle = False,
    allow_code: o.AllowCode = False,
    check: o.Check = None,
) -> None:
    """Delete and insert the top genes of each group, and measure how its probability changes."""
    from ...domain import Clock, require_space, unchanged
    from ...genes import curves as measure
    from ...genes import load_model, open_cohort, read_table
    from ...genes.explanation.runs.explained_from import check_explained_from
    from ...genes.models.files import model_files

    clock = Clock()
    require_space(out)
    unchanged(model_files(model), check)
    verify = unchanged({"explained cohort": cohort, "table": table})
    with clock("loading"):
        ranked = read_table(table)
        loaded = load_model(model, allow_pickle=allow_pickle, allow_code=allow_code)
    if loaded.task == "classes" and not set(ranked["group"]) & set(loaded.classes):
        say("curves", "not measured, because no group is a class of the model")
        write_tsv(ranked[:0].reindex(columns=CURVES), out)
        return
    with clock("measuring"), open_cohort(cohort) as adata:
        if check is not None:
            check_explained_from(adata, loaded, check)
        measured = measure(adata, loaded, ranked, progress=progress, **settings)
    verify()
    write_tsv(measured, out)
    say_time(clock)
