"""Commands, run in this process."""

from typer.testing import CliRunner

from lrp_domains.command_line import app


def run(*arguments: object, code: int = 0) -> str:
    """Run a command, check its exit code, and return what it prints as one line."""
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())
