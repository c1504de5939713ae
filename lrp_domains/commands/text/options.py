"""The options of the text commands, each described once. Their defaults are the library's."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ..choices import RulesOption, ScoreOption


class Long(StrEnum):
    """What happens to texts that are too long for the model."""

    WINDOWS = "windows"
    TRUNCATE = "truncate"
    ERROR = "error"


Corpus = Annotated[str, typer.Argument(help="A .csv, .tsv, .jsonl or .parquet file, or demo for the demo corpus.")]
Seed = Annotated[int | None, typer.Option(help="Seed of weights, held-out sentences and their order (default 0).")]
Html = Annotated[Path | None, typer.Option(help="Also write the coloured texts to this .html file.")]
_MODEL = "A folder that save_pretrained() wrote, or a name on the hub; 'text train-demo' trains one."

MODEL = {
    "model": Annotated[str | None, typer.Option(help=_MODEL)],
    "task": Annotated[str | None, typer.Option(help="What the model is for (default: the task in its configuration).")],
    "device": Annotated[
        str | None, typer.Option(help="Where to compute: cpu, cuda, or cuda:N (default: a GPU if there is one).")
    ],
}
COLUMNS = {
    "text_column": Annotated[str | None, typer.Option(help="The column with the texts (default text).")],
    "second_column": Annotated[
        str | None, typer.Option(help="The column with the second text of each pair (default: single texts).")
    ],
    "label_column": Annotated[
        str | None,
        typer.Option(help="The column with the labels, to report which predictions are right (default: none)."),
    ],
}
REQUEST = {
    "target": Annotated[str | None, typer.Option(help="The label to explain (default: the predicted one).")],
    "against": Annotated[
        str | None,
        typer.Option(
            help="A label to contrast the target with: the difference of the two logits is explained (default: none)."
        ),
    ],
    "reference": Annotated[
        str | None,
        typer.Option(
            help="Explain the difference from a reference: mask or pad (each word replaced by that token), or a text "
            "of as many tokens (default: none, the score itself)."
        ),
    ],
}
SETTINGS = {
    "score": ScoreOption,
    "rules": RulesOption,
    "long": Annotated[
        Long | None,
        typer.Option(
            help="What happens to texts that are too long for the model (default: windows for classifiers, else an "
            "error)."
        ),
    ],
    "batch_size": Annotated[int | None, typer.Option(min=1, help="Texts explained at once (default 16).")],
}


def check_request(request: dict[str, Any]) -> None:
    """Raise if `against` is given without a target."""
    if "against" in request and "target" not in request:
        raise typer.BadParameter("--against requires a --target to contrast with it")
