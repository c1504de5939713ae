"""`text explain` with single texts: from the command line or stdin, with any head, as a page and as JSON."""

import json
import re

from lrp_domains.commands.text.options import place
from lrp_domains.text import TextRelevances

from .commands import explain, plain
from .small_models import bert, gpt2
from .small_tokenizers import tokenizer_of


def test_a_text_is_explained_in_one_line(demo_model, tmp_path):
    files = ["--html", tmp_path / "x.html", "--json", tmp_path / "x.json"]
    result = explain("I loved every minute of it", "--model", demo_model, "--numbers", *files)
    assert result.exit_code == 0, result.output
    assert "I loved every minute of it" in result.stdout and "added tokens" in result.stdout
    assert ">minute</span>" in (tmp_path / "x.html").read_text()
    (again,) = TextRelevances.from_dict(json.loads((tmp_path / "x.json").read_text()))
    assert again.to_dict() == json.loads((tmp_path / "x.json").read_text())[0]
    assert f"{again.score:+.3f}" in result.stdout


def test_no_text_is_taken_for_a_command_or_an_option(demo_model):
    for text in ("words", "-5 stars", "--- well, no", "explain", "-dull-"):
        result = explain(text, "--model", demo_model)
        assert result.exit_code == 0 and text in result.stdout, result.output
    literal = explain("--model", demo_model, "--", "--modle", "--x=1")
    assert literal.exit_code == 0 and "--modle" in literal.stdout and "--x=1" in literal.stdout, literal.output
    value = explain("a film", "--model", demo_model, "--reference", "-5 stars", "--rules", "secant")
    assert "its reference '-5 stars'" in value.stderr, value.output


def test_a_label_by_number_a_pair_and_settings(demo_model):
    by_number, by_name = (
        explain("A fine film.", "--model", demo_model, "--target", target) for target in ("1", "positive")
    )
    assert by_number.exit_code == 0 and by_number.stdout == by_name.stdout, by_number.output
    pair = explain("A fine", "A dull", "--second", "film.", "--model", demo_model)
    assert pair.exit_code == 0 and pair.stdout.count("second: film.") == 2, pair.output
    options = ["--embedding", "sum", "--dtype", "float32", "--unknown", "gradient", "--padding", "left"]
    options += ["--words", "characters", "--window", "6", "--stride", "1", "--long", "windows"]
    long = explain("A fine film that is long.", "--model", demo_model, *options)
    assert long.exit_code == 0 and "windows" in long.stdout, long.output


def test_a_place_is_words_a_character_or_a_range():
    assert [place(at) for at in ("5", "3:8", "Paris", "3:")] == [5, (3, 8), "Paris", "3:"]


def test_a_tagger_and_a_language_model_are_explained(tmp_path):
    for name, made in (("tagger", bert), ("writer", gpt2)):
        tokenizer = tokenizer_of("wordpiece" if made is bert else "byte-level")
        kind = {"kind": "ForTokenClassification"} if made is bert else {}
        made(tokenizer, **kind).save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    tagged = explain("a good film", "--model", tmp_path / "tagger", "--at", "2:6")
    assert tagged.exit_code == 0 and "good" in tagged.stdout, tagged.output

    writer = [
        "a good film",
        "--model",
        tmp_path / "writer",
        "--html",
        tmp_path / "x.html",
        "--json",
        tmp_path / "x.json",
    ]
    written = explain(*writer, "--continuation", " is good")
    assert written.exit_code == 0 and "comes from" in written.stdout, written.output
    assert "<!doctype html>" in (tmp_path / "x.html").read_text()
    (values,) = json.loads((tmp_path / "x.json").read_text())
    assert len(values["matrix"]) == len(values["outputs"]) and values["continuation"] == " is good"
    generated = explain(*writer, "--generate", "2")
    assert generated.exit_code == 0, generated.output
    assert len(json.loads((tmp_path / "x.json").read_text())[0]["outputs"]) == 2
    refused = explain(*writer, "--generate", "2", "--target", "good")
    assert refused.exit_code == 2 and "leave out --target" in plain(refused)


def test_files_to_write_have_their_suffix_and_new_folders_are_reported(demo_model, tmp_path):
    for option, name, suffix in (("--json", "a.txt", ".json"), ("--html", "a", ".html")):
        result = explain("A good film.", "--model", "no-model", option, tmp_path / name)
        assert result.exit_code == 2 and f"ends in {suffix}" in " ".join(result.stderr.split()), result.output
    new = tmp_path / "new"
    result = explain("A good film.", "--model", demo_model, "--json", new / "a.json")
    assert (
        result.exit_code == 0 and "new' doesn't exist and will be made" in result.stderr and (new / "a.json").exists()
    )
    result = explain("A good film.", "--model", demo_model, "--json", new / "b.json")
    assert "will be made" not in result.stderr


def test_the_lines_of_stdin_are_explained(demo_model):
    result = explain("--model", demo_model, "--target", "positive", stdin="A fine film.\n\nA bad film.\n")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("explained: positive") == 2 and "A bad film." in result.stdout


def test_a_contrast_and_a_margin_are_explained(demo_model):
    contrast = ["--target", "positive", "--against", "negative"]
    result = explain("A fine film.", "--model", demo_model, *contrast)
    assert result.exit_code == 0, result.output
    assert "explained: positive against negative" in result.stdout
    scores = [
        re.search(r"score (\S+),", explain("A fine film.", "--model", demo_model, *options).stdout)[1]
        for options in (contrast, ["--target", "positive", "--score", "margin"], ["--target", "positive"])
    ]
    assert len(set(scores)) == 1  # of two labels all three are the difference of their logits
