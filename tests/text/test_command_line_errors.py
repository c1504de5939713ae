"""Errors of the text commands: one line, a remedy, and nothing written; and their help."""

import pytest

from .commands import explain, plain, run_text


def test_a_mistyped_command_or_option_is_not_taken_for_a_text(demo_model):
    def refused(result):
        assert result.exit_code == 2, result.output
        return plain(result)

    assert "No such command 'chek'. Did you mean 'check'?" in refused(run_text("chek", "x.csv"))
    assert 'lrp-domains text explain "I loved it" --model' in refused(run_text("I loved it", "--model", demo_model))
    assert "No such option: --modle. Did you mean --model?" in refused(explain("fine", "--modle", demo_model))
    assert "No such option: -m." in refused(explain("fine", "-m", demo_model))


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["hello"], 1, "error: name a model: --model FOLDER_OR_NAME"),
        (["hello", "--model", "nowhere/at/all/here"], 1, "error: 'nowhere/at/all/here' could not be loaded"),
        (["hello", "--model", "MODEL", "--target", "positiv"], 1, "no label 'positiv'; did you mean 'positive'?"),
        (["hello", "--model", "MODEL", "--against", "positive"], 2, "--against requires a --target"),
        (["hello", "--model", "MODEL", "--rules", "magic"], 2, "'magic' is not one of 'attn-lrp'"),
        (["hello", "--model", "MODEL", "--rules", "secant"], 1, "rule set secant explains the difference"),
        (["hello", "--model", "MODEL", "--rules", "cp-lrp", "--reference", "pad"], 1, "leave rules= out"),
        (["hello", "--model", "MODEL", "--reference", "hello you"], 1, "but its reference 'hello you' has"),
        (["hello", "--model", "MODEL", "--device", "tpu"], 1, "error: there is no device 'tpu'"),
        (["hello", "--model", "MODEL", "--task", "poetry"], 1, "error: unknown task 'poetry'"),
        (["--model", "MODEL"], 2, "there is no text: pass one, name a --file, or pipe lines in"),
        (["hello", "--model", "MODEL", "--out", "OUT"], 2, "--out is for a --file"),
        (["--file", "FILE", "--model", "MODEL"], 2, "name the table to write: --out relevance.parquet"),
        (["hello", "--file", "FILE", "--model", "MODEL", "--out", "OUT"], 2, "a --file: leave out texts"),
        (["--file", "none.csv", "--model", "MODEL", "--out", "OUT"], 1, "error: there is no file 'none.csv'"),
        (["--file", "none.xls", "--model", "MODEL", "--out", "OUT"], 1, "it should end in .csv, .tsv"),
        (["--file", "FILE", "--model", "MODEL", "--out", "OUT"], 1, "there is no column 'text'; there are: 'review'"),
        (["--file", "FILE", "--text-column", "reviw", "--out", "OUT"], 1, "did you mean 'review'?"),
        (["--file", "FILE", "--text-column", "review", "--label-column", "pair", "--model", "MODEL", "--out", "OUT"],
         1, "error: the corpus has texts labelled"),
        (["--file", "FILE", "--text-column", "review", "--model", "MODEL", "--out", "x.csv"], 1, "written as .parquet"),
        (["--file", "FILE", "--text-column", "review", "--model", "MODEL", "--shard", "3", "--shards", "2", "--out",
          "OUT"], 1, "error: there is no shard 3 of 2"),
        (["--file", "EMPTY", "--model", "MODEL", "--out", "OUT"], 1, "has no rows"),
        (["--file", "BROKEN", "--model", "MODEL", "--out", "OUT"], 1, "could not be read as a table"),
        (["gather", "none.parquet", "--out", "OUT"], 1, "error: there is no table 'none.parquet'"),
        (["gather", "BROKEN", "--out", "OUT"], 1, "could not be read as parquet"),
        (["words", "none.parquet", "--texts", "none.parquet", "--out", "OUT"], 1, "there is no table 'none.parquet'"),
        (["report", "nowhere", "--out", "OUT"], 1, "'nowhere' is not a folder of results"),
    ],
)  # fmt: skip
def test_errors_are_one_line_and_nothing_is_written(
    demo_model, reviews, tmp_path, monkeypatch, arguments, code, message
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "empty.csv").write_text("text,label\n")
    (tmp_path / "broken.parquet").write_text("no table at all")
    names = {"MODEL": demo_model, "FILE": reviews, "OUT": tmp_path / "out.parquet", "EMPTY": tmp_path / "empty.csv"}
    names["BROKEN"] = tmp_path / "broken.parquet"
    command = [] if arguments[0] in ("gather", "words", "report") else ["explain"]
    result = run_text(*command, *[names.get(argument, argument) for argument in arguments])
    messages = plain(result)
    assert result.exit_code == code and message in messages and "Traceback" not in messages, messages
    assert sum(line.startswith("error:") for line in result.stderr.splitlines()) == 1
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("help", [[], ["--help"], ["explain", "--help"]])
def test_help_is_shown(help):
    result = run_text(*help)
    assert "lrp-domains text" in result.output or "Usage" in result.output
