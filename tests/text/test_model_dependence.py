"""Explanations of texts follow the model: parameters that are randomised, and models of several seeds."""

import numpy as np
import pytest
import torch

from lrp_domains.demos.text import read_demo
from lrp_domains.evaluation import rivals, spearman
from lrp_domains.text import TextError, TextExplainer
from lrp_domains.text.evaluation import agreement, parameter_randomisation

TEXTS = read_demo()["text"].tolist()[:20]


def test_relevance_depends_on_the_parameters(explainer):
    before = {name: value.clone() for name, value in explainer.model.state_dict().items()}
    layers = ["classifier", "bert.encoder.layer.0.attention.self.value", "bert.embeddings.word_embeddings"]
    table = parameter_randomisation(explainer, TEXTS, layers=layers)
    assert table["layer"].tolist() == layers
    assert table["similarity"].iloc[-1] < 0.3
    for name, value in explainer.model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_a_method_that_ignores_the_parameters_is_found_out(explainer):
    def by_position(of):
        return [torch.arange(float(x.shape[1]))[:, None].expand_as(x) for x in of.inputs]

    ignorant = explainer.explaining_by(rivals.Rival("position", by_position, 0.0))
    table = parameter_randomisation(ignorant, TEXTS[:3], layers=["classifier", "bert.embeddings.word_embeddings"])
    np.testing.assert_allclose(table["similarity"], 1)


def test_the_target_is_that_of_the_model_as_it_was(explainer, monkeypatch):
    asked = []

    def recorded(self, texts, target=None, **options):
        asked.append(target)
        return call(self, texts, target, **options)

    call = TextExplainer.__call__
    predicted = [result.target for result in explainer(TEXTS[:4])]
    monkeypatch.setattr(TextExplainer, "__call__", recorded)
    parameter_randomisation(explainer, TEXTS[:4], layers=["classifier"])
    assert asked == [None, predicted, predicted]


def test_a_model_agrees_with_itself_and_less_with_another(explainer):
    torch.manual_seed(0)
    other = TextExplainer(type(explainer.model)(explainer.model.config).eval(), explainer.tokenizer)
    table = agreement({"one": explainer, "again": explainer, "other": other}, TEXTS[:5], k=2)
    assert table[["a", "b"]].to_numpy().tolist() == [["one", "again"], ["one", "other"], ["again", "other"]]
    table = table.set_index(["a", "b"])
    np.testing.assert_allclose(table.loc[("one", "again")], 1)
    targets = [result.target for result in explainer(TEXTS[:5])]
    pairs = zip(explainer(TEXTS[:5]), other(TEXTS[:5], targets), strict=True)
    expected = [spearman(*(np.array([w.relevance for w in result.words]) for result in pair)) for pair in pairs]
    assert table.loc[("one", "other"), "spearman"] == pytest.approx(np.mean(expected))
    assert table.loc[("one", "other"), "jaccard"] < 1 > table.loc[("one", "other"), "rbo"]


def test_words_must_be_the_same(explainer):
    letters = [(start, start + 1) for start in range(9)]
    by_character = TextExplainer(explainer.model, explainer.tokenizer, words=lambda text: letters)
    with pytest.raises(TextError, match="'good film' has other words for another model"):
        agreement({"by word": explainer, "by character": by_character}, ["good film"])
