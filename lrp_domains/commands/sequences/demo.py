"""The demo: two small networks trained on planted motifs, so that trying the commands needs no download."""

from pathlib import Path
from typing import Annotated

import typer

from ..console import progress, say, say_time
from ..grouped import grouped
from . import options as o

TRAINING = {"seed": o.Seed, "quick": o.Quick}
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
    _train(out, training)


@grouped(training=TRAINING)
def demo(
    out: Annotated[Path, typer.Option(help="The folder to write: models, results, report.html.")], training: dict
) -> None:
    """Train both networks, explain sequences that they haven't seen, and compare methods with the planted motifs."""
    from ...domain import Clock
    from ...evaluation.page import write_comparison
    from ...sequences import compare_methods, explain_file, recovered, write_report

    clock, quick = Clock(), training.get("quick")
    with clock("training"):
        trained = _train(out / "models", training)
    for name in ("cnn", "transformer"):
        with clock("explaining"):
            records = trained.records[:EXPLAINED_QUICKLY] if quick else trained.records
            explainer = trained.explainer(name, reference="shuffle")
            explain_file(explainer, records, out / name / "explained.parquet", progress=progress)
        if quick and name == "transformer":  # whose mutants take most of the time
            continue
        with clock("comparing"):
            count = COMPARED_QUICKLY if quick else COMPARED
            found = compare_methods(trained, name, count, progress)
            motifs = ", ".join(f"{motif} {value:.2f}" for motif, value in recovered(trained, name, count).items())
            notes = [f"Similarity of the planted motifs with what SECANT's seqlets average to: {motifs}."]
            title = "Methods compared with planted motifs"
            write_comparison(found, out / name / "comparison", title=title, notes=notes)
        say(name, f"recovered motifs, similarity {motifs}")
    with clock("writing"):
        write_report([out / "cnn", out / "transformer"], out / "report.html", examples=1 if quick else 8)
    say("report", str((out / "report.html").resolve()))
    say_time(clock)


def _train(out: Path, training: dict):
    from ...domain import DomainError, require_space, resumable, whole_file
    from ...domain.models.quiet import quiet_library
    from ...sequences import train_demo

    # Only an earlier demo may be replaced, which is checked before any training.
    if out.exists() and not (out / "sites.json").is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise DomainError(f"'{out}' exists and has no demo models: name a new folder")
    require_space(out, is_folder=True)
    # There are no parts to resume: this refuses to train the same models twice at once.
    with resumable(out, "demo"), quiet_library():
        size = QUICK if training.get("quick") else {}
        trained = train_demo(training.get("seed", 0), **size, progress=progress)
        with whole_file(out) as temporary:
            trained.save(temporary)
    for name, accuracy in trained.accuracy.items():
        say(name, f"accuracy {accuracy:.3f} on {len(trained.records)} sequences that it has not seen")
    return trained
