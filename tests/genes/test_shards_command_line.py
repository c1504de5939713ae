"""Shards on the command line, and the line that tells where the time went."""

import re

import pytest
from typer.testing import CliRunner

from lrp_domains.command_line import app
from lrp_domains.genes import read_cohort, save_model

from .same_cohorts import dense


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def phases_of(result):
    """Return the phases in the last line of what a command printed."""
    assert result.exit_code == 0, result.output
    line = result.stderr.strip().splitlines()[-1]
    assert re.fullmatch(r"time: ([a-z ]+ \d+\.\d s(, |$))+", line), line
    return [part.rsplit(" ", 2)[0] for part in line.removeprefix("time: ").split(", ")]


def test_shards_and_their_times(made_model, made_path, tmp_path):
    save_model(made_model, tmp_path / "model.pt")
    common = ("genes", "explain", made_path, "--model", tmp_path / "model.pt", "--batch-size", 30)
    folders = [tmp_path / "shards" / str(number) for number in (1, 2)]
    for number, folder in enumerate(folders, 1):
        result = call(*common, "--shard", number, "--shards", 2, "--out", folder)
        assert phases_of(result) == ["loading", "reading", "forward", "backward", "statistics", "writing"]
    result = call("genes", "gather", *folders, "--cohort", made_path, "--out", tmp_path / "gathered.h5ad")
    assert phases_of(result) == ["reading", "writing"]
    assert call(*common, "--out", tmp_path / "one.h5ad").exit_code == 0
    gathered, one = read_cohort(tmp_path / "gathered.h5ad"), read_cohort(tmp_path / "one.h5ad")
    assert (dense(gathered.layers["lrp"]) == dense(one.layers["lrp"])).all()

    rank = ("genes", "rank", tmp_path / "gathered.h5ad", "--out", tmp_path / "ranked.h5ad")
    result = call(*rank, "--table", tmp_path / "genes.tsv", "--stability", tmp_path / "stability.tsv")
    assert phases_of(result) == ["ranking", "writing tables"]


@pytest.mark.parametrize("options", [("--shard", 1), ("--shards", 2)])
def test_a_shard_of_how_many(made_model, made_path, tmp_path, options):
    save_model(made_model, tmp_path / "model.pt")
    result = call("genes", "explain", made_path, "--model", tmp_path / "model.pt", "--out", tmp_path / "out", *options)
    assert result.exit_code == 2 and "--shard is the number of one of --shards; name both" in result.output


def test_a_shard_that_is_missing_is_one_line(made_model, made_path, tmp_path):
    result = call("genes", "gather", tmp_path / "1", "--cohort", made_path, "--out", tmp_path / "gathered.h5ad")
    assert result.exit_code == 1 and re.fullmatch(r"error: .*1' is not a finished shard; .*\n", result.stderr)
