"""The command ``lrp-domains``: one group of sub-commands per domain."""

from typing import Annotated

import typer

from . import __version__
from .commands.console import OneLineErrors
from .commands.genes import genes
from .commands.text import text

app = typer.Typer(cls=OneLineErrors, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.add_typer(genes, name="genes")
app.add_typer(text, name="text")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Layer-wise relevance propagation for any PyTorch model, unmodified."""
