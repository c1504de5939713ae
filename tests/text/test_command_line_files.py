"""The text commands over files: from the check to the report, with a contrast, a reference, and in shards."""

import json

import pandas as pd
import pytest

from lrp_domains.demos.text import read_demo
from lrp_domains.text import TextExplainer
from lrp_domains.text.corpora import read_texts, read_words

from .commands import explain, run_text


def test_a_file_from_check_to_report(demo_model, reviews, tmp_path):
    columns = ["--text-column", "review", "--label-column", "label"]
    check = run_text("check", reviews, "--model", demo_model, *columns, "--out", tmp_path / "check.json")
    assert check.exit_code == 0, check.output
    summary = json.loads((tmp_path / "check.json").read_text())
    assert summary["texts"] == 40 and summary["model_labels"] == ["negative", "positive"]
    folder = tmp_path / "a & b"
    out, texts = folder / "words.parquet", folder / "texts.parquet"
    result = explain("--file", reviews, "--model", demo_model, *columns, "--out", out, "--out-texts", texts)
    assert result.exit_code == 0 and "explained: 40 texts" in result.stderr, result.output
    direct = TextExplainer.from_pretrained(str(demo_model))(list(read_demo()["text"].head(40)))
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


def test_a_contrast_is_checked_and_explained_over_a_file(demo_model, reviews, tmp_path):
    options = ["--model", demo_model, "--text-column", "review", "--target", "positive", "--against", "negative"]
    assert run_text("check", reviews, *options, "--out", tmp_path / "check.json").exit_code == 0
    result = explain("--file", reviews, *options, "--out", tmp_path / "words.parquet")
    assert result.exit_code == 0, result.output
    texts = read_texts(tmp_path / "words.texts.parquet")
    assert set(texts["target"]) == {"positive against negative"}
    assert (texts["words"] + texts["added"] + texts["rest"]).tolist() == pytest.approx(texts["score"].tolist())


def test_texts_and_files_are_explained_against_a_reference(demo_model, reviews, tmp_path):
    result = explain("A fine film.", "--model", demo_model, "--reference", "pad", "--numbers")
    assert result.exit_code == 0, result.output
    assert "against: all words replaced by padding" in " ".join(result.stdout.split())
    half = explain("A fine film.", "--model", demo_model, "--reference", "A bad film.", "--rules", "secant-half")
    assert half.exit_code == 0 and "against: A bad film." in " ".join(half.stdout.split()), half.output

    options = ["--model", demo_model, "--text-column", "review", "--reference", "pad"]
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


def test_shards_together_are_the_whole_corpus(demo_model, reviews, tmp_path):
    whole = ["--file", reviews, "--model", demo_model, "--text-column", "review"]
    assert explain(*whole, "--out", tmp_path / "whole.parquet").exit_code == 0
    for shard in (1, 2, 3):
        result = explain(*whole, "--shard", shard, "--shards", 3, "--out", tmp_path / f"{shard}.parquet")
        assert result.exit_code == 0, result.output
    shards = [tmp_path / f"{shard}.parquet" for shard in (1, 2, 3)]
    assert run_text("gather", *shards, "--out", tmp_path / "gathered.parquet").exit_code == 0
    gathered, once = read_words(tmp_path / "gathered.parquet"), read_words(tmp_path / "whole.parquet")
    pd.testing.assert_frame_equal(gathered, once, atol=1e-4)
    assert read_texts(tmp_path / "whole.texts.parquet")["label"].isna().all()


def test_skipped_texts_are_not_counted_as_explained(demo_model, tmp_path):
    (tmp_path / "x.jsonl").write_text('{"text": "good"}\n{"text": 3}\n{"text": "bad"}\n')
    files = ["--file", tmp_path / "x.jsonl", "--out", tmp_path / "new" / "x.parquet"]
    result = explain("--model", demo_model, *files, "--on-error", "skip")
    assert result.exit_code == 0 and "explained: 2 texts (1 skipped)" in result.stderr, result.output
    assert "will be made" in result.stderr
