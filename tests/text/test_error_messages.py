"""Errors about a text, a model or a request are one message: what, where, what to do."""

import numpy as np
import pandas as pd
import pytest
from torch import nn

from lrp_domains.text import Labels, TextError, TextExplainer, class_words, class_words_figure, frame

from .small_models import bert, gpt2, t5
from .small_tokenizers import tokenizer_of

WORDPIECE, BYTES, UNIGRAM = (tokenizer_of(kind) for kind in ("wordpiece", "byte-level", "unigram"))


def classifier(**options):
    return TextExplainer(bert(WORDPIECE, id2label={0: "negative", 1: "positive"}), WORDPIECE, **options)


def in_training_mode():
    return TextExplainer(bert(WORDPIECE).train(), WORDPIECE)


def with_nan_weights():
    model = bert(WORDPIECE)
    model.classifier.bias.data[0] = np.nan
    return TextExplainer(model, WORDPIECE)


def with_a_foreign_tokenizer():
    return TextExplainer(bert(WORDPIECE), BYTES)


def of_an_unknown_class():
    return TextExplainer(nn.Linear(2, 2), WORDPIECE)


def of_an_own_class(task):
    model = bert(WORDPIECE)
    model.__class__ = type("OwnClassifier", (type(model),), {"__module__": "own"})
    return TextExplainer(model, WORDPIECE, task=task)


def token_classifier():
    return TextExplainer(bert(WORDPIECE, "ForTokenClassification", num_labels=3), WORDPIECE)


def masked_model():
    return TextExplainer(bert(WORDPIECE, "ForMaskedLM"), WORDPIECE)


def causal_model():
    return TextExplainer(gpt2(BYTES), BYTES)


def question_answerer():
    return TextExplainer(bert(WORDPIECE, "ForQuestionAnswering"), WORDPIECE)


def sentence_encoder(**options):
    return TextExplainer(bert(WORDPIECE, "Model"), WORDPIECE, **options)


def encoder_decoder():
    return TextExplainer(t5(UNIGRAM), UNIGRAM)


TABLE = [
    # texts
    (classifier, None, {}, r"expected a text, a pair of texts, or a list of these, got NoneType"),
    (classifier, 7, {}, r"or a list of these, got int"),
    (classifier, b"good", {}, r"or a list of these, got bytes"),
    (classifier, {"text": "good"}, {}, r"or a list of these, got dict"),
    (
        classifier,
        pd.DataFrame({"text": ["good"]}),
        {},
        r"got a table \(DataFrame\): pass a column, such as frame\['text'",
    ),
    (classifier, np.array("good"), {}, r"got an ndarray of one: pass array.item\(\)"),
    (classifier, [], {}, r"the list of texts is empty"),
    (classifier, ["good", None], {}, r"text 1: expected a string, .* got None"),
    (classifier, ["good", 2.5], {}, r"text 1: expected a string, .* got float"),
    (classifier, [["good", "bad"]], {}, r"text 0: expected a string, or a tuple of two strings for a pair, got list"),
    (classifier, [("a", "b", "c")], {}, r"text 0: .* got a tuple of 3 \(str, str, str\)"),
    (
        classifier,
        ["good", "half \ud83d"],
        {},
        r"text 1: .* surrogate pair at character 5, .*errors='replace'",
    ),
    (causal_model, ["good", ""], {}, r"text 1: '' has no tokens, .*leave empty texts out"),
    # targets
    (classifier, "good", {"target": "postive"}, r"text 0: the model has no label 'postive'; did you mean 'positive'\?"),
    (classifier, "good", {"target": 2}, r"there is no label 2; the model has 2, numbered from 0: 'negative'"),
    (classifier, "good", {"target": -1}, r"there is no label -1"),
    (classifier, "good", {"target": True}, r"True is not a label"),
    (classifier, "good", {"target": 1.0}, r"1.0 is not a label"),
    (classifier, "good", {"target": ("a", "b")}, r"text 0: target=.* is a tuple: write .*target='a', against='b'"),
    (causal_model, "good", {"target": ("a", "b", "c")}, r"is a tuple: write a contrast as target='...', against="),
    (classifier, "good", {"target": "positive", "against": 1}, r"are the same label: name two"),
    (classifier, "good", {"target": "positive", "against": "negativ"}, r"no label 'negativ'; did you mean 'negative'"),
    (classifier, "good", {"against": "positive"}, r"against='positive' requires a target="),
    (classifier, ["a", "b"], {"target": ["positive", None], "against": "negative"}, r"text 1: .* requires a target="),
    (classifier, ["a", "b"], {"target": "positive", "against": ["negative"]}, r"against= is a list of 1 for 2 texts"),
    (classifier, ["a", "b"], {"target": ["positive"]}, r"target= is a list of 1 for 2 texts"),
    (causal_model, "good", {"target": 10**6}, r"1000000 is not a token: the tokenizer has 0 to 329"),
    (
        causal_model,
        "good",
        {"target": ""},
        r"expected a word or phrase to explain, or .*, got ''",
    ),
    (causal_model, ("good", "film"), {}, r"a causal language model continues one text"),
    (
        causal_model,
        "good " * 30,
        {"target": "film " * 20},
        r"text 0: with its continuation the text has \d+ tokens, .* reads 64 at once",
    ),
    (
        masked_model,
        "a [MASK] film",
        {"target": "zebra-film"},
        r"text 0: 'zebra-film' (is \d+ tokens|contains)",
    ),
    (
        masked_model,
        "a [MASK] film",
        {"target": "good", "against": " good"},
        r"against=' good' are the same token: name",
    ),
    (causal_model, "a film", {"target": "good", "against": " good"}, r"are the same tokens, .*good': name two"),
    (encoder_decoder, "a film", {"target": "good", "against": " good"}, r"are the same tokens, .*good.*: name two"),
    (masked_model, "a film", {}, r"'a film' has 0 masks: write \[MASK\] in place of the word"),
    (masked_model, "[MASK] [MASK]", {}, r"has 2 masks: choose one, at="),
    (question_answerer, "who?", {}, r"requires a question and a context: pass a tuple of two"),
    (question_answerer, ("who?", "the film"), {"target": "film"}, r"target='film': expected 'start', 'end', 'no ans"),
    (
        question_answerer,
        ("who?", "film"),
        {"target": "end", "against": "start"},
        r"only be contrasted with 'no answer'",
    ),
    (question_answerer, ("who?", ""), {}, r"the context '' has no token to answer with"),
    (sentence_encoder, "good", {}, r"text 0: similarity requires two texts: pass a tuple of two"),
    (sentence_encoder, ("a", "b"), {"target": "a"}, r"the similarity of two texts is one number"),
    (
        encoder_decoder,
        "good",
        {"target": ""},
        r"expected an answer as a text that isn't empty, or .*, got ''",
    ),
    (encoder_decoder, ("a", "b"), {}, r"an encoder-decoder reads one source"),
    # places
    (classifier, "good", {"at": 0}, r"at=0 is a place in the text, but a sequence classifier reads"),
    (token_classifier, "good film", {"at": "movie"}, r"at='movie' does not occur in 'good film'"),
    (token_classifier, "good good", {"at": "good"}, r"occurs more than once in 'good good': .*at=\(0, 4\)"),
    (token_classifier, "good", {"at": 9}, r"at=\(9, 10\): 'good' has 4 characters, numbered from 0"),
    (token_classifier, "good", {"at": 1.5}, r"at=1.5: expected the number of a character, a pair"),
    (token_classifier, "a  b", {"at": (1, 3)}, r"the tokenizer has no token for '  '"),
    (token_classifier, "", {}, r"'' has no token to label"),
    # models
    (in_training_mode, "good", {}, r"the model is in training mode .*call model.eval\(\)"),
    (with_nan_weights, "good film", {}, r"the score of 'good film' is nan: check the model's weights"),
    (
        with_a_foreign_tokenizer,
        "a, b!",
        {},
        r"returned the token \d+, but the model's embedding has \d+ rows",
    ),
    (of_an_unknown_class, "good", {}, r"Linear is not a model of transformers: pass its parts"),
    # settings
    (lambda: classifier(score="probability"), "", {}, r"a probability saturates .*use 'log-odds'"),
    (lambda: classifier(score="logits"), "", {}, r"unknown score 'logits'; did you mean 'logit'\?"),
    (lambda: classifier(rules="AttnLRP"), "", {}, r"rules='AttnLRP' is not a rule set"),
    (lambda: classifier(batchsize=4), "", {}, r"unknown setting 'batchsize'; did you mean 'batch_size'\?"),
    (lambda: classifier(batch_size=True), "", {}, r"batch_size=True: expected a whole number, at least 1"),
    (lambda: classifier(batch_size=0), "", {}, r"batch_size=0: expected a whole number, at least 1"),
    (lambda: classifier(window=0), "", {}, r"window=0: expected the number of tokens"),
    (lambda: classifier(stride=-1), "", {}, r"stride=-1: expected the number"),
    (lambda: classifier(long="cut"), "", {}, r"long='cut': expected one of windows, truncate"),
    (lambda: classifier(padding="both"), "", {}, r"padding='both': expected 'right', 'left', or None"),
    (lambda: classifier(words="sentences"), "good", {}, r"words='sentences' is neither a segmentation"),
    (lambda: classifier(words=lambda text: None), "good", {}, r"words= returned None for 'good': expected pairs"),
    (lambda: classifier(embedding="embed"), "", {}, r"embedding='embed' is neither 'word' nor 'sum' nor a module"),
    (lambda: classifier(embedding="classifier"), "good", {}, r"classifier was not called with one vector per token"),
    (lambda: classifier(task="sentiment"), "", {}, r"unknown task 'sentiment'; "),
    (lambda: of_an_own_class("token-classification"), "good", {}, r"shape \(1, 2\), expected one row of logits"),
    (lambda: sentence_encoder(pooling="middle"), "", {}, r"unknown pooling 'middle'; "),
]


@pytest.mark.parametrize("make, texts, options, message", TABLE, ids=[str(number) for number in range(len(TABLE))])
def test_an_error_is_one_short_line(make, texts, options, message):
    with pytest.raises(TextError, match=message) as caught:
        make()(texts, **options)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


EMBED = nn.Embedding(5, 4)


def tokenize(text):
    return [1 for _ in text.split()], [(i, i + 1) for i, _ in enumerate(text.split())]


@pytest.mark.parametrize(
    "parts, message",
    [
        ({"embed": "embedding"}, r"embed='embedding' is not a module"),
        ({"forward": 3}, r"forward=3 can't be called"),
        ({"labels": []}, r"labels is empty"),
        ({"labels": ["a", "a"]}, r"labels contains a name twice: 'a', 'a'"),
        ({"kind": "binary"}, r"unknown kind of labels 'binary'; "),
        ({"tokenize": lambda text: [1, 2]}, r"tokenize\(\) failed for 'good film'"),
        ({"tokenize": lambda text: ([1], [])}, r"text 0: tokenize\(\) returned 1 tokens but 0 spans"),
        ({"tokenize": lambda text: ([1], [(0, 99)])}, r"returned the span \(0, 99\) .* which has 9 characters"),
        (
            {"forward": lambda ids, mask: EMBED(ids).sum((1, 2)).expand(1, 3)},
            r"shape \(1, 3\), expected \(1, 2\)",
        ),
    ],
)
def test_parts_of_a_custom_model_that_do_not_fit_raise(parts, message):
    valid = {"tokenize": tokenize, "embed": EMBED, "forward": lambda ids, mask: EMBED(ids).sum((1, 2)), "labels": "ab"}
    with pytest.raises(TextError, match=message):
        TextExplainer.from_parts(**(valid | parts))("good film")


@pytest.mark.parametrize("extra", [{"number": 1.0}, 1.0])
def test_inputs_that_forward_does_not_take_raise(extra):
    forward = lambda ids, mask: EMBED(ids).sum((1, 2))  # noqa: E731
    explainer = TextExplainer.from_parts(tokenize, EMBED, forward, labels="ab")
    with pytest.raises(TextError, match=r"extra= does not fit the arguments of forward\(ids, mask\): "):
        explainer("good film", extra=extra)


@pytest.mark.parametrize(
    "ask, message",
    [
        (lambda: causal_model().continuation(["a"]), r"expected one string to continue, or a chat, got list"),
        (lambda: classifier().continuation("a"), r"a model for text-classification generates no text"),
        (lambda: classifier()("good").to_frame("sentences"), r"of='sentences' is not a table"),
        (lambda: frame([], "word"), r"did you mean 'words'\?"),
        (
            lambda: class_words(classifier()("good").to_frame("texts")),
            r"no column 'part': pass what to_frame\('words'\)",
        ),
        (lambda: class_words(classifier()("good").to_frame(), top=0), r"top=0.* must be 1 or more"),
        (lambda: class_words_figure(class_words(classifier()("good").to_frame())), r"the table of words is empty"),
        (lambda: TextExplainer.from_pretrained("/no/such/folder"), r"'/no/such/folder' could not be loaded"),
        (lambda: TextExplainer.from_pretrained("x", device="gpu"), r"there is no device 'gpu' here"),
        (
            lambda: TextExplainer.from_pretrained("x", task="zero-shot-classification"),
            r"task='zero-shot-classification' requires the labels to choose from: pass candidates=",
        ),
        (lambda: TextExplainer.from_pretrained("x", task="fill-mask", no_answer=True), r"no_answer=True is for task="),
        (lambda: TextExplainer.from_pretrained("x", rule=1), r"unknown setting 'rule'; did you mean 'rules'\?"),
        (
            lambda: classifier(task="fill-mask"),
            r"task='fill-mask': BertForSequenceClassification is a model for text-classification; leave task= out, or "
            r"load the model as transformers.AutoModelForMaskedLM",
        ),
        (lambda: classifier(task="token-classification"), r"is a model for text-classification"),
        (
            lambda: TextExplainer(gpt2(BYTES), BYTES, task="text2text-generation"),
            r"GPT2LMHeadModel is a model for text-generation",
        ),
        (lambda: Labels.named("ab").number("c"), r"the model has no label 'c'"),
    ],
)
def test_an_invalid_request_raises(ask, message):
    with pytest.raises(TextError, match=message):
        ask()


def test_a_head_that_was_never_trained_raises(tmp_path):
    bert(WORDPIECE, "Model").save_pretrained(tmp_path)
    WORDPIECE.save_pretrained(tmp_path)
    with pytest.raises(TextError, match=r"no weights for 'classifier.bias', .* it was not trained for text-class"):
        TextExplainer.from_pretrained(str(tmp_path), task="text-classification")


def test_a_folder_without_a_model_raises(tmp_path):
    with pytest.raises(TextError, match="the folder has no model"):
        TextExplainer.from_pretrained(str(tmp_path))
