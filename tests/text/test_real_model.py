"""A real BERT on real sentences, if they are available."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lrp_domains import CP_LRP
from lrp_domains.text import TextExplainer, class_words

DATA = Path(__file__).parents[3] / "shared/data/text"  # next to the repository
pytestmark = pytest.mark.skipif(not (DATA / "minilm_sst2").is_dir(), reason="requires shared/data/text")


@pytest.fixture(scope="module")
def explainer():
    return TextExplainer.from_pretrained(str(DATA / "minilm_sst2"))


@pytest.fixture(scope="module")
def sentences():
    lines = (DATA / "uci_sentences/imdb_labelled.txt").read_text().splitlines()[:60]
    return [line.rpartition("\t")[0].strip() for line in lines if "\t" in line]


def test_the_words_of_a_sentence_have_the_known_relevance(explainer):
    result = explainer("not a good film , but a wonderful cast", target="positive")
    by_word = {word.text: word.relevance for word in result.words}
    expected = {"not": -3.153, "good": -0.689, "but": 1.442, "wonderful": 2.128}
    assert {word: by_word[word] for word in expected} == pytest.approx(expected, abs=1e-3)
    assert (result.prediction, result.target) == ("POSITIVE", "POSITIVE")


def test_the_words_of_a_sentence_sum_to_the_difference_from_masks(explainer):
    result = explainer("The movie was not good but the acting was wonderful", reference="mask")
    by_word = {word.text: word.relevance for word in result.words}
    expected = {"wonderful": 3.533, "not": -2.725, "but": 1.537, "good": -0.331}
    assert {word: by_word[word] for word in expected} == pytest.approx(expected, abs=1e-3)
    assert sum(word.relevance for word in result.words) == pytest.approx(result.score, abs=1e-4)
    assert (result.text_score, result.reference.score) == pytest.approx((2.721, 1.171), abs=1e-3)


def test_each_sentence_of_a_batch_is_explained_as_if_alone(explainer, sentences):
    for text, result in zip(sentences[:12], explainer(sentences[:12]), strict=True):
        alone = explainer(text)
        limit = 1e-4 * max(abs(word.relevance) for word in alone.words)
        assert [w.relevance for w in alone.words] == pytest.approx([w.relevance for w in result.words], abs=limit)


def test_predictions_are_those_of_the_model(explainer, sentences):
    tokenizer, model = explainer.tokenizer, explainer.model
    with torch.no_grad():
        probabilities = model(**tokenizer(sentences[:12], padding=True, return_tensors="pt")).logits.softmax(1)
    results = explainer(sentences[:12])
    assert [result.probability for result in results] == pytest.approx(probabilities.max(1).values.tolist(), abs=1e-5)
    assert [result.prediction for result in results] == [["NEGATIVE", "POSITIVE"][i] for i in probabilities.argmax(1)]


def test_conservation_holds_for_a_corpus(sentences):
    cp = TextExplainer.from_pretrained(str(DATA / "minilm_sst2"), rules=CP_LRP, embedding="sum")(sentences)
    ledger = cp.ledger
    assert abs(ledger.residue) < 1e-4 * ledger.score
    assert ledger.words + ledger.added + sum(ledger.leaves.values()) == pytest.approx(ledger.score, rel=1e-4)


def test_the_top_words_of_a_class_are_opinions(explainer, sentences):
    results = explainer(sentences)
    table = class_words(results.to_frame(), results.to_frame("texts"), top=8)
    negative = set(table.loc[table["class"] == "NEGATIVE", "word"])
    assert negative & {"bad", "awful", "lacks", "terrible", "worst", "disappointed", "wasted", "no", "not"}


def test_a_long_review_is_read_in_windows(explainer):
    text = "The acting was good. " * 150 + "But the plot was terrible, awful and boring. " * 60
    result = explainer(text, target="negative")
    assert "windows" in result.notes[0]
    strong = np.array([word.relevance for word in result.words])
    names = np.array([word.text for word in result.words])
    assert strong[names == "terrible"].mean() > strong[names == "acting"].mean()
