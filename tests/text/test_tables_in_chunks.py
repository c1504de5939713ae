"""Tables of corpora are read in chunks: the same words and examples as from whole tables."""

import pandas as pd
import pytest

from lrp_domains.demos.text import read_demo
from lrp_domains.domain import locked
from lrp_domains.domain.files import tables
from lrp_domains.text import TextExplainer, class_words
from lrp_domains.text.corpora import explain_corpus, rank_words, read_texts, read_words
from lrp_domains.text.corpora.corpus import Corpus
from lrp_domains.text.report import write_report
from lrp_domains.text.results.class_words import ranked_words

from .commands import run_text


@pytest.fixture(scope="module")
def explained(demo_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    demo = read_demo().head(60)
    corpus = Corpus(tuple(demo["text"]), labels=tuple(demo["label"]))
    explain_corpus(TextExplainer.from_pretrained(str(demo_model), device="cpu"), corpus, *_paths(folder))
    return folder


def _paths(folder):
    return folder / "words.parquet", folder / "texts.parquet"


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_words_of_classes_do_not_depend_on_chunks(explained, rows):
    words, texts = read_words(explained / "words.parquet"), read_texts(explained / "texts.parquet")
    chunks = [words.iloc[start : start + rows] for start in range(0, len(words), rows)]
    expected = class_words(words, texts, fewest=3)
    assert len(expected) > 10 and expected["texts"].min() >= 3
    in_chunks = ranked_words(lambda: chunks, lambda numbers: texts[texts["text"].isin(numbers)], fewest=3)
    pd.testing.assert_frame_equal(in_chunks, expected, rtol=1e-12)
    on_disk = rank_words(*_paths(explained), fewest=3)
    pd.testing.assert_frame_equal(on_disk, expected, rtol=1e-12)


def test_a_word_that_occurs_often_in_one_text_counts_as_one_text():
    word = {"part": "text", "word": "good", "start": 0, "end": 4, "kind": "word", "relevance": 1.0, "target": "a"}
    words = pd.DataFrame([{"text": 0, **word}] * 3 + [{"text": 1, **word}] * 2)
    chunks = [words.iloc[:2], words.iloc[2:4], words.iloc[4:4], words.iloc[4:]]
    table = ranked_words(lambda: chunks)
    assert table[["occurrences", "texts"]].to_numpy().tolist() == [[5, 2]]


def test_a_report_does_not_depend_on_chunks(explained, tmp_path, monkeypatch):
    write_report([explained], tmp_path / "whole.html")
    merged, chunks = tables.merged, []

    def cut(parts):
        for table in merged(parts):
            pieces = [table.slice(start, 20) for start in range(0, len(table), 20)]
            chunks.extend(pieces)
            yield from pieces

    monkeypatch.setattr(tables, "merged", cut)
    write_report([explained], tmp_path / "parts.html")
    assert (tmp_path / "parts.html").read_text() == (tmp_path / "whole.html").read_text()
    assert len(chunks) > 20


def test_the_demo_model_is_not_trained_twice_at_once(tmp_path):
    with locked(tmp_path / ".model.parts"):
        result = run_text("train-demo", "--out", tmp_path / "model")
    assert result.exit_code == 1 and "another process is using" in result.stderr
    assert not (tmp_path / "model").exists()
