"""The steps of one cohort: select, check, train, explain, rank, curves."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ..console import progress, say
from ..grouped import grouped
from . import options as o


def select(
    cohort: o.Cohort,
    out: Annotated[Path, typer.Option(help="The .h5ad file to write.")],
    where: Annotated[
        str | None, typer.Option(help='A query on obs, such as "er.notna()" (default: all cells).')
    ] = None,
) -> None:
    """Write some cells of a cohort, or the demo cohort, to a new file."""
    from ... import genes as library

    adata = library.read_cohort(cohort)
    chosen = library.select_cells(adata, where) if where else adata
    library.write_cohort(chosen, out)
    say("selected", f"{chosen.n_obs} of {adata.n_obs} cells")


@grouped(data={name: o.DATA[name] for name in ("task", "layer", "normalisation", "log_base")})
def check(
    cohort: o.Cohort,
    out: Annotated[Path, typer.Option(help="The summary to write, .json.")],
    data: dict,
    labels: o.OptionalLabels = None,
    donor: o.Donor = None,
    gene_column: o.GeneColumn = None,
    model: o.OtherModel = None,
    allow_pickle: o.AllowPickle = False,
    folds: o.Folds = None,
) -> None:
    """Check a whole cohort before anything is computed."""
    from ... import genes as library
    from ...domain import whole_file

    with library.open_cohort(cohort) as adata:
        if model is not None:
            expects = library.load_model(model, allow_pickle=allow_pickle).expects
            training = {}
        else:
            training = {"folds": library.Training().folds if folds is None else folds}
            if "task" in data:
                training["task"] = data.pop("task")
            expects = library.expects_all(adata, **data)
        summary = library.check_cohort(adata, expects, labels=labels, donor=donor, gene_column=gene_column, **training)
    with whole_file(out) as temporary:
        temporary.write_text(json.dumps(summary, indent=1) + "\n")
    say("cohort", f"{summary['cells']} cells x {summary['genes']} genes, {summary['genes_read']} of them read")


@grouped(data=o.DATA, training=o.TRAINING)
def train(
    cohort: o.Cohort,
    labels: o.Labels,
    out: Annotated[Path, typer.Option(help="The file of trained networks to write.")],
    performance: Annotated[Path, typer.Option(help="The table of accuracies per fold to write, .tsv.")],
    data: dict,
    training: dict,
    donor: o.Donor = None,
    device: o.Device = None,
) -> None:
    """Train networks out of fold: each without the cells that it will explain. Resumes an interrupted run."""
    from ... import __version__
    from ... import genes as library
    from ...domain import resumable

    adata, settings = library.read_cohort(cohort), library.Training(**training)
    # Each network's file is named by all that determines it, so the key needs only the version.
    with resumable(out, f"lrp_domains {__version__}") as folder:
        model = library.train(
            adata,
            labels,
            donor=donor,
            training=settings,
            device=device,
            resume=folder / "networks",
            progress=progress,
            **data,
        )
        write_tsv(model.performance, performance)
        library.save_model(model, out)
    say_performance(model)


@grouped(explanation=o.EXPLANATION)
def explain(
    cohort: o.Cohort,
    model: o.Model,
    out: Annotated[Path, typer.Option(help="The .h5ad file to write: the cohort with relevance.")],
    explanation: dict,
    top: o.KeepTop = None,
    layer: Annotated[bool, typer.Option(help="Keep the relevance of every gene in every cell as a layer.")] = True,
    allow_pickle: o.AllowPickle = False,
) -> None:
    """Compute the relevance of every gene in every cell, in constant memory. Resumes an interrupted run."""
    from ... import genes as library

    if top is not None:
        explanation["top"] = top
    library.relevance_on_disk(
        cohort,
        library.load_model(model, allow_pickle=allow_pickle),
        out,
        explanation=library.Explanation(**explanation),
        layer="lrp" if layer else None,
        progress=progress,
    )


@grouped(settings=o.RANKING)
def rank(
    cohort: o.Explained,
    out: Annotated[Path, typer.Option(help="The .h5ad file to write: the cohort with ranked genes.")],
    table: Annotated[list[Path], typer.Option(help="The table of ranked genes: .tsv or .parquet; may be given twice.")],
    stability: Annotated[Path, typer.Option(help="The table of the networks' agreement, .tsv.")],
    settings: dict,
    name: Annotated[
        str | None, typer.Option(help="Name of the cohort in the tables (default: that of its file).")
    ] = None,
) -> None:
    """Rank the genes of every group by relevance."""
    from ... import genes as library

    ranked = library.rank_on_disk(cohort, out, cohort=name or cohort.stem, **settings)
    for path in table:
        library.write_table(ranked.table, path)
    write_tsv(ranked.stability, stability)


@grouped(settings=o.CURVES)
def curves(
    cohort: o.Explained,
    model: o.Model,
    table: Annotated[Path, typer.Option(help="The ranked genes, as 'genes rank' writes them.")],
    out: Annotated[Path, typer.Option(help="The table of curves to write, .tsv.")],
    settings: dict,
    allow_pickle: o.AllowPickle = False,
) -> None:
    """Delete and insert the top genes of each group, and measure how its probability changes."""
    from ... import genes as library

    ranked = library.read_table(table)
    loaded = library.load_model(model, allow_pickle=allow_pickle)
    with library.open_cohort(cohort) as adata:
        measured = library.curves(adata, loaded, ranked, progress=progress, **settings)
    write_tsv(measured, out)


def say_performance(model) -> None:
    """Print how well a trained model predicts held-out cells, in one line."""
    mean = model.performance.mean(numeric_only=True)
    words = {
        "held_out_accuracy": "accuracy",
        "held_out_balanced_accuracy": "balanced",
        "held_out_r2": "R²",
        "held_out_concordance": "concordance",
    }
    parts = [f"{word} {mean[column]:.3f}" for column, word in words.items() if column in mean]
    say("held out", f"{', '.join(parts)} (means of {len(model.networks)} folds, {model.n_networks} networks)")


def write_tsv(table, path: Path) -> None:
    """Write a small table."""
    from ...domain import whole_file

    with whole_file(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, float_format="%.6g")
