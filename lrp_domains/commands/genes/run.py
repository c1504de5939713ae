"""All steps of one cohort in one go."""

from pathlib import Path
from typing import Annotated

import typer

from . import options as o
from .across import report
from .cohort import curves, explain, rank, select, train


def run(
    cohort: o.Cohort,
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    labels: o.Labels = "",
    model: Annotated[Path | None, typer.Option(help="A model, if none is to be trained.")] = None,
    allow_pickle: o.AllowPickle = False,
    task: o.TaskOption = o.Task.CLASSES,
    time: o.Time = "",
    donor: o.Donor = "",
    layer: o.Layer = "X",
    normalisation: o.NormalisationOption = o.Normalisation.LOG,
    gene_column: o.GeneColumn = "",
    network: o.NetworkOption = o.Network.MLP,
    folds: o.Folds = 5,
    members: o.Members = 0,
    seed: o.Seed = 0,
    hidden: o.Hidden = 0,
    input_dropout: o.InputDropout = -1.0,
    epochs: o.Epochs = 200,
    patience: o.Patience = 10,
    target: o.Target = "predicted",
    against: o.Against = "",
    score: o.ScoreOption = o.Score.LOG_ODDS,
    rules: o.RulesOption = o.Rules.ATTN_LRP,
    first: o.First = 0,
    groupby: o.GroupBy = "",
    batch_size: o.BatchSize = 0,
    wilcoxon: o.Wilcoxon = True,
    top: o.Top = 10,
    device: o.Device = "auto",
) -> None:
    """Train (or take a model), explain, rank and report in one go."""
    name = cohort.stem
    if str(cohort) == "pbmc68k_reduced":
        cohort = out / "cohort.h5ad"
        select(Path("pbmc68k_reduced"), cohort)
    if model is None:
        if not labels:
            raise typer.BadParameter("name the column to learn (--labels), or a model (--model)")
        model = out / "model.pt"
        train(
            cohort, labels, model, out / "performance.tsv", task, time, donor, layer, normalisation, network, folds,
            members, seed, hidden, input_dropout, epochs, patience, device,
        )  # fmt: skip
    unranked = out / ".relevance.h5ad"
    try:
        explain(
            cohort, model, unranked, allow_pickle, target, against, score, rules, True, first, groupby, donor,
            gene_column, batch_size, device,
        )  # fmt: skip
        table = out / "genes.parquet"
        rank(
            unranked, out / "explained.h5ad", [table, out / "genes.tsv"], out / "stability.tsv", name, "", "",
            wilcoxon, seed,
        )  # fmt: skip
    finally:
        unranked.unlink(missing_ok=True)
    curves(out / "explained.h5ad", model, table, out / "curves.tsv", allow_pickle, 100, gene_column, seed, device)
    report([out], out / "report.html", None, None, None, [], name, top)
