"""What the text commands take, said once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..rules import Rules


class Score(StrEnum):
    """Scores by their name on the command line."""

    LOG_ODDS = "log-odds"
    LOGIT = "logit"


class Long(StrEnum):
    """What becomes of texts that are too long for the model."""

    WINDOWS = "windows"
    TRUNCATE = "truncate"
    ERROR = "error"


Model = Annotated[
    str, typer.Option(help="A folder that save_pretrained() wrote, or a name on the hub; 'text train-demo' makes one.")
]
Corpus = Annotated[str, typer.Argument(help="A .csv, .tsv, .jsonl or .parquet file, or demo for the demo corpus.")]
TextColumn = Annotated[str, typer.Option(help="The column with the texts.")]
SecondColumn = Annotated[str, typer.Option(help="The column with the second text of each pair.")]
LabelColumn = Annotated[str, typer.Option(help="The column with the labels, to tell right from wrong.")]
Target = Annotated[str, typer.Option(help="The label to explain; the predicted one if not given.")]
Against = Annotated[str, typer.Option(help="A label to set the target against.")]
ScoreOption = Annotated[
    Score, typer.Option(help="log-odds: logit minus the others' probability-weighted mean; logit: the logit alone.")
]
RulesOption = Annotated[Rules, typer.Option(help="The rule set.")]
Task = Annotated[str, typer.Option(help="What the model is for, if its configuration doesn't tell.")]
LongOption = Annotated[Long | None, typer.Option(help="What becomes of texts that are too long for the model.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Texts explained at once.")]
Device = Annotated[str, typer.Option(help="auto (a GPU if there is one), cpu, cuda, or cuda:N.")]
Seed = Annotated[int, typer.Option(help="Fixes weights, held-out sentences and their order.")]
Top = Annotated[int, typer.Option(min=1, max=100, help="Words shown per class.")]
Html = Annotated[Path | None, typer.Option(help="Also write the coloured texts to this .html file.")]


def wanted(target: str, against: str) -> str | tuple[str, str] | None:
    """Put a target and what it is set against together."""
    if against and not target:
        raise typer.BadParameter("--against needs a --target to set it against")
    return (target, against) if against else target or None
