"""The command ``lrp-domains``: one group of sub-commands per domain."""

import warnings
from importlib.metadata import entry_points
from typing import Annotated

import typer

from . import __version__
from .commands.console import OneLineErrors, say
from .commands.genes import genes
from .commands.images import images
from .commands.sequences import sequences
from .commands.text import text
from .commands.workflow import workflow

app = typer.Typer(cls=OneLineErrors, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.add_typer(genes, name="genes")
app.add_typer(images, name="images")
app.add_typer(sequences, name="sequences")
app.add_typer(text, name="text")
app.add_typer(workflow, name="workflow")


def _add_installed_domains() -> None:
    """Add the commands of other packages; a package that can't be loaded must not break the others' commands."""
    if not entry_points(group="lrp_domains.domains"):
        return
    from .domain import installed_domains

    taken = {group.name for group in app.registered_groups}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        domains = installed_domains()
    for name, domain in domains.items():
        if name in taken:
            say("warning", f"the domain '{name}' of another package is ignored: its name is taken")
        else:
            app.add_typer(domain.commands, name=name)
    for warning in caught:
        if str(warning.message).startswith("the domain"):
            say("warning", str(warning.message), "bold yellow")


_add_installed_domains()


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
