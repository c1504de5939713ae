"""The demo: two small networks trained on handwritten digits, so that trying the commands needs no download."""

from pathlib import Path
from typing import Annotated

import typer

from ..console import progress, say
from ..grouped import grouped
from . import options as o

QUICK = 6  # epochs


@grouped(training={"seed": o.Seed, "quick": o.Quick})
def train_demo(
    out: Annotated[Path, typer.Option(help="The folder to write: models cnn and vit, pictures, pictures.tsv.")],
    training: dict,
) -> None:
    """Train a small convolutional network and a small vision transformer on digits, in less than a minute."""
    _train(out, training)


@grouped(training={"seed": o.Seed, "quick": o.Quick})
def demo(
    out: Annotated[Path, typer.Option(help="The folder to write: models, results, report.html.")], training: dict
) -> None:
    """Train both networks, explain digits that they haven't seen, and write a report of them."""
    from ...images import ImageExplainer, explain_files, write_report

    _train(out / "models", training)
    for name in ("cnn", "vit"):
        explainer = ImageExplainer.from_pretrained(out / "models" / name, device="cpu")
        explain_files(out / "models" / "pictures.tsv", explainer, out / name / "explained.parquet", progress=progress)
    write_report([out / "cnn", out / "vit"], out / "report.html")
    say("report", str((out / "report.html").resolve()))


def _train(out: Path, training: dict) -> None:
    from ...domain import DomainError, require_space, resumable, whole_file
    from ...domain.models.quiet import quiet_library
    from ...images import train_demo

    # Only an earlier demo may be replaced, which is checked before any training.
    if out.exists() and not (out / "pictures.tsv").is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise DomainError(f"'{out}' exists and has no demo models: name a new folder")
    require_space(out, is_folder=True)
    # There are no parts to resume: this refuses to train the same models twice at once.
    with resumable(out, "demo"), quiet_library():
        epochs = {"epochs": QUICK} if training.get("quick") else {}
        trained = train_demo(training.get("seed", 0), **epochs, progress=progress)
        with whole_file(out) as temporary:
            trained.save(temporary)
    for name, accuracy in trained.accuracies.items():
        say(name, f"accuracy {accuracy:.3f} on {len(trained.labels)} digits that it has not seen")
