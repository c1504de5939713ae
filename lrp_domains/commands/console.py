"""What commands print, all on stderr: progress, warnings, and one line per error."""

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import track
from typer.core import TyperGroup

from ..core.errors import LrpError

stderr = Console(stderr=True, soft_wrap=True, highlight=False)
_PACKAGE = str(Path(__file__).parents[1])


class OneLineErrors(TyperGroup):
    """Print errors that users can correct in one line, and exit with 1; others are bugs and keep their traceback."""

    def invoke(self, ctx):
        """Run a sub-command."""
        with warnings.catch_warnings():
            warnings.showwarning = _show_once()
            try:
                return super().invoke(ctx)
            except ModuleNotFoundError as error:
                message = f"the package '{error.name}' is not installed: "
                message += f"pip install 'lrp-domains[{ctx.invoked_subcommand}]'"
            except OSError as error:
                message = f"{error.strerror or error}: '{error.filename}'" if error.filename else str(error)
            except LrpError as error:
                message = str(error)
            say("error", message, "bold red")
            raise typer.Exit(1)


def say(kind: str, message: str, style: str = "bold") -> None:
    """Print one line on stderr."""
    stderr.print(f"{kind}:", style=style, end=" ")
    stderr.print(" ".join(message.split()), markup=False, emoji=False)


def say_time(clock: object) -> None:
    """Print where the time went, in one line; `clock` is a `lrp_domains.domain.Clock`."""
    say("time", str(clock))


def progress(items: Iterable, description: str) -> Iterable:
    """Yield the items and show a progress bar."""
    return track(items, description, console=stderr)


def _show_once() -> Callable:
    """Return a function that shows each warning of this package once, even if several steps of a command repeat it."""
    shown = set()

    def show(message, category, filename, lineno, file=None, line=None) -> None:
        # Warnings of other packages are about our code, not about the user's data.
        if filename.startswith(_PACKAGE) and str(message) not in shown:
            shown.add(str(message))
            say("warning", str(message), "bold yellow")

    return show
