"""Heads of SetFit and the settings of a SentenceTransformer object, by stand-ins: these packages need not be there."""

from copy import deepcopy
from typing import ClassVar

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from torch import nn

from lrp_domains.text import TextError, TextExplainer

from .small_models import bert
from .small_tokenizers import tokenizer_of

TEXTS = ["a good film", "a bad film", "the plot was bad", "wonderful movie", "not a good film", "too loud", "a cast"]
SEVERAL = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 1]])


class Transformer(nn.Module):
    def __init__(self, tokenizer, **settings):
        super().__init__()
        self.auto_model, self.tokenizer = bert(tokenizer_of("wordpiece"), "Model").float(), tokenizer
        self.max_seq_length, self.do_lower_case = settings.get("limit"), settings.get("lower", False)


class Pooling(nn.Module):
    def get_config_dict(self):
        return {"pooling_mode": "mean"}


class SentenceTransformer(nn.Sequential):
    prompts: ClassVar[dict] = {}
    default_prompt_name = None


class SetFitModel:
    def __init__(self, body, head, labels=None, strategy=None):
        self.model_body, self.model_head, self.labels, self.multi_target_strategy = body, head, labels, strategy


SentenceTransformer.__module__, SetFitModel.__module__ = "sentence_transformers.x", "setfit.modeling"


@pytest.fixture(scope="module")
def body():
    return SentenceTransformer(Transformer(tokenizer_of("wordpiece")), Pooling())


@pytest.fixture(scope="module")
def vectors(body):
    transformer = body[0]
    states = [transformer.auto_model(**transformer.tokenizer(text, return_tensors="pt")) for text in TEXTS]
    return torch.stack([state.last_hidden_state[0].mean(0) for state in states]).detach().numpy()


@pytest.mark.parametrize("labels", [None, ["x", "y", "z"]])
@pytest.mark.parametrize("kind", [MultiOutputClassifier, OneVsRestClassifier])
def test_several_labels_have_a_regression_each(body, vectors, kind, labels):
    head = kind(LogisticRegression(C=100)).fit(vectors, SEVERAL)
    explainer = TextExplainer(SetFitModel(body, head, labels, strategy="x"))
    names = labels or ["0", "1", "2"]
    assert list(explainer.labels.names) == names
    for text, row in zip(TEXTS, head.predict(vectors), strict=True):
        expected = ", ".join(name for name, is_on in zip(names, row, strict=True) if is_on)
        assert explainer(text).prediction == (expected or "none")


@pytest.mark.parametrize(
    ("classes", "labels", "names"),
    [
        ([0, 1, 0, 1, 0, 1, 1], None, ["0", "1"]),
        ([0, 1, 0, 1, 0, 1, 1], ["no", "yes"], ["no", "yes"]),
        # The texts that the head was fitted to lack the class 1: SetFit looks up the label by the number.
        ([0, 2, 0, 2, 0, 2, 2], ["no", "perhaps", "yes"], ["no", "yes"]),
        (["b", "a", "b", "a", "b", "a", "c"], ["x", "y", "z"], ["a", "b", "c"]),
        (["b", "a", "b", "a", "b", "a", "a"], None, ["a", "b"]),
    ],
)
def test_one_label_is_named_as_setfit_predicts_it(body, vectors, classes, labels, names):
    head = LogisticRegression(C=1e4).fit(vectors, classes)
    explainer = TextExplainer(SetFitModel(body, head, labels))
    assert list(explainer.labels.names) == names
    for text, row, predicted in zip(TEXTS, head.predict_proba(vectors), head.predict(vectors), strict=True):
        # As SetFitModel.predict does: strings are returned unchanged.
        expected = labels[predicted] if labels and not isinstance(predicted, str) else str(predicted)
        result = explainer(text)
        assert result.prediction == expected
        assert result.probability == pytest.approx(row.max(), abs=1e-4)


@pytest.mark.parametrize(
    "head",
    [
        ClassifierChain(LogisticRegression()),
        MultiOutputClassifier(RandomForestClassifier(n_estimators=2)),
        RandomForestClassifier(n_estimators=2),
    ],
)
def test_heads_that_are_not_linear_in_the_vector_are_refused(body, vectors, head):
    head.fit(vectors, SEVERAL)
    with pytest.raises(TextError, match=f"the head {type(head).__name__} of the SetFitModel is not linear"):
        TextExplainer(SetFitModel(body, head, strategy="x"))


def test_several_labels_of_more_than_two_classes_are_refused(body, vectors):
    head = MultiOutputClassifier(LogisticRegression()).fit(vectors, np.array([[0, 1, 2, 0, 1, 2, 0]] * 2).T)
    with pytest.raises(TextError, match="the head MultiOutputClassifier of the SetFitModel is not linear"):
        TextExplainer(SetFitModel(body, head, strategy="multi-output"))


def test_the_length_and_case_beside_the_tokenizer_are_read():
    tokenizer = deepcopy(tokenizer_of("wordpiece"))
    tokenizer.backend_tokenizer.normalizer = None
    body = SentenceTransformer(Transformer(tokenizer, limit=8, lower=True), Pooling())
    before = tokenizer.model_max_length
    for pooling in (None, "first"):
        explainer = TextExplainer(body, pooling=pooling)
        result = explainer(("A GOOD Film", "a fiLM"))
        assert [token.piece for token in result.tokens] == "[CLS] a good film [SEP] [CLS] a film [SEP]".split()
        with pytest.raises(TextError, match="the model reads 8 at once"):
            explainer(("a good film", "I loved every minute of it, and so did the children!"))
    assert tokenizer.model_max_length == before  # the object is left alone
    assert tokenizer.tokenize("GOOD") != ["good"]
