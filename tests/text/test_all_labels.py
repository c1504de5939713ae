"""All labels of a text in one call, sets of labels, and the type of a classifier's problem."""

import pytest
import torch

from lrp_domains import CP_LRP
from lrp_domains.text import TextError, TextExplainer

from .small_models import bart, bert
from .small_tokenizers import SENTENCES, tokenizer_of

WORDPIECE, UNIGRAM = tokenizer_of("wordpiece"), tokenizer_of("unigram")
NAMES = {0: "anger", 1: "joy", 2: "fear"}
MULTI = "multi_label_classification"


def assert_same(result, other):
    assert (result.target, result.prediction) == (other.target, other.prediction)
    assert result.probability == pytest.approx(other.probability)
    assert result.score == pytest.approx(other.score)
    assert [t.relevance for t in result.tokens] == pytest.approx([t.relevance for t in other.tokens], abs=1e-12)


@pytest.mark.parametrize("problem_type", [None, MULTI, "regression"])
def test_all_labels_are_those_of_single_calls_over_one_forward_pass(problem_type):
    model = bert(WORDPIECE, id2label=NAMES)
    explainer = TextExplainer(model, WORDPIECE, rules=CP_LRP, problem_type=problem_type)
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    results = explainer(SENTENCES[0], target="all")
    assert len(calls) == 1
    for result, name in zip(results, NAMES.values(), strict=True):
        alone = explainer(SENTENCES[0], target=name)
        assert_same(result, alone)
        assert result.ledger.leaves == pytest.approx(alone.ledger.leaves, abs=1e-12)
        assert abs(result.ledger.residue) < 1e-9


def test_results_of_many_texts_are_flat_and_in_order():
    explainer = TextExplainer(bert(WORDPIECE, id2label=NAMES), WORDPIECE, batch_size=2, window=15, stride=2)
    texts = [SENTENCES[2], SENTENCES[0], " ".join(SENTENCES)]
    results = explainer(texts, target=["all", "joy", "all"])
    assert [result.text for result in results] == [texts[0]] * 3 + [texts[1]] + [texts[2]] * 3
    alone = [explainer(t, target=n) for t in (texts[0], texts[2]) for n in NAMES.values()]
    for result, other in zip([*results[:3], *results[4:]], alone, strict=True):
        assert_same(result, other)
    assert "windows" in results[6].notes[0]
    assert results.ledger.residue is not None
    assert list(results) == list(explainer.stream(texts, target="all"))[:3] + list(results[3:4]) + list(results[4:])


@pytest.mark.parametrize("options", [{"against": "joy"}, {"reference": "mask"}])
def test_all_labels_have_contrasts_and_references(options):
    explainer = TextExplainer(bert(WORDPIECE, id2label=NAMES), WORDPIECE)
    results = explainer(SENTENCES[0], target="all", **options)
    names = [name for name in NAMES.values() if name != options.get("against")]
    for result, name in zip(results, names, strict=True):
        assert_same(result, explainer(SENTENCES[0], target=name, **options))


def test_all_labels_of_a_classifier_that_reads_the_text_on_both_sides():
    explainer = TextExplainer(bart(UNIGRAM, "ForSequenceClassification", id2label=NAMES), UNIGRAM, rules=CP_LRP)
    for result, name in zip(explainer(SENTENCES[3], target="all"), NAMES.values(), strict=True):
        assert_same(result, explainer(SENTENCES[3], target=name))


def test_a_label_called_all_is_that_label():
    explainer = TextExplainer(bert(WORDPIECE, id2label={0: "none", 1: "all"}), WORDPIECE)
    assert explainer(SENTENCES[0], target="all").target == "all"


def test_a_multi_label_model_predicts_a_set():
    model = bert(WORDPIECE, id2label=NAMES)
    explainer = TextExplainer(model, WORDPIECE, problem_type=MULTI)
    logits = model(**WORDPIECE(SENTENCES[0], return_tensors="pt")).logits[0].detach()
    for shift, expected in [(logits.min() - 1, 3), (logits.sort().values[1] - 1e-3, 2), (logits.max() + 1, 0)]:
        with torch.no_grad():
            model.classifier.bias -= shift
        shifted = logits - shift
        result = explainer(SENTENCES[0])
        names = [NAMES[number] for number in range(3) if shifted[number] >= 0]
        assert len(names) == expected
        assert result.prediction == (", ".join(names) or "none")
        assert result.target == NAMES[int(shifted.argmax())]
        assert result.score == pytest.approx(shifted.max().item())
        assert explainer(SENTENCES[0], target="fear").probability == pytest.approx(shifted[2].sigmoid().item())
        with torch.no_grad():
            model.classifier.bias += shift


def test_the_problem_type_overrides_the_configuration(tmp_path):
    model = bert(WORDPIECE, id2label=NAMES, problem_type=MULTI)
    single = TextExplainer(model, WORDPIECE, problem_type="single_label_classification")
    assert single.labels.kind == "one"
    assert model.config.problem_type == MULTI
    logits = model(**WORDPIECE(SENTENCES[0], return_tensors="pt")).logits[0]
    assert single(SENTENCES[0]).probability == pytest.approx(logits.softmax(0).max().item())
    model.save_pretrained(tmp_path)
    WORDPIECE.save_pretrained(tmp_path)
    loaded = TextExplainer.from_pretrained(str(tmp_path), problem_type="regression", device="cpu")
    assert loaded.labels.kind == "number"


def test_a_regression_with_several_outputs_explains_the_one_that_is_named():
    model = bert(WORDPIECE, id2label={0: "valence", 1: "arousal"}, problem_type="regression")
    explainer = TextExplainer(model, WORDPIECE, rules=CP_LRP)
    outputs = model(**WORDPIECE(SENTENCES[0], return_tensors="pt")).logits[0].tolist()
    results = explainer(SENTENCES[0], target="all")
    assert [result.score for result in results] == pytest.approx(outputs)
    assert [result.prediction for result in results] == pytest.approx(outputs)
    assert [(r.target, r.probability) for r in results] == [("valence", None), ("arousal", None)]
    contrast = explainer(SENTENCES[0], target=1, against=0)
    assert contrast.score == pytest.approx(outputs[1] - outputs[0])
    with pytest.raises(TextError, match=r"predicts 2 numbers: pass target= \(one of 'valence', 'arousal'\), or 'all'"):
        explainer(SENTENCES[0])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"problem_type": "multilabel"}, r"problem_type='multilabel': expected one of single_label_classification, m"),
        (
            {"aggregation": "first"},
            r"aggregation='first' is for task='token-classification', but this model is for text",
        ),
        ({"no_answer": True}, r"no_answer=True is for task='question-answering'"),
        ({"no_answer": 1}, r"no_answer=1: expected True or False"),
        ({"candidates": ["a"]}, r"candidates=\['a'\] is for task='zero-shot-classification'"),
        ({"pooling": "median"}, r"unknown pooling 'median'"),
        ({"long_text": "third"}, r"long_text='third': expected 'first', 'second', or None"),
    ],
)
def test_an_option_that_does_not_fit_raises(options, message):
    with pytest.raises(TextError, match=message):
        TextExplainer(bert(WORDPIECE), WORDPIECE, **options)


def test_advice_on_contrasts_does_not_loop():
    explainer = TextExplainer(bert(WORDPIECE, num_labels=1), WORDPIECE)
    with pytest.raises(TextError, match="against='LABEL_0': the model has one output, 'LABEL_0'; leave it out"):
        explainer(SENTENCES[0], target=0, against="LABEL_0")
    encoder = TextExplainer(bert(WORDPIECE, "Model"), WORDPIECE)
    with pytest.raises(TextError, match="against='a': the similarity of two texts is one number; leave it out"):
        encoder(("a", "b"), against="a")
