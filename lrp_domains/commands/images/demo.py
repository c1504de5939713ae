"""The demo: two small networks trained on handwritten digits, so that trying the commands needs no download."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import progress, say
from ..demo_models import say_accuracies, training_options, write_models
from ..grouped import grouped

TRAINING = training_options("held-out pictures")
QUICK = {"epochs": 6}


@grouped(training=TRAINING)
def train_demo(
    out: Annotated[Path, typer.Option(help="The folder to write: models cnn and vit, pictures, pictures.tsv.")],
    training: dict,
) -> None:
    """Train a small convolutional network and a small vision transformer on digits, in less than a minute."""
    _train(out, **training)


@grouped(training=TRAINING)
def demo(
    out: Annotated[Path, typer.Option(help="The folder to write: models, results, report.html.")], training: dict
) -> None:
    """Train both networks, explain digits that they haven't seen, and write a report of them."""
    from ...images import ImageExplainer, explain_set, write_report

    _train(out / "models", **training)
    for name in ("cnn", "vit"):
        explainer = ImageExplainer.from_pretrained(out / "models" / name, device="cpu")
        explain_set(explainer, out / "models" / "pictures.tsv", out / name / "explained.parquet", progress=progress)
    write_report([out / "cnn", out / "vit"], out / "report.html")
    say("report", str((out / "report.html").resolve()))


def _train(out: Path, seed: int = 0, quick: bool = False) -> Any:
    from ...demos.images import train_demo

    size = QUICK if quick else {}
    trained = write_models(lambda: train_demo(seed, **size, progress=progress), out, "pictures.tsv")
    say_accuracies(trained.accuracies, len(trained.labels), "pictures")
    return trained
