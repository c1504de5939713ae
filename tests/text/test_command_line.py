"""The text commands: single texts, stdin, files in parts and shards, all steps to the report, and their errors."""

import json
import re

import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

import lrp_domains.text.corpora.on_disk as on_disk
from lrp_domains.command_line import app
from lrp_domains.commands.text.options import place
from lrp_domains.text import TextExplainer, TextRelevances
from lrp_domains.text.corpora import explain_corpus, read_corpus, read_texts, read_words
from lrp_domains.text.corpora.tables import join
from lrp_domains.text.demo import read_demo, train_demo

from .small_models import bert, gpt2
from .small_tokenizers import tokenizer_of

NEGATION = r"\b(?:not|never|no|nobody|nothing|hardly|without)\b|n't\b"
CONTRAST = r"\b(?:but|yet|although|though|despite|while)\b"


def run_text(*arguments, stdin=None):
    return CliRunner().invoke(app, ["text", *map(str, arguments)], input=stdin)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Return a model of two epochs: it need not be good to be explained."""
    folder = tmp_path_factory.mktemp("demo") / "model"
    folder.mkdir()
    torch.set_num_threads(1)
    train_demo(epochs=2).save(folder)
    return folder


@pytest.fixture
def reviews(tmp_path):
    corpus = read_demo().head(40).rename(columns={"text": "review"})
    corpus.to_csv(tmp_path / "reviews.csv", index=False)
    return tmp_path / "reviews.csv"


def test_the_demo_corpus_is_balanced_and_has_negations_and_contrasts():
    corpus = read_demo()
    assert len(corpus) >= 400 and not corpus["text"].str.casefold().duplicated().any()
    assert (corpus["label"].value_counts() == len(corpus) // 2).all()
    assert (corpus.groupby("pair")["label"].nunique() == 2).all()
    assert corpus["text"].str.contains(NEGATION, case=False).mean() > 0.2
    assert corpus["text"].str.contains(CONTRAST, case=False).mean() > 0.15


@pytest.mark.slow
def test_the_demo_model_predicts_sentences_that_it_has_not_seen(tmp_path):
    result = run_text("train-demo", "--out", tmp_path / "model")
    assert result.exit_code == 0, result.output
    accuracy = float(re.search(r"held out: accuracy (\S+) on", result.stderr)[1])
    assert accuracy > 0.7
    held_out = pd.read_csv(tmp_path / "model" / "held_out.tsv", sep="\t")
    predicted = TextExplainer.from_pretrained(str(tmp_path / "model"))(list(held_out["text"])).to_frame("texts")
    assert (predicted["prediction"] == held_out["label"]).mean() == pytest.approx(accuracy, abs=1e-3)
    assert set(held_out["pair"].value_counts()) == {2}


def explain(*arguments, stdin=None):
    return run_text("explain", *arguments, stdin=stdin)


def test_a_text_is_explained_in_one_line(model, tmp_path):
    files = ["--html", tmp_path / "x.html", "--json", tmp_path / "x.json"]
    result = explain("I loved every minute of it", "--model", model, "--numbers", *files)
    assert result.exit_code == 0, result.output
    assert "I loved every minute of it" in result.stdout and "added tokens" in result.stdout
    assert ">minute</span>" in (tmp_path / "x.html").read_text()
    (again,) = TextRelevances.from_dict(json.loads((tmp_path / "x.json").read_text()))
    assert again.to_dict() == json.loads((tmp_path / "x.json").read_text())[0]
    assert f"{again.score:+.3f}" in result.stdout


def test_no_text_is_taken_for_a_command_or_an_option(model):
    for text in ("words", "-5 stars", "--- well, no", "explain", "-dull-"):
        result = explain(text, "--model", model)
        assert result.exit_code == 0 and text in result.stdout, result.output
    literal = explain("--model", model, "--", "--modle", "--x=1")
    assert literal.exit_code == 0 and "--modle" in literal.stdout and "--x=1" in literal.stdout, literal.output
    value = explain("a film", "--model", model, "--reference", "-5 stars", "--rules", "secant")
    assert "its reference '-5 stars'" in value.stderr, value.output


def test_a_mistyped_command_or_option_is_not_taken_for_a_text(model):
    def plain(result):
        assert result.exit_code == 2, result.output
        return re.sub(r"[│╭╮╰╯─\s]+", " ", result.stderr)

    assert "No such command 'chek'. Did you mean 'check'?" in plain(run_text("chek", "x.csv"))
    assert 'lrp-domains text explain "I loved it" --model' in plain(run_text("I loved it", "--model", model))
    assert "No such option: --modle. Did you mean --model?" in plain(explain("fine", "--modle", model))
    assert "No such option: -m." in plain(explain("fine", "-m", model))


def test_a_label_by_number_a_pair_and_settings(model):
    by_number, by_name = (explain("A fine film.", "--model", model, "--target", target) for target in ("1", "positive"))
    assert by_number.exit_code == 0 and by_number.stdout == by_name.stdout, by_number.output
    pair = explain("A fine", "A dull", "--second", "film.", "--model", model)
    assert pair.exit_code == 0 and pair.stdout.count("second: film.") == 2, pair.output
    options = ["--embedding", "sum", "--dtype", "float32", "--unknown", "gradient", "--padding", "left"]
    options += ["--words", "characters", "--window", "6", "--stride", "1", "--long", "windows"]
    long = explain("A fine film that is long.", "--model", model, *options)
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
    assert refused.exit_code == 2 and "leave out --target" in re.sub(r"[│\s]+", " ", refused.stderr)


def test_files_to_write_have_their_suffix_and_new_folders_are_reported(model, tmp_path):
    for option, name, suffix in (("--json", "a.txt", ".json"), ("--html", "a", ".html")):
        result = explain("A good film.", "--model", "no-model", option, tmp_path / name)
        assert result.exit_code == 2 and f"ends in {suffix}" in " ".join(result.stderr.split()), result.output
    new = tmp_path / "new"
    result = explain("A good film.", "--model", model, "--json", new / "a.json")
    assert (
        result.exit_code == 0 and "new' doesn't exist and will be made" in result.stderr and (new / "a.json").exists()
    )
    result = explain("A good film.", "--model", model, "--json", new / "b.json")
    assert "will be made" not in result.stderr


def test_skipped_texts_are_not_counted_as_explained(model, tmp_path):
    (tmp_path / "x.jsonl").write_text('{"text": "good"}\n{"text": 3}\n{"text": "bad"}\n')
    files = ["--file", tmp_path / "x.jsonl", "--out", tmp_path / "new" / "x.parquet"]
    result = explain("--model", model, *files, "--on-error", "skip")
    assert result.exit_code == 0 and "explained: 2 texts (1 skipped)" in result.stderr, result.output
    assert "will be made" in result.stderr


def test_the_lines_of_stdin_are_explained(model):
    result = explain("--model", model, "--target", "positive", stdin="A fine film.\n\nA bad film.\n")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("explained: positive") == 2 and "A bad film." in result.stdout


def test_a_contrast_and_a_margin_are_explained(model):
    contrast = ["--target", "positive", "--against", "negative"]
    result = explain("A fine film.", "--model", model, *contrast)
    assert result.exit_code == 0, result.output
    assert "explained: positive against negative" in result.stdout
    scores = [
        re.search(r"score (\S+),", explain("A fine film.", "--model", model, *options).stdout)[1]
        for options in (contrast, ["--target", "positive", "--score", "margin"], ["--target", "positive"])
    ]
    assert len(set(scores)) == 1  # of two labels all three are the difference of their logits


def test_a_contrast_is_checked_and_explained_over_a_file(model, reviews, tmp_path):
    options = ["--model", model, "--text-column", "review", "--target", "positive", "--against", "negative"]
    assert run_text("check", reviews, *options, "--out", tmp_path / "check.json").exit_code == 0
    result = explain("--file", reviews, *options, "--out", tmp_path / "words.parquet")
    assert result.exit_code == 0, result.output
    texts = read_texts(tmp_path / "words.texts.parquet")
    assert set(texts["target"]) == {"positive against negative"}
    assert (texts["words"] + texts["added"] + texts["rest"]).tolist() == pytest.approx(texts["score"].tolist())


def test_texts_and_files_are_explained_against_a_reference(model, reviews, tmp_path):
    result = explain("A fine film.", "--model", model, "--reference", "pad", "--numbers")
    assert result.exit_code == 0, result.output
    assert "against: all words replaced by padding" in " ".join(result.stdout.split())
    half = explain("A fine film.", "--model", model, "--reference", "A bad film.", "--rules", "secant-half")
    assert half.exit_code == 0 and "against: A bad film." in " ".join(half.stdout.split()), half.output

    options = ["--model", model, "--text-column", "review", "--reference", "pad"]
    check = run_text("check", reviews, *options, "--out", tmp_path / "check.json")
    assert check.exit_code == 0, check.output
    folder = tmp_path / "reviews"
    out, texts = folder / "words.parquet", folder / "texts.parquet"
    result = explain("--file", reviews, *options, "--out", out, "--out-texts", texts)
    assert result.exit_code == 0, result.output

    table, words = read_texts(texts), read_words(out)
    assert set(table["reference"]) == {"all words replaced by padding"} and set(table["rules"]) == {"secant"}
    assert table["words"].tolist() == pytest.approx(table["score"].tolist(), abs=1e-4)
    assert words["reference"].str.contains("PAD", case=False).all()
    result = run_text("report", folder, "--out", tmp_path / "report.html")
    assert result.exit_code == 0, result.output
    page = (tmp_path / "report.html").read_text()
    assert "Explained against: all words replaced by padding" in page
    assert "; against: all words replaced by padding (scores" in page


def test_a_file_from_check_to_report(model, reviews, tmp_path):
    columns = ["--text-column", "review", "--label-column", "label"]
    check = run_text("check", reviews, "--model", model, *columns, "--out", tmp_path / "check.json")
    assert check.exit_code == 0, check.output
    summary = json.loads((tmp_path / "check.json").read_text())
    assert summary["texts"] == 40 and summary["model_labels"] == ["negative", "positive"]
    folder = tmp_path / "a & b"
    out, texts = folder / "words.parquet", folder / "texts.parquet"
    result = explain("--file", reviews, "--model", model, *columns, "--out", out, "--out-texts", texts)
    assert result.exit_code == 0 and "explained: 40 texts" in result.stderr, result.output
    direct = TextExplainer.from_pretrained(str(model))(list(read_demo()["text"].head(40)))
    words = read_words(out)
    pd.testing.assert_frame_equal(words, direct.to_frame("words"), check_dtype=False, atol=1e-4)
    assert list(read_texts(texts)["label"]) == list(read_demo()["label"].head(40))
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
    result = run_text("words", out, "--texts", texts, "--out", folder / "class_words.tsv", "--top", 3)
    assert result.exit_code == 0, result.output
    assert pd.read_csv(folder / "class_words.tsv", sep="\t").groupby("class").size().max() == 3
    result = run_text("report", folder, "--out", tmp_path / "report.html", "--title", "Made <up>")
    assert result.exit_code == 0, result.output
    page = (tmp_path / "report.html").read_text()
    for part in (
        "Most confident",
        "Closest calls",
        "Most wrong",
        "Words of each class",
        "a &amp; b",
        "Made &lt;up&gt;",
    ):
        assert part in page


def test_shards_together_are_the_whole_corpus(model, reviews, tmp_path):
    whole = ["--file", reviews, "--model", model, "--text-column", "review"]
    assert explain(*whole, "--out", tmp_path / "whole.parquet").exit_code == 0
    for shard in (1, 2, 3):
        result = explain(*whole, "--shard", shard, "--shards", 3, "--out", tmp_path / f"{shard}.parquet")
        assert result.exit_code == 0, result.output
    shards = [tmp_path / f"{shard}.parquet" for shard in (1, 2, 3)]
    assert run_text("gather", *shards, "--out", tmp_path / "gathered.parquet").exit_code == 0
    gathered, once = read_words(tmp_path / "gathered.parquet"), read_words(tmp_path / "whole.parquet")
    pd.testing.assert_frame_equal(gathered, once, atol=1e-4)
    assert read_texts(tmp_path / "whole.texts.parquet")["label"].isna().all()


def test_an_interrupted_file_resumes(model, reviews, tmp_path, monkeypatch):
    monkeypatch.setattr(on_disk, "PART", 10)
    explainer, corpus = TextExplainer.from_pretrained(str(model)), read_corpus(reviews, "review")
    written, write = [], on_disk.write

    def interrupted(table, path):
        if len(written) == 5:  # in the midst of the third part
            raise KeyboardInterrupt
        written.append(path.name)
        write(table, path)

    monkeypatch.setattr(on_disk, "write", interrupted)
    files = (tmp_path / "w.parquet", tmp_path / "t.parquet")
    with pytest.raises(KeyboardInterrupt):
        explain_corpus(explainer, corpus, *files, key="one")
    assert not files[0].exists() and not files[1].exists()
    monkeypatch.setattr(on_disk, "write", write)
    assert explain_corpus(explainer, corpus, *files, key="one") == 20
    assert list(read_texts(files[1])["text"]) == list(range(40))
    pd.testing.assert_frame_equal(
        read_words(files[0]), explainer(list(corpus.texts)).to_frame("words"), check_dtype=False, atol=1e-4
    )


def test_parts_of_another_request_are_not_kept(model, reviews, tmp_path, monkeypatch):
    monkeypatch.setattr(on_disk, "PART", 10)
    explainer, corpus = TextExplainer.from_pretrained(str(model)), read_corpus(reviews, "review")
    files = (tmp_path / "w.parquet", tmp_path / "t.parquet")
    monkeypatch.setattr(on_disk, "join", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        explain_corpus(explainer, corpus, *files, target="positive")
    monkeypatch.setattr(on_disk, "join", join)
    assert explain_corpus(explainer, corpus, *files, target="negative") == 0
    assert set(read_texts(files[1])["target"]) == {"negative"}


def test_parts_with_another_reference_are_not_kept(model, reviews, tmp_path, monkeypatch):
    monkeypatch.setattr(on_disk, "PART", 10)
    corpus, files = read_corpus(reviews, "review"), (tmp_path / "w.parquet", tmp_path / "t.parquet")
    explainer = TextExplainer.from_pretrained(str(model))
    monkeypatch.setattr(on_disk, "join", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        explain_corpus(explainer, corpus, *files)
    monkeypatch.setattr(on_disk, "join", join)
    monkeypatch.setattr(on_disk, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):  # nothing is resumed, so that a part is written
        explain_corpus(explainer, corpus, *files, reference="pad")


def test_labels_by_number_and_corpora_of_other_formats(model, tmp_path):
    corpus = read_demo().head(6)
    numbers = corpus.assign(label=(corpus["label"] == "positive").astype(int))
    numbers.to_parquet(tmp_path / "x.parquet")
    numbers.to_json(tmp_path / "x.jsonl", lines=True, orient="records")
    labels = TextExplainer.from_pretrained(str(model)).labels
    for name in ("x.parquet", "x.jsonl"):
        read = read_corpus(tmp_path / name, label="label").named(labels)
        assert read.labels == tuple(corpus["label"]) and read.texts == tuple(corpus["text"])


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
def test_errors_are_one_line_and_nothing_is_written(model, reviews, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "empty.csv").write_text("text,label\n")
    (tmp_path / "broken.parquet").write_text("no table at all")
    names = {"MODEL": model, "FILE": reviews, "OUT": tmp_path / "out.parquet", "EMPTY": tmp_path / "empty.csv"}
    names["BROKEN"] = tmp_path / "broken.parquet"
    command = [] if arguments[0] in ("gather", "words", "report") else ["explain"]
    result = run_text(*command, *[names.get(argument, argument) for argument in arguments])
    plain = re.sub(r"[│╭╮╰╯─\s]+", " ", result.stderr)
    assert result.exit_code == code and message in plain and "Traceback" not in plain, plain
    assert sum(line.startswith("error:") for line in result.stderr.splitlines()) == (code == 1)
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("help", [[], ["--help"], ["explain", "--help"]])
def test_help_is_shown(help):
    result = run_text(*help)
    assert "lrp-domains text" in result.output or "Usage" in result.output
