"""Models from outside transformers: an LSTM with a vocabulary, given as three parts."""

import pytest
import torch
from torch import nn

from lrp_domains import CP_LRP, relevance, unfused
from lrp_domains.text import TextError, TextExplainer

from .numbered_words import VOCABULARY, tokenize


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


class Chunked(nn.Module):
    """Embeds its tokens in chunks: along the text, as rows of a larger batch, or row by row."""

    def __init__(self, way):
        super().__init__()
        torch.manual_seed(0)
        self.way, self.embed, self.dense = way, nn.Embedding(len(VOCABULARY), 8, padding_idx=0), nn.Linear(8, 2)

    def embedded(self, ids):
        if self.way == "once":
            return self.embed(ids)
        if self.way == "along":
            return torch.cat([self.embed(chunk) for chunk in ids.split(2, dim=1)], 1)
        if self.way == "folded":  # beside a call with other numbers
            padded = nn.functional.pad(ids, (0, ids.shape[1] % 2))
            one, two = (self.embed(half.reshape(-1, 1)) for half in padded.chunk(2, dim=1))
            halves = [x.reshape(len(ids), -1, 8) for x in (one, two)]
            return (
                torch.cat(halves, 1)[:, : ids.shape[1]]
                + 0 * self.embed(torch.tensor([[5, 2, 5, 2, 5, 5, 2, 2, 5]])).mean()
            )
        return torch.stack([torch.cat([self.embed(row[:1]), self.embed(row[1:])]) for row in ids])

    def forward(self, ids, mask):
        weight = torch.arange(1.0, ids.shape[1] + 1, dtype=self.dense.weight.dtype)[:, None]
        return self.dense((self.embedded(ids).tanh() * weight * mask[:, :, None]).sum(1))


@pytest.mark.parametrize("way", ["along", "folded", "rows"])
def test_an_embedding_may_be_called_with_parts_of_the_tokens(way):
    texts = ["Not a good film!", "good bad good good a", "a film, not a bad film", "not good"]
    explainers = []
    for chosen in ("once", way):
        model = Chunked(chosen).eval().double()
        explainers.append(TextExplainer.from_parts(tokenize, model.embed, model, ["no", "yes"], rules=CP_LRP))
    for expected, result in zip(explainers[0](texts), explainers[1](texts), strict=True):
        amounts = [token.relevance for token in expected.tokens]
        assert [token.relevance for token in result.tokens] == pytest.approx(amounts, abs=1e-12)
        alone = explainers[1](expected.text)
        assert [token.relevance for token in alone.tokens] == pytest.approx(amounts, abs=1e-12)
        assert abs(alone.ledger.residue) < 1e-9


def test_parts_that_leave_tokens_out_are_refused():
    model = Chunked("once").eval()

    def forward(ids, mask):
        return model.dense(model.embed(ids[:, :1]).sum(1) + model.embed(ids[:, 2:]).sum(1))

    with pytest.raises(TextError, match=r"calls the embedding 2 times, .* 1 of 4 are in no call"):
        TextExplainer.from_parts(tokenize, model.embed, forward, ["no", "yes"])("not a good film")


# What each embeds, as the columns of the tokens that its vectors are; -1 for other tokens.


@pytest.mark.parametrize(
    "pack",
    [
        lambda logits, states: {"logits": logits, "states": states},
        lambda logits, states: {"scores": logits},
        lambda logits, states: (states, logits),
        lambda logits, states: {"logits": logits, "other": logits},
    ],
)
def test_logits_may_be_in_a_tuple_or_dict(pack):
    model = Chunked("once").eval()
    plain = TextExplainer.from_parts(tokenize, model.embed, model, ["no", "yes"])("not good")

    def forward(ids, mask):
        return pack(model(ids, mask), model.embed(ids))

    packed = TextExplainer.from_parts(tokenize, model.embed, forward, {1: "yes", 0: "no"})("not good")
    assert (packed.prediction, packed.score) == (plain.prediction, plain.score)


def test_outputs_without_logits_and_labels_without_numbers_are_refused():
    model = Chunked("once").eval()
    for outputs, count in ((lambda logits: (logits, logits), 2), (lambda logits: {"a": logits[:, 0]}, 0)):
        forward = lambda ids, mask, outputs=outputs: outputs(model(ids, mask))  # noqa: E731
        with pytest.raises(TextError, match=rf"forward returned {count} tensors of shape \(1, 2\)"):
            TextExplainer.from_parts(tokenize, model.embed, forward, ["no", "yes"])("not good")
    with pytest.raises(TextError, match="expected the numbers 0 to 1 as keys"):
        TextExplainer.from_parts(tokenize, model.embed, model, {1: "no", 2: "yes"})


def test_inputs_beside_the_text_are_passed_on_in_batches():
    model = Chunked("once").eval().double()
    table = nn.Linear(3, 2).double()
    texts = ["Not a good film!", "bad", "a film, not a bad film"]
    extras = torch.tensor([[1.0, 2.0, -1.0], [0.0, 0.5, 3.0], [2.0, 2.0, 2.0]], dtype=torch.double)

    def forward(ids, mask, numbers):
        return model(ids, mask) * table(numbers)

    explainer = TextExplainer.from_parts(tokenize, model.embed, forward, ["no", "yes"])
    for form in (extras, list(extras), [{"numbers": extra.tolist()} for extra in extras], extras.numpy()):
        results = explainer(texts, target="yes", extra=form)
        for text, extra, result in zip(texts, extras, results, strict=True):
            ids = torch.tensor([tokenize(text)[0]])
            logits = forward(ids, torch.ones_like(ids), extra[None])[0]
            assert result.score == pytest.approx((logits[1] - logits[0]).item())
            alone = explainer(text, target="yes", extra=extra)
            assert [t.relevance for t in alone.tokens] == pytest.approx([t.relevance for t in result.tokens])
    for form in (extras, iter(extras)):
        streamed = explainer.stream(iter(texts), "yes", extra=form)
        assert [result.score for result in streamed] == pytest.approx([result.score for result in results])
    streamed = explainer.stream(texts, "yes", extra={"numbers": extras[1]})  # one for all
    assert [result.score for result in streamed][1] == pytest.approx(results[1].score)
    assert next(explainer.stream(texts[1], "yes", extra=extras[1])).score == pytest.approx(results[1].score)
    with pytest.raises(TextError, match=r"text 2: extra= has fewer values than there are texts"):
        list(explainer.stream(texts, extra=iter(extras[:2])))
    with pytest.raises(TextError, match=r"has the shapes \[\(2,\), \(3,\)\]"):
        explainer(texts[:2], extra=[[1.0, 2.0], [1.0, 2.0, 3.0]])
    with pytest.raises(TextError, match="differs in its form"):
        explainer(texts[:2], extra=[None, [1.0, 2.0, 3.0]])
    with pytest.raises(TextError, match="expected numbers"):
        explainer(texts[0], extra="many")
