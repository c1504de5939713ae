"""Sequence classifiers: the relevance of the core, summed to words, with conservation."""

import numpy as np
import pytest
import torch
from transformers import BertForSequenceClassification

from lrp_domains import CP_LRP, relevance
from lrp_domains.text import TextExplainer

from .small_models import bert
from .small_tokenizers import KINDS, SENTENCES, tokenizer_of


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_have_the_relevance_of_the_core(kind):
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


@pytest.mark.parametrize("kind", KINDS)
def test_conservation_holds_for_words_and_added_tokens(kind):
    tokenizer = tokenizer_of(kind)
    result = TextExplainer(bert(tokenizer, num_labels=3), tokenizer, rules=CP_LRP)(SENTENCES[2])
    words, added = sum(w.relevance for w in result.words), sum(t.relevance for t in result.tokens if t.part == "added")
    assert words + added == pytest.approx(sum(t.relevance for t in result.tokens), abs=1e-12)
    ledger = result.ledger
    assert (ledger.words, ledger.added) == (pytest.approx(words), pytest.approx(added))
    assert abs(ledger.residue) < 1e-9
    assert ledger.rest == pytest.approx(sum(ledger.leaves.values()), abs=1e-9)
    assert ledger.score == result.score == pytest.approx(ledger.words + ledger.added + ledger.rest)


@pytest.mark.parametrize("labels", [2, 4])
def test_log_odds_exceed_those_of_the_softmax_by_the_entropy_of_the_other_labels(labels):
    tokenizer = tokenizer_of("wordpiece")
    model = bert(tokenizer, num_labels=labels)
    result = TextExplainer(model, tokenizer)(SENTENCES[1])
    with torch.no_grad():
        p = model(**tokenizer([SENTENCES[1]], return_tensors="pt")).logits.softmax(1)[0]
    others = p[p < p.max()]
    entropy = torch.special.entr(others / others.sum()).sum().item()
    assert result.probability == pytest.approx(p.max().item())
    assert result.score == pytest.approx(torch.logit(p.max()).item() + entropy)
    assert (entropy > 0.1) == (labels > 2)


def test_the_margin_counts_all_other_labels_alike():
    tokenizer = tokenizer_of("wordpiece")
    model = bert(tokenizer, num_labels=4)
    result = TextExplainer(model, tokenizer, score="margin", rules=CP_LRP)(SENTENCES[1], target=2)
    with torch.no_grad():
        logits = model(**tokenizer([SENTENCES[1]], return_tensors="pt")).logits[0]
    assert result.score == pytest.approx((logits[2] - logits[[0, 1, 3]].mean()).item())
    assert abs(result.ledger.residue) < 1e-9


def test_labels_are_chosen_by_name_number_and_contrast():
    tokenizer = tokenizer_of("wordpiece")
    model = bert(tokenizer, id2label={0: "bad", 1: "fair", 2: "good"})
    explainer = TextExplainer(model, tokenizer, score="logit")
    with torch.no_grad():
        bad, fair, good = model(**tokenizer([SENTENCES[0]], return_tensors="pt")).logits[0].tolist()
    targets = [("good", None), ("Good", None), (2, None), (np.int64(2), None), ("good", "bad"), (1, "bad")]
    scores = [explainer(SENTENCES[0], target, against=against).score for target, against in targets]
    assert scores == pytest.approx([good, good, good, good, good - bad, fair - bad])
    assert explainer(SENTENCES[0], target="good", against=0).target == "good against bad"
    assert explainer(SENTENCES[0]).score == pytest.approx(max(bad, fair, good))


def test_several_labels_and_regression_explain_the_logit():
    tokenizer = tokenizer_of("wordpiece")
    several = bert(tokenizer, num_labels=3, problem_type="multi_label_classification")
    logits = several(**tokenizer([SENTENCES[0]], return_tensors="pt")).logits[0]
    result = TextExplainer(several, tokenizer)(SENTENCES[0])
    assert result.score == pytest.approx(logits.max().item())
    assert result.probability == pytest.approx(logits.sigmoid().max().item())
    number = bert(tokenizer, num_labels=1)
    result = TextExplainer(number, tokenizer, rules=CP_LRP)(SENTENCES[0])
    value = number(**tokenizer([SENTENCES[0]], return_tensors="pt")).logits.item()
    assert (result.prediction, result.probability) == (pytest.approx(value), None)
    assert result.score == pytest.approx(value)
    assert abs(result.ledger.residue) < 1e-9


def test_pairs_are_read_with_their_token_types():
    tokenizer = tokenizer_of("wordpiece")
    model = bert(tokenizer)
    pair = SENTENCES[0], SENTENCES[3]
    result = TextExplainer(model, tokenizer)(pair)
    batch = tokenizer([pair[0]], [pair[1]], return_tensors="pt")
    assert batch["token_type_ids"].any()
    logits = model(**batch).logits[0]
    assert result.score == pytest.approx((logits.max() - logits.min()).item())
    assert result.parts == ("first", "second")
    for part, text in zip(result.parts, pair, strict=True):
        assert "".join(word.text for word in result.words if word.part == part) == "".join(text.split())
    mixed = TextExplainer(model, tokenizer)([pair, SENTENCES[1], pair])
    assert [len(result.texts) for result in mixed] == [2, 1, 2]
    assert mixed[2].score == pytest.approx(result.score)


def test_a_class_derived_from_one_of_transformers_has_its_task():
    class Mine(BertForSequenceClassification):
        pass

    tokenizer = tokenizer_of("wordpiece")
    model = bert(tokenizer)
    mine = Mine(model.config).double().eval()
    mine.load_state_dict(model.state_dict())
    assert TextExplainer(mine, tokenizer)("good film").score == TextExplainer(model, tokenizer)("good film").score
    assert "Mine, text-classification, AttnLRP" in repr(TextExplainer(mine, tokenizer))
