"""What the gene commands take, said once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..rules import Rules


class Score(StrEnum):
    """Scores by their name on the command line."""

    LOG_ODDS = "log-odds"
    MARGIN = "margin"
    LOGIT = "logit"


class Task(StrEnum):
    """What a model tells of a cell or a patient."""

    CLASSES = "classes"
    VALUE = "value"
    SURVIVAL = "survival"


class Network(StrEnum):
    """The built-in networks."""

    MLP = "mlp"
    LINEAR = "linear"
    TRANSFORMER = "transformer"


class Normalisation(StrEnum):
    """What a layer holds, or is made into."""

    LOG = "log"
    COUNTS = "counts"
    LOG1P_CP10K = "log1p_cp10k"
    CENTRED = "centred"
    ZSCORE = "zscore"


Cohort = Annotated[
    Path,
    typer.Argument(help="An .h5ad file, a .zarr folder, or pbmc68k_reduced for the cohort that comes with scanpy."),
]
Explained = Annotated[Path, typer.Argument(help="An explained cohort, as 'genes explain' writes it.")]
Model = Annotated[
    Path, typer.Option(help="A model: trained by 'genes train', or declared in a .yaml file (see docs/genes.md).")
]
AllowPickle = Annotated[
    bool, typer.Option(help="Let a declared model be unpickled, which executes whatever code its file holds.")
]
Labels = Annotated[str, typer.Option(help="The column of obs to learn.")]
TaskOption = Annotated[Task, typer.Option(help="What the column holds: classes, a value, or (survival) the event.")]
Time = Annotated[str, typer.Option(help="The column of obs with the time to the event, for survival.")]
Donor = Annotated[
    str,
    typer.Option(help="The column of obs with donors or patients ('index': every row is one); none is in two folds."),
]
Layer = Annotated[str, typer.Option(help="The expression to read: X, raw, or a layer.")]
NormalisationOption = Annotated[
    Normalisation,
    typer.Option(help="What the layer holds (log, counts, centred), or what to make of it (log1p_cp10k, zscore)."),
]
GeneColumn = Annotated[str, typer.Option(help="The column of var with the model's gene names; var_names if not given.")]
NetworkOption = Annotated[Network, typer.Option(help="The network to train.")]
InputDropout = Annotated[
    float, typer.Option(help="Share of genes dropped at random in training; below 0 the kind of cohort decides.")
]
Folds = Annotated[int, typer.Option(help="In how many parts to cut the cells.")]
Members = Annotated[int, typer.Option(min=0, help="Networks per fold; 0 lets the size of the cohort decide.")]
Seed = Annotated[int, typer.Option(help="Fixes folds, weights and the order of cells.")]
Hidden = Annotated[int, typer.Option(min=0, help="Hidden neurons; 0 lets the network decide.")]
Epochs = Annotated[int, typer.Option(min=1, help="The most epochs of training.")]
Patience = Annotated[int, typer.Option(min=1, help="Stop after so many epochs without a lower validation loss.")]
Target = Annotated[str, typer.Option(help="What to explain: predicted, labelled, or the name of a class.")]
Against = Annotated[str, typer.Option(help="A class to set the target against.")]
ScoreOption = Annotated[
    Score, typer.Option(help="log-odds: logit minus the others' probability-weighted mean; margin: minus their mean.")
]
RulesOption = Annotated[Rules, typer.Option(help="The rule set.")]
KeepLayer = Annotated[bool, typer.Option(help="Keep the relevance of every gene in every cell as a layer.")]
First = Annotated[int, typer.Option(min=0, help="Keep the so many first genes of every cell.")]
GroupBy = Annotated[str, typer.Option(help="The column of obs with the groups to rank; the labels if not given.")]
BatchSize = Annotated[int, typer.Option(min=0, help="Cells explained at once; 0 lets the number of genes decide.")]
Device = Annotated[str, typer.Option(help="auto (a GPU if there is one), cpu, cuda, or cuda:N.")]
Top = Annotated[int, typer.Option(min=1, max=100, help="Genes shown per group.")]
Wilcoxon = Annotated[bool, typer.Option(help="Compare with scanpy's Wilcoxon test; without it with Welch's t.")]
Table = Annotated[Path, typer.Option(help="The table to write: .tsv or .parquet.")]
