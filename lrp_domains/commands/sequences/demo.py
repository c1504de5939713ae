"""The demo: two small networks trained on planted motifs, so that trying the commands needs no download."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import progress, say, say_time
from ..demo_models import say_accuracies, training_options, write_models
from ..grouped import grouped

TRAINING = training_options("sequences")
QUICK = {"steps": 150, "held_out": 120}
COMPARED, COMPARED_QUICKLY, EXPLAINED_QUICKLY = 60, 20, 40  # sequences


@grouped(training=TRAINING)
def train_demo(
    out: Annotated[
        Path, typer.Option(help="The folder to write: models cnn and transformer, sequences.fa, sites.json.")
    ],
    training: dict,
) -> None:
    """Train a small convolutional network and a small transformer on sequences with two motifs, in a minute."""
    _train(out, **training)


@grouped(training=TRAINING)
def demo(
    out: Annotated[Path, typer.Option(help="The folder to write: models, results, report.html.")], training: dict
) -> None:
    """Train both networks, explain sequences that they haven't seen, and compare methods with the planted motifs."""
    from ...demos.sequences.comparison import write_comparison
    from ...domain import Clock
    from ...sequences import explain_set, write_report

    clock, quick = Clock(), training.get("quick")
    with clock("training"):
        trained = _train(out / "models", **training)
    for name in ("cnn", "transformer"):
        with clock("explaining"):
            records = trained.records[:EXPLAINED_QUICKLY] if quick else trained.records
            explainer = trained.explainer(name, reference="shuffle")
            explain_set(explainer, records, out / name / "explained.parquet", progress=progress)
        if quick and name == "transformer":  # whose mutants take most of the time
            continue
        with clock("comparing"):
            count = COMPARED_QUICKLY if quick else COMPARED
            motifs = write_comparison(trained, name, out / name / "comparison", count, progress)
        say(name, f"recovered motifs, similarity {motifs}")
    with clock("writing"):
        write_report([out / "cnn", out / "transformer"], out / "report.html", examples=1 if quick else 8)
    say("report", str((out / "report.html").resolve()))
    say_time(clock)


def _train(out: Path, seed: int = 0, quick: bool = False) -> Any:
    from ...demos.sequences import train_demo

    size = QUICK if quick else {}
    trained = write_models(lambda: train_demo(seed, **size, progress=progress), out, "sites.json")
    say_accuracies(trained.accuracies, len(trained.labels), "sequences")
    return trained
