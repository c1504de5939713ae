"""What commands print, all on stderr: progress, warnings, and one line per error."""

import signal
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import track
from typer.core import TyperGroup

from ..core.errors import LrpError
from ..core.warn import LrpWarning
from ..domain import reason
from .ending import EndRequested, ending_on_request

# typer's version of click is its own, which doesn't export it.
UsageError = typer.BadParameter.__base__

stderr = Console(stderr=True, soft_wrap=True, highlight=False)
_PACKAGE = str(Path(__file__).parents[1])


class OneLineErrors(TyperGroup):
    """Print errors that users can correct in one line, and exit with 1; others are bugs and keep their traceback.

    Wrong options exit with 2, interruptions with 130 (Ctrl-C) and 143 (a request to end), as shells do.
    """

    def invoke(self, ctx):
        """Run a sub-command."""
        code = 1
        try:
            with warnings.catch_warnings(), ending_on_request():
                warnings.showwarning = _show_once()
                return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except UsageError as error:
            if type(error).__name__ == "NoArgsIsHelpError":  # which shows the help
                raise
            message, code = _usage(error), error.exit_code
        except (KeyboardInterrupt, EndRequested) as error:
            message, code = "interrupted; run the same command again to resume", 130
            if isinstance(error, EndRequested):
                code = 128 + signal.SIGTERM
        except Exception as error:
            if (message := _in_one_line(error, ctx.invoked_subcommand)) is None:
                raise
        say("error", message, "bold red")
        raise typer.Exit(code)


def _in_one_line(error: Exception, domain: str | None) -> str | None:
    """Return the message of an error that users can correct; None for a bug."""
    from .out_of_memory import is_out_of_memory

    if is_out_of_memory(error):
        return f"not enough memory: {reason(error)}; provide more (in a workflow mem_mb), or reduce --batch-size"
    if isinstance(error, ModuleNotFoundError):
        return f"the package '{error.name}' is not installed: pip install 'lrp-domains[{domain}]'"
    if isinstance(error, OSError):
        return f"{error.strerror or error}: '{error.filename}'" if error.filename else str(error)
    return str(error) if isinstance(error, LrpError) else None


def _usage(error: UsageError) -> str:
    """Return what is wrong with the options of a command, on one line instead of Typer's box."""
    message = error.format_message().rstrip(".")
    if type(error).__name__ == "NoSuchOption":
        message += "; if it is a file, write it with its folder: ./-name"
    return f"{message}; see '{error.ctx.command_path} --help'" if error.ctx else message


def say(kind: str, message: str, style: str = "bold") -> None:
    """Print one line on stderr."""
    message = " ".join(message.split())
    try:
        stderr.print(f"{kind}:", style=style, end=" ")
        stderr.print(message, markup=False, emoji=False)
    except MemoryError:  # rich imports more of itself when it prints
        sys.stderr.write(f"{kind}: {message}\n")


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
        # Warnings of other packages are about our code, not about the user's data. Those of ours may show the line that
        # called this package, which on the command line is none of the user's.
        is_ours = issubclass(category, LrpWarning) or filename.startswith(_PACKAGE)
        if is_ours and str(message) not in shown:
            shown.add(str(message))
            say("warning", str(message), "bold yellow")

    return show
