"""The demo: its corpus is balanced, and its model predicts sentences that it has not seen."""

import re

import pandas as pd
import pytest

from lrp_domains.commands.text.loading import load_corpus
from lrp_domains.demos.text import read_demo
from lrp_domains.text import TextExplainer

from .commands import run

NEGATION = r"\b(?:not|never|no|nobody|nothing|hardly|without)\b|n't\b"
CONTRAST = r"\b(?:but|yet|although|though|despite|while)\b"


def test_the_demo_corpus_is_balanced_and_has_negations_and_contrasts():
    corpus = read_demo()
    assert len(corpus) >= 400 and not corpus["text"].str.casefold().duplicated().any()
    assert (corpus["label"].value_counts() == len(corpus) // 2).all()
    assert (corpus.groupby("pair")["label"].nunique() == 2).all()
    assert corpus["text"].str.contains(NEGATION, case=False).mean() > 0.2
    assert corpus["text"].str.contains(CONTRAST, case=False).mean() > 0.15


def test_commands_read_the_demo_corpus_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where there is no such file
    corpus, table = load_corpus("demo", {"label_column": "label"}), read_demo()
    assert corpus.texts == tuple(table["text"]) and corpus.labels == tuple(table["label"])


@pytest.mark.slow
def test_the_demo_model_predicts_sentences_that_it_has_not_seen(tmp_path):
    printed = run("text", "train-demo", "--out", tmp_path / "model")
    accuracy = float(re.search(r"held out: accuracy (\S+) on", printed)[1])
    assert accuracy > 0.7
    held_out = pd.read_csv(tmp_path / "model" / "held_out.tsv", sep="\t")
    predicted = TextExplainer.from_pretrained(str(tmp_path / "model"))(list(held_out["text"])).to_frame("texts")
    assert (predicted["prediction"] == held_out["label"]).mean() == pytest.approx(accuracy, abs=1e-3)
    assert set(held_out["pair"].value_counts()) == {2}
