"""Taggers: one label per word, over all its pieces, and all entities of a text, as in transformers' pipeline."""

import numpy as np
import pytest
import torch
from transformers import pipeline

from lrp_domains import CP_LRP
from lrp_domains.text import TextError, TextExplainer
from lrp_domains.text.tokens.encoding import encode
from lrp_domains.text.tokens.tagged_words import prefix_of, words_of_tokens

from .small_models import bert
from .small_tokenizers import KINDS, SENTENCES, tokenizer_of

WORDPIECE = tokenizer_of("wordpiece")
LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
TEXT = "the angelmar cast was wonderful"  # "angelmar" has several pieces


def tagger(labels_of_tokens=None, text=TEXT, **options):
    """Return an explainer of a tagger whose label of each token of a text is chosen."""
    model = bert(WORDPIECE, "ForTokenClassification", num_labels=len(LABELS), id2label=dict(enumerate(LABELS)))
    if labels_of_tokens is not None:
        with torch.no_grad():
            states = model.bert(**WORDPIECE(text, return_tensors="pt")).last_hidden_state[0]
            numbers = [0, *(LABELS.index(label) for label in labels_of_tokens), 0]
            logits = 4.0 * torch.eye(len(LABELS), dtype=states.dtype)[numbers]
            model.classifier.weight.copy_((torch.linalg.pinv(states) @ logits).T)
            model.classifier.bias.zero_()
    return TextExplainer(model, WORDPIECE, rules=CP_LRP, **options)


def logits_of(explainer, text):
    with torch.no_grad():
        return explainer.model(**WORDPIECE(text, return_tensors="pt")).logits[0]


def log_odds(logits, label):
    others = torch.cat([logits[:, :label], logits[:, label + 1 :]], 1)
    return logits[:, label] - (others.softmax(1) * others).sum(1)


PIECES = WORDPIECE.tokenize(TEXT)
FIRST, LAST = 1, 1 + sum(1 for piece in PIECES[1:] if piece.startswith("##"))  # the pieces of "angelmar"
assert LAST > FIRST + 1


def mixed():
    """Return the labels of a tagger that says B- at the first piece of a word and I- at the others."""
    labels = ["O"] * len(PIECES)
    labels[FIRST] = "B-PER"
    labels[FIRST + 1 : LAST + 1] = ["I-PER"] * (LAST - FIRST)
    return labels


@pytest.mark.parametrize("aggregation, label", [("average", "I-PER"), ("first", "B-PER"), ("max", None)])
@pytest.mark.parametrize("at", ["angelmar", 5, (4, 7)])
def test_the_named_label_is_the_one_explained_at_every_piece(aggregation, label, at):
    explainer = tagger(mixed(), aggregation=aggregation)
    predicted = explainer(TEXT, at=at)
    name = predicted.target.partition(" at ")[0]
    assert label in (None, name)
    named = explainer(TEXT, at=at, target=name)
    assert named.target == predicted.target == f"{name} at 'angelmar'"
    assert named.score == pytest.approx(predicted.score)
    logits = logits_of(explainer, TEXT)[1 + FIRST : 2 + LAST]
    assert predicted.score == pytest.approx(log_odds(logits, LABELS.index(name)).mean().item())
    assert predicted.prediction == name
    assert abs(predicted.ledger.residue) < 1e-9


def test_the_default_place_is_the_most_probable_entity():
    explainer = tagger(mixed())
    result = explainer(TEXT)
    assert result.target == "I-PER at 'angelmar'"
    probabilities = logits_of(explainer, TEXT)[1 + FIRST : 2 + LAST].softmax(1)
    assert result.probability == pytest.approx(probabilities.mean(0).max().item())
    without = tagger(["O"] * len(PIECES))(TEXT)
    assert without.prediction == "O" and without.target.startswith("O at '")


@pytest.mark.parametrize("strategy", ["simple", "first", "average", "max"])
@pytest.mark.parametrize("seed", range(4))
def test_entities_are_those_of_the_pipeline(strategy, seed):
    model = bert(WORDPIECE, "ForTokenClassification", num_labels=len(LABELS), id2label=dict(enumerate(LABELS)))
    with torch.no_grad():
        model.classifier.weight.normal_(0, 3, generator=torch.Generator().manual_seed(seed))
        model.classifier.bias.copy_(-model(**WORDPIECE(TEXT, return_tensors="pt")).logits[0].mean(0))  # no label wins
    tag = pipeline("token-classification", model=model, tokenizer=WORDPIECE, aggregation_strategy=strategy)
    explainer = TextExplainer(model, WORDPIECE, aggregation=strategy, batch_size=3)
    texts = [TEXT, SENTENCES[0], "the plot was bad"]
    results = explainer(texts, target="all")
    expected = [(text, entity) for text in texts for entity in tag(text)]
    assert len(results) == len(expected) > 2
    for result, (text, entity) in zip(results, expected, strict=True):
        assert result.texts == (text,)
        words = text[entity["start"] : entity["end"]]
        label, _, place = result.target.partition(" at ")
        assert place == f"'{words}'"
        assert label.removeprefix("B-").removeprefix("I-") == entity["entity_group"]
        assert result.probability == pytest.approx(entity["score"], abs=1e-6)
    surest = max(tag(TEXT), key=lambda entity: entity["score"])
    assert explainer(TEXT).probability == pytest.approx(surest["score"], abs=1e-6)


def test_all_entities_of_a_text_are_explained_over_one_forward_pass():
    labels = mixed()
    labels[-1] = "B-LOC"
    explainer = tagger(labels)
    calls = []
    explainer.model.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    results = explainer(TEXT, target="all")
    assert calls.count(True) == 1
    assert [result.target for result in results] == ["I-PER at 'angelmar'", "B-LOC at 'wonderful'"]
    for result in results:
        label, _, place = result.target.partition(" at ")
        alone = explainer(TEXT, target=label, at=place.strip("'"))
        assert result.score == pytest.approx(alone.score)
        assert [t.relevance for t in result.tokens] == pytest.approx([t.relevance for t in alone.tokens], abs=1e-12)
        assert result.ledger.leaves == pytest.approx(alone.ledger.leaves, abs=1e-12)
        assert abs(result.ledger.residue) < 1e-9
    together = explainer(["the plot was bad", TEXT], target="all")
    scores = [result.score for result in explainer("the plot was bad", target="all")]
    assert [r.score for r in together] == pytest.approx(scores + [r.score for r in results])
    against_mask = TextExplainer(explainer.model, WORDPIECE)(TEXT, target="all", reference="mask")
    assert [result.target for result in against_mask] == [result.target for result in results]
    for result in against_mask:
        assert sum(word.relevance for word in result.words) == pytest.approx(result.score)


def test_the_words_of_an_entity_have_the_same_share_and_are_named_by_their_type():
    labels = mixed()
    labels[LAST + 1] = "I-PER"
    labels[FIRST : LAST + 1] = ["B-PER"] * (LAST + 1 - FIRST)
    explainer = tagger(labels)
    result = explainer(TEXT)
    assert result.target == "PER at 'angelmar cast'" and result.prediction == "PER"
    logits = logits_of(explainer, TEXT)
    angelmar, cast = logits[1 + FIRST : 2 + LAST], logits[2 + LAST : 3 + LAST]
    assert result.score == pytest.approx((log_odds(angelmar, 1).mean() + log_odds(cast, 2).mean()).item() / 2)
    for target, at in [("PER", "angelmar cast"), ("per", "angelmar cast"), ("PER", None)]:
        assert explainer(TEXT, target=target, at=at).score == pytest.approx(result.score)
    contrast = explainer(TEXT, target="PER", against="O", at="cast")
    assert contrast.target == "I-PER against O at 'cast'"
    assert contrast.score == pytest.approx((cast[0, 2] - cast[0, 0]).item())
    several = explainer(TEXT, at="angelmar cast was")
    assert several.target == "B-PER, I-PER, O at 'angelmar cast was'"


def test_a_label_without_a_place_is_explained_where_it_is_most_probable():
    labels = mixed()
    labels[-1] = "B-LOC"
    explainer = tagger(labels)
    assert explainer(TEXT, target="B-LOC").target == "B-LOC at 'wonderful'"
    assert explainer(TEXT, target="LOC").target == "B-LOC at 'wonderful'"


def test_all_labels_of_a_place():
    explainer = tagger()
    results = explainer(TEXT, target="all", at="cast")
    assert [result.target for result in results] == [f"{label} at 'cast'" for label in LABELS]
    assert results[3].score == pytest.approx(explainer(TEXT, target="B-LOC", at="cast").score)
    contrasts = explainer(TEXT, target="all", against="O", at="cast")
    assert [result.target for result in contrasts] == [f"{label} against O at 'cast'" for label in LABELS[1:]]


def test_an_entity_ends_where_its_text_ends():
    model = bert(WORDPIECE, "ForTokenClassification", num_labels=len(LABELS), id2label=dict(enumerate(LABELS)))
    pair = ("the film", "plot was")
    with torch.no_grad():
        states = model.bert(**WORDPIECE(*pair, return_tensors="pt")).last_hidden_state[0]
        logits = 4.0 * torch.eye(len(LABELS), dtype=states.dtype)[[0, 0, 2, 0, 2, 0, 0]]  # film and plot are I-PER
        model.classifier.weight.copy_((torch.linalg.pinv(states) @ logits).T)
        model.classifier.bias.zero_()
    explainer = TextExplainer(model, WORDPIECE)
    results = explainer(pair, target="all")
    assert [result.target for result in results] == ["I-PER at 'film'", "I-PER at 'plot'"]
    assert explainer(pair).target in {result.target for result in results}


def test_an_entity_is_not_contrasted_with_its_own_label():
    labels = mixed()
    labels[-1] = "B-LOC"
    results = tagger(labels)(TEXT, target="all", against="I-PER")
    assert [result.target for result in results] == ["B-LOC against I-PER at 'wonderful'"]


def test_an_entity_of_several_labels_is_contrasted_with_one_of_them():
    labels = mixed()
    labels[LAST + 1] = "I-PER"
    labels[FIRST : LAST + 1] = ["B-PER"] * (LAST + 1 - FIRST)
    explainer = tagger(labels)
    (result,) = explainer(TEXT, target="all", against="B-PER")
    assert result.target == "PER against B-PER at 'angelmar cast'"
    cast = logits_of(explainer, TEXT)[2 + LAST]
    assert result.score == pytest.approx((cast[2] - cast[1]).item() / 2)  # the other word is B-PER itself


def test_words_are_found_in_either_text_of_a_pair():
    explainer = tagger()
    pair = ("the plot was bad", "the food was good")
    assert explainer(pair, at="food").target.endswith(" at 'food'")
    assert explainer(pair, at="plot").target.endswith(" at 'plot'")
    assert explainer(pair, at=(4, 8)).target.endswith(" at 'plot'")
    with pytest.raises(TextError, match="at='film' does not occur in"):
        explainer(pair, at="film")


def test_a_text_without_entities_has_no_results():
    results = tagger(["O"] * len(PIECES))(TEXT, target="all")
    assert len(results) == 0 and results.ledger.score == 0


@pytest.mark.parametrize("kind", KINDS)
def test_words_of_tokens_cover_the_text(kind):
    tokenizer = tokenizer_of(kind)
    for text in [*SENTENCES, "well-acted plot", " a  b ", "è", "东京 tower"]:
        (encoding,) = encode(tokenizer, [(text,)])
        words = words_of_tokens(encoding, prefix_of(tokenizer))
        np.testing.assert_array_equal(np.concatenate(words), np.flatnonzero(encoding.part == 0))
        for word in words:
            start, end = encoding.spans[word, 0].min(), encoding.spans[word, 1].max()
            assert kind == "wordpiece" or " " not in text[start:end].strip()
    assert len(words_of_tokens(encode(tokenizer, [("the plot, bad",)])[0], prefix_of(tokenizer))) == 4


def test_an_entity_and_its_label_can_not_be_contrasted():
    with pytest.raises(TextError, match="target='PER' contains against='I-PER'"):
        tagger()(TEXT, target="PER", against="I-PER")
    with pytest.raises(TextError, match="no label 'ORG'"):
        tagger()(TEXT, target="ORG")
    with pytest.raises(TextError, match="aggregation='mean': expected one of average, first, max, simple"):
        tagger(aggregation="mean")


def test_a_place_is_any_integer_or_several_words():
    explainer = tagger()
    for at in (np.int64(13), (np.int64(13), np.int64(17)), "cast"):
        assert explainer(TEXT, at=at).score == pytest.approx(explainer(TEXT, at=13).score)
    scores = [explainer(TEXT, target="B-PER", at=at).score for at in ("the", "angelmar", "cast")]
    assert explainer(TEXT, target="B-PER", at="the angelmar cast").score == pytest.approx(np.mean(scores))
