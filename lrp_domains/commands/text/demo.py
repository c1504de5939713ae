"""The model of the demo, so that trying the commands needs no download."""

from pathlib import Path
from typing import Annotated

import typer

from ..console import progress, say
from ..grouped import grouped
from . import options as o


@grouped(training={"seed": o.Seed})
def train_demo(
    out: Annotated[Path, typer.Option(help="The folder to write: model, tokenizer, and the held-out sentences.")],
    training: dict,
) -> None:
    """Train a small transformer on the demo corpus from scratch, in less than a minute."""
    from ...domain import DomainError, require_space, resumable, whole_file
    from ...domain.models.quiet import quiet_library
    from ...text.demo import train_demo

    # Only an earlier demo model may be replaced, which is checked before any training.
    if out.exists() and not (out / "held_out.tsv").is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise DomainError(f"'{out}' exists and is not a demo model: name a new folder")
    require_space(out, is_folder=True)
    # There are no parts to resume: this refuses to train the same model twice at once.
    with resumable(out, "demo"), quiet_library():
        trained = train_demo(**training, progress=progress)
        with whole_file(out) as temporary:
            trained.save(temporary)
    say("held out", f"accuracy {trained.accuracy:.3f} on {len(trained.held_out)} sentences it has not seen")
