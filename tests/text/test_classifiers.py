"""Sequence classifiers: the engine's numbers, summed to words, with books that balance."""

import pytest
import torch

from lrp_domains import CP_LRP, relevance
from lrp_domains.text import TextExplainer

from .models_made import bert, gpt2
from .tokenizers_made import SENTENCES, ZOO, tokenizer_of


@pytest.mark.parametrize("kind", ZOO)
def test_tokens_are_those_of_the_engine(kind):
    tokenizer = tokenizer_of(kind)
    model = bert(tokenizer)
    result = TextExplainer(model, tokenizer)(SENTENCES[0])
    batch = tokenizer([SENTENCES[0]], return_tensors="pt")
    embeddings = model.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_()
    logits = model(inputs_embeds=embeddings, attention_mask=batch["attention_mask"]).logits
    top = logits.argmax(1)
    score = logits[:, top[0]] - logits[:, 1 - top[0]]
    expected = relevance(score, embeddings).sum(-1)[0]
    torch.testing.assert_close(torch.tensor([t.relevance for t in result.tokens]).double(), expected)
    assert result.score == pytest.approx(score.item())
    assert result.prediction == f"LABEL_{top.item()}"


@pytest.mark.parametrize("kind", ZOO)
def test_the_books_balance(kind):
    tokenizer = tokenizer_of(kind)
    result = TextExplainer(bert(tokenizer, num_labels=3), tokenizer, rules=CP_LRP)(SENTENCES[2])
    words, added = sum(w.relevance for w in result.words), sum(t.relevance for t in result.tokens if t.part == "added")
    assert words + added == pytest.approx(sum(t.relevance for t in result.tokens), abs=1e-12)
    ledger = result.ledger
    assert (ledger.words, ledger.added) == (pytest.approx(words), pytest.approx(added))
    assert abs(ledger.residue) < 1e-9
    assert ledger.rest == pytest.approx(sum(ledger.leaves.values()), abs=1e-9)
    assert ledger.spread < 0
    assert ledger.score == result.score


def test_log_odds_are_those_of_the_softmax():
    tokenizer = tokenizer_of("wordpiece")
    model = bert(tokenizer, num_labels=4)
    result = TextExplainer(model, tokenizer)(SENTENCES[1])
    with torch.no_grad():
        p = model(**tokenizer([SENTENCES[1]], return_tensors="pt")).logits.softmax(1).max().item()
    assert result.probability == pytest.approx(p)
    assert result.score == pytest.approx(torch.logit(torch.tensor(p, dtype=torch.float64)).item())


@pytest.mark.parametrize(
    "made, kind, options",
    [
        (bert, "wordpiece", {}),
        (gpt2, "byte-level", {"kind": "ForSequenceClassification", "pad_token_id": 1}),
    ],
)
def test_a_text_does_not_notice_its_batch(made, kind, options):
    tokenizer = tokenizer_of(kind)
    explainer = TextExplainer(made(tokenizer, **options), tokenizer)
    together = explainer(list(SENTENCES))
    for text, result in zip(SENTENCES, together, strict=True):
        alone = explainer(text)
        assert [t.relevance for t in alone.tokens] == pytest.approx([t.relevance for t in result.tokens], abs=1e-10)
        assert (alone.text, alone.prediction) == (result.text, result.prediction)
