"""The demo: a small transformer trained on sentences, so that trying the commands needs no download."""

from pathlib import Path
from typing import Annotated

import typer

from ..console import progress
from ..demo_models import say_accuracies, seed_option, write_models
from ..grouped import grouped


@grouped(training={"seed": seed_option("held-out sentences")})
def train_demo(
    out: Annotated[Path, typer.Option(help="The folder to write: model, tokenizer, and the held-out sentences.")],
    training: dict,
) -> None:
    """Train a small transformer on the demo corpus from scratch, in less than a minute."""
    from ...demos.text import train_demo

    trained = write_models(lambda: train_demo(**training, progress=progress), out, "held_out.tsv")
    say_accuracies({"held out": trained.accuracy}, len(trained.held_out), "sentences")
