"""The text commands, run in this process, and what they print."""

import re

from typer.testing import CliRunner

from lrp_domains.command_line import app


def run_text(*arguments, stdin=None):
    """Run `lrp-domains text`, and return its result."""
    return CliRunner().invoke(app, ["text", *map(str, arguments)], input=stdin)


def explain(*arguments, stdin=None):
    """Run `lrp-domains text explain`, and return its result."""
    return run_text("explain", *arguments, stdin=stdin)


def plain(result):
    """Return the messages of a result, without frames and line breaks."""
    return re.sub(r"[│╭╮╰╯─\s]+", " ", result.stderr)
