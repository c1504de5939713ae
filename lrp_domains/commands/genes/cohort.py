"""The steps of one cohort until there is a model: select, check, train."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from ..console import progress, say, say_time
from ..grouped import grouped
from . import options as o
from .small_tables import write_tsv


@grouped(rare=o.RARE)
def select(
    cohort: o.Cohort,
    out: Annotated[Path, typer.Option(help="The .h5ad file to write.")],
    rare: dict,
    where: o.Where = None,
    obs: o.Obs = None,
    labels: Annotated[str | None, typer.Option(help="The column of obs with the groups of --least-cells.")] = None,
) -> None:
    """Write some cells of a cohort of any format, or the demo cohort, to a new file."""
    from ... import genes as library
    from ...domain import Clock, require_space

    clock = Clock()
    refuse_to_replace(cohort, out)
    require_space(out)
    with clock("reading"):
        adata = library.read_cohort(cohort, obs=obs)
        chosen = chosen_cells(adata, where=where, labels=labels, **rare)
    with clock("writing"):
        library.write_cohort(chosen, out)
    say("selected", f"{chosen.n_obs} of {adata.n_obs} cells")
    say_time(clock)


@grouped(data=o.DATA, training=o.TRAINING, explanation=o.EXPLANATION, rare=o.RARE)
def check(
    cohort: o.Cohort,
    out: Annotated[Path, typer.Option(help="The summary to write, .json.")],
    data: dict,
    training: dict,
    explanation: dict,
    rare: dict,
    labels: o.OptionalLabels = None,
    model: o.OtherModel = None,
    allow_pickle: o.AllowPickle = False,
    allow_code: o.AllowCode = False,
    obs: o.Obs = None,
    wilcoxon: o.Wilcoxon = None,
) -> None:
    """Check a whole cohort, and what is asked of it, before anything is computed."""
    from ... import genes as library
    from ...domain import Clock, fingerprints, require_space, unchanged, whole_file

    clock = Clock()
    require_space(out)
    inputs = inputs_of(cohort, model)
    verify = unchanged(inputs)
    if rare or obs is not None:
        opened = nullcontext(chosen_cells(library.read_cohort(cohort, obs=obs), labels=labels, **rare))
    else:
        opened = library.open_cohort(cohort)
    with opened as adata:
        summary = checked(
            adata,
            labels=labels,
            model=None
            if model is None
            else library.load_model(model, allow_pickle=allow_pickle, allow_code=allow_code),
            data=data,
            training=training,
            explanation=explanation,
            wilcoxon=wilcoxon,
            clock=clock,
        )
    summary["inputs"] = fingerprints(inputs)
    verify()
    with whole_file(out) as temporary:
        temporary.write_text(json.dumps(summary, indent=1) + "\n")
    say_time(clock)


def inputs_of(cohort: Path, model: Path | None = None) -> dict[str, Path]:
    """Return the files of a cohort and its model, whose fingerprints are compared between the steps."""
    from ...genes.models.files import model_files

    return {"cohort": cohort} | ({} if model is None else model_files(model))


def checked(
    adata,
    *,
    labels: str | None,
    model,
    data: dict,
    training: dict,
    explanation: dict,
    wilcoxon: bool | None,
    clock=None,
) -> dict:
    """Check all that is known before networks are trained, print the cohort's size, and return a summary."""
    from ...domain import Clock
    from ...genes import Explanation, Training, check_cohort, expects_all
    from ...genes.explanation.requests.decoy_rate import check_comparison, check_rate

    request, settings = Explanation(**explanation), Training(**training)
    shared = {"donor": request.donor, "gene_column": request.gene_column}
    if "decoys" in training and "fdr" not in data:
        raise typer.BadParameter("--decoys is the number of draws for --fdr; name both")
    if "fdr" in data:
        check_rate(data["fdr"])
        check_comparison(request, labels=str(labels), of_classes=data.get("task", "classes") == "classes")
    if model is not None:
        shared |= {"model": model}
        expects = model.expects
    else:
        shared |= {name: data[name] for name in ("task", "time") if name in data} | {"training": settings}
        read = {name: data[name] for name in ("layer", "normalisation", "log_base") if name in data}
        expects = expects_all(adata, gene_column=request.gene_column, **read)
    with (clock or Clock())("reading and checking"):
        summary = check_cohort(
            adata, expects, labels=labels, explanation=request, wilcoxon=wilcoxon is not False, **shared
        )
    say("cohort", f"{summary['cells']} cells x {summary['genes']} genes, {summary['genes_read']} of them read")
    return summary


def chosen_cells(
    adata,
    *,
    where: str | None = None,
    labels: str | None = None,
    least_cells: int | None = None,
    rare: str | None = None,
):
    """Return the cells that a query selects, without groups of too few."""
    from ... import genes as library

    chosen = library.select_cells(adata, where) if where else adata
    if least_cells is None and rare is None:
        return chosen
    if labels is None:
        raise typer.BadParameter("name the column of the groups that may have too few cells (--labels)")
    if least_cells is None:
        raise typer.BadParameter("--rare merges groups of fewer than --least-cells cells; name both")
    return library.without_rare_groups(chosen, labels, least_cells, rare=rare)


def refuse_to_replace(cohort: Path, out: Path) -> None:
    """Raise if a file to write is the cohort itself."""
    from ...genes import CohortError

    if cohort.exists() and cohort.resolve() == out.resolve():
        raise CohortError(f"'{out}' is the cohort itself, which would be replaced; name another with --out")


@grouped(data=o.DATA, training=o.TRAINING, rare=o.RARE)
def train(
    cohort: o.Cohort,
    labels: o.Labels,
    out: Annotated[Path, typer.Option(help="The file of trained networks to write.")],
    performance: Annotated[Path, typer.Option(help="The table of accuracies per fold to write, .tsv.")],
    data: dict,
    training: dict,
    rare: dict,
    obs: o.Obs = None,
    donor: o.Donor = None,
    gene_column: o.GeneColumn = None,
    device: o.Device = None,
    check: o.Check = None,
) -> None:
    """Train networks out of fold: each without the cells that it will explain. Resumes an interrupted run."""
    from ... import __version__
    from ...domain import Clock, require_space, resumable, unchanged
    from ...genes import Training, read_cohort, save_model
    from ...genes import train as train_networks

    clock = Clock()
    for path in (out, performance):
        require_space(path)
    verify = unchanged(inputs_of(cohort), check, required="cohort")
    with clock("reading"):
        adata, settings = read_cohort(cohort, obs=obs), Training(**training)
    # Each network's file is named by all that determines it, so the key needs only the version.
    with resumable(out, f"lrp_domains {__version__}") as folder, clock("training"):
        model = train_networks(
            adata,
            labels,
            donor=donor,
            gene_column=gene_column,
            training=settings,
            device=device,
            resume=folder / "networks",
            progress=progress,
            **data,
            **rare,
        )
        verify()
        with clock("writing"):
            write_tsv(model.performance, performance)
            save_model(model, out)
    say_performance(model)
    say_time(clock)


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
