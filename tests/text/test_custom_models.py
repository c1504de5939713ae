"""Models from outside transformers: an LSTM with a vocabulary, given as three parts."""

import re

import pytest
import torch
from torch import nn

from lrp_domains import CP_LRP, relevance, unfused
from lrp_domains.text import TextExplainer

VOCABULARY = {"": 0, "?": 1, "not": 2, "a": 3, "good": 4, "bad": 5, "film": 6}


def tokenize(text):
    words = list(re.finditer(r"\w+", text))
    return [VOCABULARY.get(word[0].lower(), 1) for word in words], [word.span() for word in words]


class Recurrent(nn.Module):
    """A bidirectional LSTM over the words, its last states to two logits."""

    def __init__(self, kind=nn.LSTM):
        super().__init__()
        self.embed = nn.Embedding(len(VOCABULARY), 8, padding_idx=0)
        self.recurrent = kind(8, 6, batch_first=True)
        self.dense = nn.Linear(6, 2)

    def forward(self, ids, mask):
        states, _ = self.recurrent(self.embed(ids))
        return self.dense(states[torch.arange(len(ids)), mask.sum(1) - 1])


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("wrap", ["module", "method", "function"])
def test_recurrent_networks_have_the_relevance_of_the_core(kind, wrap):
    model = Recurrent(kind).eval().double()
    forward = {"module": model, "method": model.forward, "function": lambda ids, mask: model(ids, mask)}[wrap]
    explainer = TextExplainer.from_parts(tokenize, model.embed, forward, labels=["negative", "positive"], rules=CP_LRP)
    texts = ["Not a good film!", "bad", "a film, not a bad film"]
    for text, result in zip(texts, explainer(texts, target="positive"), strict=True):
        ids, _ = tokenize(text)
        x = model.embed(torch.tensor([ids])).detach().requires_grad_()
        with unfused():
            states, _ = model.recurrent(x)
        logits = model.dense(states[:, -1])
        expected = relevance(logits[:, 1] - logits[:, 0], x, rules=CP_LRP).sum(-1)[0]
        assert [token.relevance for token in result.tokens] == pytest.approx(expected.tolist(), abs=1e-12)
        assert result.target == "positive"
        assert result.prediction == ["negative", "positive"][logits.argmax().item()]
    if kind is not nn.RNN and wrap == "module":
        assert abs(explainer("not good").ledger.residue) < 1e-9
    assert [word.text for word in explainer(texts[0]).words] == ["Not", "a", "good", "film", "!"]


def test_regressions_and_several_labels_explain_the_logit():
    model = Recurrent().eval().double()
    several = TextExplainer.from_parts(tokenize, model.embed, model, labels=["a", "b"], kind="several")
    result = several("not good", target="b")
    logits = model(torch.tensor([[2, 4]]), torch.ones(1, 2, dtype=torch.bool))[0]
    assert result.score == pytest.approx(logits[1].item())
    assert result.probability == pytest.approx(logits.sigmoid().max().item())
    model.dense = nn.Linear(6, 1).double()
    number = TextExplainer.from_parts(tokenize, model.embed, model, labels=["stars"], kind="number")("not good")
    assert number.prediction == number.score
    assert (number.probability, number.target) == (None, "stars")


def test_tokens_without_a_place_are_added_and_a_limit_makes_windows():
    model = Recurrent().eval()

    def begun(text):
        ids, spans = tokenize(text)
        return [1, *ids], [None, *spans]

    explainer = TextExplainer.from_parts(begun, model.embed, model, labels=["a", "b"], longest=4)
    result = explainer("not a good film")
    assert "windows" in result.notes[0]
    assert [token.part for token in result.tokens].count("added") == 1
