"""What is wrong with a text, a model or a request is said in one message: what, where, what to do."""

import numpy as np
import pytest
from torch import nn

from lrp_domains.text import Labels, TextError, TextExplainer, class_words, class_words_figure, frame

from .models_made import bert, gpt2, t5
from .tokenizers_made import SENTENCES, tokenizer_of

WORDPIECE, BYTES, UNIGRAM = (tokenizer_of(kind) for kind in ("wordpiece", "byte-level", "unigram"))


def classifier(**options):
    return TextExplainer(bert(WORDPIECE, id2label={0: "negative", 1: "positive"}), WORDPIECE, **options)


def training():
    return TextExplainer(bert(WORDPIECE).train(), WORDPIECE)


def not_finite():
    model = bert(WORDPIECE)
    model.classifier.bias.data[0] = np.nan
    return TextExplainer(model, WORDPIECE)


def foreign_tokenizer():
    return TextExplainer(bert(WORDPIECE), BYTES)


def unknown_class():
    return TextExplainer(nn.Linear(2, 2), WORDPIECE)


def tokens():
    return TextExplainer(bert(WORDPIECE, "ForTokenClassification", num_labels=3), WORDPIECE)


def mask():
    return TextExplainer(bert(WORDPIECE, "ForMaskedLM"), WORDPIECE)


def causal():
    return TextExplainer(gpt2(BYTES), BYTES)


def answers():
    return TextExplainer(bert(WORDPIECE, "ForQuestionAnswering"), WORDPIECE)


def pairs(**options):
    return TextExplainer(bert(WORDPIECE, "Model"), WORDPIECE, **options)


def answering():
    return TextExplainer(t5(UNIGRAM), UNIGRAM)


TABLE = [
    # texts
    (classifier, None, {}, r"texts is of type NoneType: give a text"),
    (classifier, 7, {}, r"texts is of type int"),
    (classifier, b"good", {}, r"texts is of type bytes"),
    (classifier, {"text": "good"}, {}, r"texts is of type dict"),
    (classifier, [], {}, r"there are no texts: the list is empty"),
    (classifier, ["good", None], {}, r"text 1 is None: give a string"),
    (classifier, ["good", 2.5], {}, r"text 1 is of type float"),
    (classifier, [["good", "bad"]], {}, r"text 0 is of type list: give a string, or a tuple of two"),
    (classifier, [("a", "b", "c")], {}, r"text 0 is a tuple of 3 \(str, str, str\)"),
    (classifier, ["good", "half \ud83d"], {}, r"text 1 .* half of a surrogate pair at character 5, .*errors='replace'"),
    (causal, ["good", ""], {}, r"text 1 \(''\) gives no token at all, .*leave empty texts out"),
    # targets
    (classifier, "good", {"target": "postive"}, r"text 0: the model has no label 'postive'; did you mean 'positive'\?"),
    (classifier, "good", {"target": 2}, r"there is no label 2; the model has 2, from 0 on: there are: 'negative'"),
    (classifier, "good", {"target": -1}, r"there is no label -1"),
    (classifier, "good", {"target": True}, r"target=True is no label"),
    (classifier, "good", {"target": 1.0}, r"target=1.0 is no label"),
    (classifier, "good", {"target": ("positive",)}, r"a contrast is a pair of labels, such as \('negative', 'pos"),
    (classifier, "good", {"target": ("positive", 1)}, r"contrasts a label with itself"),
    (classifier, ["a", "b"], {"target": ["positive"]}, r"target is a list of 1 for 2 texts"),
    (causal, "good", {"target": 10**6}, r"target=1000000 is no token: the tokenizer knows 0 to 329"),
    (causal, "good", {"target": ""}, r"target='': give a token's number, or a word"),
    (causal, "good", {"target": ("a", "b", "c")}, r"a contrast is a pair of tokens or phrases"),
    (causal, ("good", "film"), {}, r"a causal language model continues one text"),
    (
        causal,
        "good " * 30,
        {"target": "film " * 20},
        r"text 0 and what continues it have \d+ tokens, .* reads 64 at once",
    ),
    (mask, "a [MASK] film", {"target": "zebra-film"}, r"text 0: target='zebra-film' (is \d+ tokens|holds something)"),
    (mask, "a film", {}, r"'a film' has 0 masks: put \[MASK\] where the word should be"),
    (mask, "[MASK] [MASK]", {}, r"has 2 masks: name one, at="),
    (answers, "who?", {}, r"needs a question and a context: give a tuple of two"),
    (answers, ("who?", "the film"), {"target": "film"}, r"target='film': it is 'start', 'end' or None"),
    (answers, ("who?", ""), {}, r"the context '' has no token to answer with"),
    (pairs, "good", {}, r"text 0 is one text, but similarity is about two"),
    (pairs, ("a", "b"), {"target": "a"}, r"the similarity of two texts is one number"),
    (answering, "good", {"target": ""}, r"target='': an answer is a text, not empty"),
    (answering, ("a", "b"), {}, r"an encoder-decoder reads one source"),
    # places
    (classifier, "good", {"at": 0}, r"at=0 names a place in the text, but a sequence classifier reads"),
    (tokens, "good film", {"at": "movie"}, r"at='movie' does not occur in 'good film'"),
    (tokens, "good good", {"at": "good"}, r"occurs more than once in 'good good': .*at=\(0, 4\)"),
    (tokens, "good", {"at": 9}, r"at=\(9, 10\): 'good' has the characters 0 to 4"),
    (tokens, "good", {"at": 1.5}, r"a place is a character's number, a pair"),
    (tokens, "a  b", {"at": (1, 3)}, r"the tokenizer has no token for '  '"),
    (tokens, "", {}, r"'' has no token of its own to label"),
    # models
    (training, "good", {}, r"the model is in training mode, .*call model.eval\(\)"),
    (not_finite, "good film", {}, r"the score of 'good film' is nan: look at the model's weights"),
    (foreign_tokenizer, "a, b!", {}, r"the tokenizer gave the token \d+, but the model's embedding has \d+ rows"),
    (unknown_class, "good", {}, r"Linear is for none of the tasks known here: pass task="),
    # settings
    (lambda: classifier(score="probability"), "", {}, r"a probability saturates .*use 'log-odds'"),
    (lambda: classifier(score="logits"), "", {}, r"there is no score 'logits'; did you mean 'logit'\?"),
    (lambda: classifier(rules="AttnLRP"), "", {}, r"rules='AttnLRP' is no rule set"),
    (lambda: classifier(batchsize=4), "", {}, r"there is no setting 'batchsize'; did you mean 'batch_size'\?"),
    (lambda: classifier(batch_size=0), "", {}, r"batch_size=0: it must be 1 or more"),
    (lambda: classifier(window=0), "", {}, r"window=0: give the number of tokens"),
    (lambda: classifier(stride=-1), "", {}, r"stride=-1: give the number"),
    (lambda: classifier(long="cut"), "", {}, r"long='cut': what to do with long texts is one of windows, truncate"),
    (lambda: classifier(padding="both"), "", {}, r"padding='both': it is 'right', 'left', or None"),
    (lambda: classifier(words="sentences"), "good", {}, r"words='sentences': there is no such segmentation"),
    (lambda: classifier(embedding="embed"), "", {}, r"embedding='embed' is neither 'word' nor 'sum' nor a module"),
    (lambda: classifier(embedding="classifier"), "good", {}, r"classifier was not called with one vector a token"),
    (lambda: classifier(task="sentiment"), "", {}, r"there is no task 'sentiment'; "),
    (lambda: classifier(task="token-classification"), "good", {}, r"logits of shape \(1, 2\), not one row of them"),
    (lambda: pairs(pooling="max"), "", {}, r"pooling='max'; "),
]


@pytest.mark.parametrize("make, texts, options, message", TABLE, ids=[str(number) for number in range(len(TABLE))])
def test_one_clear_message(make, texts, options, message):
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
        ({"embed": "embedding"}, r"embed='embedding' is no module"),
        ({"forward": 3}, r"forward=3 can't be called"),
        ({"labels": []}, r"labels is empty"),
        ({"labels": ["a", "a"]}, r"labels holds a name twice: 'a', 'a'"),
        ({"kind": "binary"}, r"kind='binary'; "),
        ({"tokenize": lambda text: [1, 2]}, r"tokenize\(\) failed for text 0 \('good film'\)"),
        ({"tokenize": lambda text: ([1], [])}, r"tokenize\(\) gave 1 tokens but 0 spans"),
        ({"tokenize": lambda text: ([1], [(0, 99)])}, r"gave the span \(0, 99\) .* which has 9 characters"),
        ({"forward": lambda ids, mask: EMBED(ids).sum((1, 2)).expand(1, 3)}, r"logits of shape \(1, 3\), not \(1, 2\)"),
    ],
)
def test_parts_that_do_not_fit(parts, message):
    given = {"tokenize": tokenize, "embed": EMBED, "forward": lambda ids, mask: EMBED(ids).sum((1, 2)), "labels": "ab"}
    with pytest.raises(TextError, match=message):
        TextExplainer.from_parts(**(given | parts))("good film")


@pytest.mark.parametrize(
    "ask, message",
    [
        (lambda: causal().continuation(["a"]), r"text is of type list: give one string"),
        (lambda: classifier().continuation("a"), r"a model for text-classification continues nothing"),
        (lambda: classifier()("good").to_frame("sentences"), r"of='sentences': there is no such table"),
        (lambda: frame([], "word"), r"did you mean 'words'\?"),
        (
            lambda: class_words(classifier()("good").to_frame("texts")),
            r"no column 'part': pass what to_frame\('words'\)",
        ),
        (lambda: class_words(classifier()("good").to_frame(), top=0), r"top=0"),
        (lambda: class_words_figure(class_words(classifier()("good").to_frame())), r"the table of words is empty"),
        (lambda: TextExplainer.from_pretrained("/no/such/folder"), r"'/no/such/folder' could not be loaded"),
        (lambda: TextExplainer.from_pretrained("x", device="gpu"), r"there is no device 'gpu' here"),
        (lambda: TextExplainer.from_pretrained("x", rule=1), r"there is no setting 'rule'; did you mean 'rules'\?"),
        (lambda: Labels.named("ab").number("c"), r"the model has no label 'c'"),
    ],
)
def test_other_requests(ask, message):
    with pytest.raises(TextError, match=message):
        ask()


def test_a_head_that_was_never_trained(tmp_path):
    bert(WORDPIECE, "Model").save_pretrained(tmp_path)
    WORDPIECE.save_pretrained(tmp_path)
    with pytest.raises(TextError, match=r"no weights for 'classifier.bias', .* it was not trained for text-class"):
        TextExplainer.from_pretrained(str(tmp_path), task="text-classification")


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(TextError, match="the folder holds no model"):
        TextExplainer.from_pretrained(str(tmp_path))
    assert SENTENCES
