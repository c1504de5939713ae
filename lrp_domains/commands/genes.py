"""``lrp-domains genes``: each step from a cohort to its report, and all of them in one go.

What a step needs is imported when it runs: anndata and scanpy take seconds, which ``--help`` needn't wait
for.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .console import progress, say

genes = typer.Typer(no_args_is_help=True, help="Explain classifiers of cells by the genes they rest on.")


class Rules(StrEnum):
    """Rule sets by their name on the command line."""

    ATTN_LRP = "attn-lrp"
    CP_LRP = "cp-lrp"
    EPSILON = "epsilon"
    GAMMA = "gamma"
    ALPHA_BETA = "alpha-beta"
    GRADIENT = "gradient"


class Score(StrEnum):
    """Scores by their name on the command line."""

    MARGIN = "margin"
    LOGIT = "logit"


Cohort = Annotated[
    Path, typer.Argument(help="An .h5ad file, or pbmc68k_reduced for the cohort that comes with scanpy.")
]
Explained = Annotated[Path, typer.Argument(help="An explained cohort, as 'genes explain' writes it.")]
Ranked = Annotated[Path, typer.Argument(help="A ranked cohort, as 'genes rank' writes it.")]
Models = Annotated[Path, typer.Option(help="The classifiers, as 'genes train' writes them.")]
Labels = Annotated[str, typer.Option(help="The column of obs to learn.")]
Layer = Annotated[str, typer.Option(help="The expression to read: X, raw, or a layer.")]
Folds = Annotated[int, typer.Option(help="In how many parts to cut the cells.")]
Seed = Annotated[int, typer.Option(help="Fixes folds, weights and the order of cells.")]
Hidden = Annotated[int, typer.Option(min=1, help="Hidden neurons.")]
Epochs = Annotated[int, typer.Option(min=1, help="The most epochs of training.")]
Patience = Annotated[int, typer.Option(min=1, help="Stop after so many epochs without a lower validation loss.")]
Target = Annotated[str, typer.Option(help="What to explain: predicted, labelled, or the name of a class.")]
ScoreOption = Annotated[Score, typer.Option(help="margin: logit minus the mean of the others; logit: alone.")]
RulesOption = Annotated[Rules, typer.Option(help="The rule set.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Cells explained at once.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, or cuda:N.")]
Top = Annotated[int, typer.Option(min=1, max=100, help="Genes shown per group.")]
Wilcoxon = Annotated[bool, typer.Option(help="Add scanpy's Wilcoxon test for comparison.")]


@genes.command("demo-cohort")
def demo_cohort(out: Annotated[Path, typer.Option(help="The .h5ad file to write.")]) -> None:
    """Write the cohort that comes with scanpy: 700 blood cells of 10 types."""
    from .. import genes as library

    library.write_cohort(library.demo_cohort(), out)


@genes.command()
def train(
    cohort: Cohort,
    labels: Labels,
    out: Annotated[Path, typer.Option(help="The file of classifiers to write.")],
    accuracy: Annotated[Path, typer.Option(help="The table of accuracies per fold to write, .tsv.")],
    layer: Layer = "X",
    folds: Folds = 5,
    seed: Seed = 0,
    hidden: Hidden = 128,
    epochs: Epochs = 200,
    patience: Patience = 10,
    device: Device = "cpu",
) -> None:
    """Train one classifier per fold, each without the cells it will explain."""
    from .. import genes as library

    _check_device(device)
    settings = library.Training(folds=folds, seed=seed, hidden=hidden, epochs=epochs, patience=patience)
    classifiers = library.train_out_of_fold(
        library.read_cohort(cohort), labels, layer=layer, training=settings, device=device, progress=progress
    )
    _write_table(classifiers.accuracy, accuracy)
    library.save_classifiers(classifiers, out)
    _say_accuracy(classifiers)


@genes.command()
def explain(
    cohort: Cohort,
    models: Models,
    out: Annotated[Path, typer.Option(help="The .h5ad file to write: the cohort with relevance.")],
    target: Target = "predicted",
    score: ScoreOption = Score.MARGIN,
    rules: RulesOption = Rules.ATTN_LRP,
    batch_size: BatchSize = 512,
    device: Device = "cpu",
) -> None:
    """Compute the relevance of every gene in every cell."""
    from .. import genes as library

    _check_device(device)
    adata, classifiers = library.read_cohort(cohort), library.load_classifiers(models, device)
    _explain(adata, classifiers, target, score, rules, batch_size)
    library.write_cohort(adata, out)


@genes.command()
def rank(
    cohort: Explained,
    out: Annotated[Path, typer.Option(help="The .h5ad file to write: the cohort with ranked genes.")],
    table: Annotated[Path, typer.Option(help="The table of ranked genes to write, .tsv.")],
    wilcoxon: Wilcoxon = True,
) -> None:
    """Rank the genes of every group by relevance."""
    from .. import genes as library

    adata = library.read_cohort(cohort)
    library.rank_genes(adata, wilcoxon=wilcoxon)
    _write_table(library.ranking_table(adata), table)
    library.write_cohort(adata, out)


@genes.command()
def report(
    cohort: Ranked,
    out: Annotated[Path, typer.Option(help="The .html file to write.")],
    accuracy: Annotated[Path, typer.Option(help="The table of accuracies, as 'genes train' writes it.")],
    top: Top = 10,
    title: Annotated[str, typer.Option(help="What the cohort is called in the report.")] = "",
) -> None:
    """Write a report with tables and figures, in one file."""
    import pandas

    from .. import genes as library

    adata = library.read_cohort(cohort)
    library.write_report(adata, pandas.read_csv(accuracy, sep="\t"), out, top=top, title=title or cohort.stem)
    say("report", str(out.resolve()))


@genes.command()
def run(
    cohort: Cohort,
    labels: Labels,
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    layer: Layer = "X",
    folds: Folds = 5,
    seed: Seed = 0,
    hidden: Hidden = 128,
    epochs: Epochs = 200,
    patience: Patience = 10,
    target: Target = "predicted",
    score: ScoreOption = Score.MARGIN,
    rules: RulesOption = Rules.ATTN_LRP,
    batch_size: BatchSize = 512,
    wilcoxon: Wilcoxon = True,
    top: Top = 10,
    device: Device = "cpu",
) -> None:
    """Train, explain, rank and report in one go."""
    from .. import genes as library

    _check_device(device)
    adata = library.read_cohort(cohort)
    settings = library.Training(folds=folds, seed=seed, hidden=hidden, epochs=epochs, patience=patience)
    classifiers = library.train_out_of_fold(
        adata, labels, layer=layer, training=settings, device=device, progress=progress
    )
    _say_accuracy(classifiers)
    _explain(adata, classifiers, target, score, rules, batch_size)
    library.rank_genes(adata, wilcoxon=wilcoxon)
    _write_table(classifiers.accuracy, out / "accuracy.tsv")
    library.save_classifiers(classifiers, out / "models.pt")
    _write_table(library.ranking_table(adata), out / "genes.tsv")
    library.write_cohort(adata, out / "ranked.h5ad")
    library.write_report(adata, classifiers.accuracy, out / "report.html", top=top, title=cohort.stem)
    say("report", str((out / "report.html").resolve()))


def _check_device(device: str) -> None:
    """See that the device is there."""
    import torch

    from ..genes import CohortError

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise CohortError(f"there is no device '{device}' here: {str(error).splitlines()[0]}; use cpu") from error


def _explain(adata, classifiers, target: str, score: Score, rules: Rules, batch_size: int) -> None:
    import lrp_domains

    from .. import genes as library

    chosen = getattr(lrp_domains, rules.name)
    library.explain(
        adata,
        classifiers,
        target=target,
        score=score.value,
        rules=chosen,
        batch_size=batch_size,
        progress=progress,
    )


def _say_accuracy(classifiers) -> None:
    mean = classifiers.accuracy.mean(numeric_only=True)
    say(
        "held-out accuracy",
        f"{mean['held_out_accuracy']:.3f}, balanced {mean['held_out_balanced_accuracy']:.3f} "
        f"(means of {len(classifiers.networks)} folds, {len(classifiers.classes)} groups)",
    )


def _write_table(table, path: Path) -> None:
    from ..genes.files import whole_file

    with whole_file(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, float_format="%.6g")
