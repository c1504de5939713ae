"""What the commands say, all on stderr: progress, warnings, and one line for what was wrong."""

import warnings
from collections.abc import Iterable
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import track
from typer.core import TyperGroup

from .. import LrpError

stderr = Console(stderr=True, soft_wrap=True, highlight=False)
_PACKAGE = str(Path(__file__).parents[1])


class OneLineErrors(TyperGroup):
    """Say in one line what the user can mend, and exit with 1. Anything else is a bug and keeps its traceback."""

    def invoke(self, ctx):
        """Run a sub-command."""
        with warnings.catch_warnings():
            warnings.showwarning = _once()
            try:
                return super().invoke(ctx)
            except ModuleNotFoundError as error:
                self._say(
                    f"the package '{error.name}' is not installed: pip install 'lrp-domains[{ctx.invoked_subcommand}]'"
                )
            except OSError as error:
                self._say(f"{error.strerror or error}: '{error.filename}'" if error.filename else str(error))
            except LrpError as error:
                self._say(str(error))
            raise typer.Exit(1)

    @staticmethod
    def _say(message: str) -> None:
        say("error", message, "bold red")


def say(kind: str, message: str, style: str = "bold") -> None:
    """Print one line on stderr."""
    stderr.print(f"{kind}:", style=style, end=" ")
    stderr.print(" ".join(message.split()), markup=False)


def progress(items: Iterable, description: str) -> Iterable:
    """Show how far an iteration is."""
    return track(items, description, console=stderr)


def _once():
    """Show each warning of this package once, though several steps of one command may give it."""
    shown = set()

    def show(message, category, filename, lineno, file=None, line=None) -> None:
        # Those of other packages are about our code, not about the user's data.
        if filename.startswith(_PACKAGE) and str(message) not in shown:
            shown.add(str(message))
            say("warning", str(message), "bold yellow")

    return show
