"""Options that are grouped into one dictionary."""

from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from lrp_domains.commands.grouped import grouped

TRAINING = {
    "folds": Annotated[int | None, typer.Option(help="Number of folds.")],
    "input_dropout": Annotated[float | None, typer.Option(help="Share of genes dropped.")],
}


@pytest.fixture
def app():
    app = typer.Typer()

    @app.command()
    @grouped(training=TRAINING, explanation={"score": Annotated[str | None, typer.Option()]})
    def train(cohort: Path, training: dict, explanation: dict, seed: int = 0) -> None:
        """Train."""
        typer.echo((str(cohort), training, explanation, seed))

    return app


def test_only_the_options_that_were_given_are_passed_on(app):
    shown = CliRunner().invoke(app, ["a.h5ad", "--folds", "4", "--score", "margin"])
    assert shown.output.strip() == "('a.h5ad', {'folds': 4}, {'score': 'margin'}, 0)"
    assert CliRunner().invoke(app, ["a.h5ad", "--seed", "3"]).output.strip() == "('a.h5ad', {}, {}, 3)"


def test_a_zero_is_an_option_that_was_given(app):
    assert "{'input_dropout': 0.0}" in CliRunner().invoke(app, ["a.h5ad", "--input-dropout", "0"]).output


def test_options_of_a_group_are_in_the_help(app):
    shown = CliRunner().invoke(app, ["--help"]).output
    assert "--input-dropout" in shown
    assert "Number of folds." in shown


def test_a_wrong_type_is_refused(app):
    assert CliRunner().invoke(app, ["a.h5ad", "--folds", "four"]).exit_code == 2
