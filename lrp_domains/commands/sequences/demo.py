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
    from ...domain import Clock
    from ...sequences import explain_file, write_report

    clock, quick = Clock(), training.get("quick")
    with clock("training"):
        trained = _train(out / "models", **training)
    for name in ("cnn", "transformer"):
        with clock("explaining"):
            records = trained.records[:EXPLAINED_QUICKLY] if quick else trained.records
            explainer = trained.explainer(name, reference="shuffle")
            explain_file(explainer, records, out / name / "explained.parquet", progress=progress)
        if quick and name == "transformer":  # whose mutants take most of the time
            continue
        with clock("comparing"):
            _compare(trained, name, COMPARED_QUICKLY if quick else COMPARED, out / name / "comparison")
    with clock("writing"):
        write_report([out / "cnn", out / "transformer"], out / "report.html", examples=1 if quick else 8)
    say("report", str((out / "report.html").resolve()))
    say_time(clock)


def _compare(trained: Any, name: str, count: int, folder: Path) -> None:
    """Write the comparison of methods on one of the networks to a folder."""
    from ...demos.sequences import compare_methods, recovered_motifs
    from ...evaluation.page import write_comparison

    found = compare_methods(trained, name, count, progress)
    motifs = ", ".join(f"{motif} {value:.2f}" for motif, value in recovered_motifs(trained, name, count).items())
    notes = [f"Similarity of the planted motifs with what SECANT's seqlets average to: {motifs}."]
    write_comparison(found, folder, title="Methods compared with planted motifs", notes=notes)
    say(name, f"recovered motifs, similarity {motifs}")


def _train(out: Path, seed: int = 0, quick: bool = False) -> Any:
    from ...demos.sequences import train_demo

    size = QUICK if quick else {}
    trained = write_models(lambda: train_demo(seed, **size, progress=progress), out, "sites.json")
    say_accuracies(trained.accuracies, len(trained.labels), "sequences")
    return trained
