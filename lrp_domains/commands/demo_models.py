"""The models of the demos, so that trying the commands needs no download: trained, and written to a folder."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from .console import say


def seed_option(held_out: str) -> Any:
    """Return the option of a seed, which determines what is held out as well."""
    return Annotated[int | None, typer.Option(help=f"Seed of weights, {held_out} and their order (default 0).")]


def training_options(held_out: str) -> dict[str, Any]:
    """Return the options of the training of two models."""
    quick = typer.Option("--quick", help="Train for a few seconds, to try the commands.")
    return {"seed": seed_option(held_out), "quick": Annotated[bool | None, quick]}


def write_models(train: Callable[[], Any], out: Path, made: str) -> Any:
    """Train a demo's models and write them to a folder, which is replaced only if it has `made`; return the demo."""
    from ..domain import DomainError, require_space, resumable, whole_file
    from ..domain.models.quiet import quiet_library

    # Only an earlier demo may be replaced, which is checked before any training.
    if out.exists() and not (out / made).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise DomainError(f"'{out}' exists and has no demo models: name a new folder")
    require_space(out, is_folder=True)
    # There are no parts to resume: this refuses to train the same models twice at once.
    with resumable(out, "demo"), quiet_library():
        trained = train()
        with whole_file(out) as temporary:
            trained.save(temporary)
    return trained


def say_accuracies(accuracies: Mapping[str, float], count: int, unit: str) -> None:
    """Report the accuracy of each model on held-out samples."""
    for name, accuracy in accuracies.items():
        say(name, f"accuracy {accuracy:.3f} on {count} {unit} that it has not seen")
