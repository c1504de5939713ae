"""The steps of one cohort: select, check, train, explain, rank, curves."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ..console import progress, say
from . import options as o


def select(
    cohort: o.Cohort,
    out: Annotated[Path, typer.Option(help="The .h5ad file to write.")],
    where: Annotated[str, typer.Option(help='A query on obs, such as "er.notna()"; all cells if not given.')] = "",
) -> None:
    """Write some cells of a cohort, or the demo cohort, to a file of their own."""
    from ... import genes as library

    adata = library.read_cohort(cohort)
    chosen = library.select_cells(adata, where) if where else adata
    library.write_cohort(chosen, out)
    say("selected", f"{chosen.n_obs} of {adata.n_obs} cells")


def check(
    cohort: o.Cohort,
    out: Annotated[Path, typer.Option(help="What was found, as .json.")],
    labels: o.Labels = "",
    task: o.TaskOption = o.Task.CLASSES,
    donor: o.Donor = "",
    layer: o.Layer = "X",
    normalisation: o.NormalisationOption = o.Normalisation.LOG,
    gene_column: o.GeneColumn = "",
    model: Annotated[Path | None, typer.Option(help="The model to explain it with, if none is to be trained.")] = None,
    allow_pickle: o.AllowPickle = False,
    folds: o.Folds = 5,
) -> None:
    """Look at a cohort from end to end before any computing."""
    from ... import genes as library
    from ...domain.files import whole_file

    with library.open_cohort(cohort) as adata:
        if model is not None:
            declared = library.load_model(model, allow_pickle=allow_pickle)
            found = library.check_cohort(
                adata, declared.expects, labels=labels, donor=donor, gene_column=gene_column or None
            )
        else:
            expects = library.expects_all(adata, layer=layer, normalisation=normalisation.value)
            found = library.check_cohort(adata, expects, labels=labels, task=task.value, donor=donor, folds=folds)
    with whole_file(out) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n")
    say("cohort", f"{found['cells']} cells x {found['genes']} genes, {found['genes_read']} of them read")


def train(
    cohort: o.Cohort,
    labels: o.Labels,
    out: Annotated[Path, typer.Option(help="The file of trained networks to write.")],
    performance: Annotated[Path, typer.Option(help="The table of accuracies per fold to write, .tsv.")],
    task: o.TaskOption = o.Task.CLASSES,
    time: o.Time = "",
    donor: o.Donor = "",
    layer: o.Layer = "X",
    normalisation: o.NormalisationOption = o.Normalisation.LOG,
    network: o.NetworkOption = o.Network.MLP,
    folds: o.Folds = 5,
    members: o.Members = 0,
    seed: o.Seed = 0,
    hidden: o.Hidden = 0,
    input_dropout: o.InputDropout = -1.0,
    epochs: o.Epochs = 200,
    patience: o.Patience = 10,
    device: o.Device = "auto",
) -> None:
    """Train networks out of fold: each without the cells it will explain. Goes on where it was interrupted."""
    from ... import genes as library

    settings = library.Training(
        folds=folds, seed=seed, members=members or "auto", network=network.value, hidden=hidden or "auto",
        input_dropout=input_dropout if input_dropout >= 0 else "auto", epochs=epochs, patience=patience,
    )  # fmt: skip
    unfinished = out.with_name(f".{out.name}.parts")
    model = library.train(
        library.read_cohort(cohort),
        labels,
        task=task.value,
        time=time or None,
        donor=donor or None,
        layer=layer,
        normalisation=normalisation.value,
        training=settings,
        device=device,
        progress=progress,
        resume=unfinished,
    )
    write_tsv(model.performance, performance)
    library.save_model(model, out)
    forget(unfinished)
    say_performance(model)


def explain(
    cohort: o.Cohort,
    model: o.Model,
    out: Annotated[Path, typer.Option(help="The .h5ad file to write: the cohort with relevance.")],
    allow_pickle: o.AllowPickle = False,
    target: o.Target = "predicted",
    against: o.Against = "",
    score: o.ScoreOption = o.Score.LOG_ODDS,
    rules: o.RulesOption = o.Rules.ATTN_LRP,
    layer: o.KeepLayer = True,
    first: o.First = 0,
    groupby: o.GroupBy = "",
    donor: o.Donor = "",
    gene_column: o.GeneColumn = "",
    batch_size: o.BatchSize = 0,
    device: o.Device = "auto",
) -> None:
    """Compute the relevance of every gene in every cell, in constant memory. Goes on where it was interrupted."""
    import lrp_domains

    from ... import genes as library

    library.relevance_on_disk(
        cohort,
        library.load_model(model, allow_pickle=allow_pickle),
        out,
        target=target,
        against=against or None,
        score=score.value,
        rules=getattr(lrp_domains, rules.name),
        layer="lrp" if layer else None,
        first=first,
        groupby=groupby or None,
        donor=donor or None,
        gene_column=gene_column or None,
        batch_size=batch_size or "auto",
        device=device,
        progress=progress,
    )


def rank(
    cohort: o.Explained,
    out: Annotated[Path, typer.Option(help="The .h5ad file to write: the cohort with ranked genes.")],
    table: Annotated[list[Path], typer.Option(help="The table of ranked genes: .tsv or .parquet; may be given twice.")],
    stability: Annotated[Path, typer.Option(help="The table of how far the networks agree, .tsv.")],
    name: Annotated[str, typer.Option(help="What the cohort is called in the tables.")] = "",
    groupby: o.GroupBy = "",
    donor: o.Donor = "",
    wilcoxon: o.Wilcoxon = True,
    seed: o.Seed = 0,
) -> None:
    """Rank the genes of every group by relevance."""
    from ... import genes as library

    found = library.rank_on_disk(
        cohort, out, groupby=groupby or None, donor=donor or None, cohort=name or cohort.stem, wilcoxon=wilcoxon,
        seed=seed,
    )  # fmt: skip
    for path in table:
        library.write_table(found.table, path)
    write_tsv(found.stability, stability)


def curves(
    cohort: o.Explained,
    model: o.Model,
    table: Annotated[Path, typer.Option(help="The ranked genes, as 'genes rank' writes them.")],
    out: Annotated[Path, typer.Option(help="The table of curves to write, .tsv.")],
    allow_pickle: o.AllowPickle = False,
    most: Annotated[int, typer.Option(min=1, help="The most genes to delete or insert.")] = 100,
    gene_column: o.GeneColumn = "",
    seed: o.Seed = 0,
    device: o.Device = "auto",
) -> None:
    """Delete and insert the first genes of each group, and see what becomes of its probability."""
    from ... import genes as library

    with library.open_cohort(cohort) as adata:
        found = library.curves(
            adata,
            library.load_model(model, allow_pickle=allow_pickle),
            library.read_table(table),
            most=most,
            gene_column=gene_column or None,
            seed=seed,
            device=device,
            progress=progress,
        )
    write_tsv(found, out)


def say_performance(model) -> None:
    """Say in one line how well a trained model predicts what it has not seen."""
    mean = model.performance.mean(numeric_only=True)
    shown = {
        "held_out_accuracy": "accuracy", "held_out_balanced_accuracy": "balanced", "held_out_r2": "R²",
        "held_out_concordance": "concordance",
    }  # fmt: skip
    parts = [f"{word} {mean[column]:.3f}" for column, word in shown.items() if column in mean]
    say("held out", f"{', '.join(parts)} (means of {len(model.networks)} folds, {model.n_networks} networks)")


def write_tsv(table, path: Path) -> None:
    """Write a small table."""
    from ...domain.files import whole_file

    with whole_file(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, float_format="%.6g")


def forget(folder: Path) -> None:
    """Remove what was kept for an interruption."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
