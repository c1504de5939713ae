"""The demo: its corpus is balanced, and its model predicts sentences that it has not seen."""

import re

import pandas as pd
import pytest

from lrp_domains.text import TextExplainer
from lrp_domains.text.demo import read_demo

from .commands import run_text

NEGATION = r"\b(?:not|never|no|nobody|nothing|hardly|without)\b|n't\b"
CONTRAST = r"\b(?:but|yet|although|though|despite|while)\b"


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
