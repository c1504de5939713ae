"""Heads of SetFit models: their labels, scores and probabilities, by stand-ins of the package."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from torch import nn

from lrp_domains import CP_LRP
from lrp_domains.text import TextError, TextExplainer

from .sentence_stand_ins import of_package, sentence_transformer, setfit, vector

TEXTS = ["a good film", "a bad film", "the plot was bad", "wonderful movie", "not a good film", "too loud", "a cast"]
SEVERAL = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 1]])


def vectors(normalised=False):
    """Return the vectors of the texts, as the body computes them."""
    transformer = sentence_transformer()[1]
    result = torch.stack([vector(transformer, text) for text in TEXTS])
    return (result / result.norm(dim=1, keepdim=True) if normalised else result).double().numpy()


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_logistic_regression_has_its_probabilities(classes, normalised):
    numbers = [number % classes for number in range(len(TEXTS))]
    x = vectors(normalised)
    head = LogisticRegression(C=1e4).fit(x, numbers)
    names = ["no", "yes", "perhaps"][:classes]
    model, _ = setfit(head, names, normalize_embeddings=normalised)
    explainer = TextExplainer(model, rules=CP_LRP)
    for result, probabilities in zip(explainer(TEXTS), head.predict_proba(x), strict=True):
        assert result.prediction == names[probabilities.argmax()]
        assert result.probability == pytest.approx(probabilities.max(), abs=1e-4)
    if classes == 2:
        scores = [result.score for result in explainer(TEXTS, target="yes")]
        assert scores == pytest.approx(head.decision_function(x).tolist(), rel=1e-3, abs=1e-3)
    # Without names of its own, the model has those of the head's classes.
    assert TextExplainer(setfit(head, None)[0]).labels.names == tuple(map(str, head.classes_))


def test_one_regression_per_label_has_their_probabilities():
    x = vectors()
    head = OneVsRestClassifier(LogisticRegression(C=1e4)).fit(x, SEVERAL)
    model, _ = setfit(head, ["a", "b", "c"], multi_target_strategy="one-vs-rest")
    for number, name in enumerate("abc"):
        results = TextExplainer(model)(TEXTS, target=name)
        odds = head.estimators_[number].decision_function(x)
        assert [result.score for result in results] == pytest.approx(odds.tolist(), rel=1e-3, abs=1e-3)
    assert TextExplainer(model).labels.kind == "several"


def test_a_head_of_torch_has_its_logits():
    torch.manual_seed(0)
    head = of_package("SetFitHead", "setfit", linear=nn.Linear(16, 3), multitarget=False)
    model, transformer = setfit(head, ["a", "b", "c"])
    result = TextExplainer(model)(TEXTS[0], target="b", against="c")
    logits = head.linear(vector(transformer, TEXTS[0])).tolist()
    assert result.score == pytest.approx(logits[1] - logits[2], abs=1e-5)
    with pytest.raises(TextError, match="the head object of the SetFitModel is not linear"):
        TextExplainer(setfit(object(), ["a"])[0])


@pytest.mark.parametrize("labels", [None, ["x", "y", "z"]])
@pytest.mark.parametrize("kind", [MultiOutputClassifier, OneVsRestClassifier])
def test_several_labels_have_a_regression_each(kind, labels):
    head = kind(LogisticRegression(C=100)).fit(vectors(), SEVERAL)
    explainer = TextExplainer(setfit(head, labels, multi_target_strategy="x")[0])
    names = labels or ["0", "1", "2"]
    assert list(explainer.labels.names) == names
    for text, row in zip(TEXTS, head.predict(vectors()), strict=True):
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
def test_one_label_is_named_as_setfit_predicts_it(classes, labels, names):
    head = LogisticRegression(C=1e4).fit(vectors(), classes)
    explainer = TextExplainer(setfit(head, labels)[0])
    assert list(explainer.labels.names) == names
    for text, row, predicted in zip(TEXTS, head.predict_proba(vectors()), head.predict(vectors()), strict=True):
        # As SetFitModel.predict does: strings are returned unchanged.
        expected = labels[predicted] if labels and not isinstance(predicted, str) else str(predicted)
        result = explainer(text)
        assert result.prediction == expected
        assert result.probability == pytest.approx(row.max(), abs=1e-4)


@pytest.mark.parametrize(
    "head",
    [
        VotingClassifier([("a", LogisticRegression(C=9)), ("b", LogisticRegression(C=0.1))], voting="soft"),
        BaggingClassifier(LogisticRegression(), n_estimators=2, random_state=0),
        OneVsRestClassifier(LogisticRegression()),
    ],
)
def test_ensembles_that_vote_for_one_label_are_refused(head):
    head.fit(vectors(), SEVERAL[:, 0])
    with pytest.raises(TextError, match=f"the head {type(head).__name__} of the SetFitModel is not linear"):
        TextExplainer(setfit(head, ["no", "yes"])[0])


@pytest.mark.parametrize(
    "head",
    [
        ClassifierChain(LogisticRegression()),
        MultiOutputClassifier(RandomForestClassifier(n_estimators=2)),
        RandomForestClassifier(n_estimators=2),
    ],
)
def test_heads_that_are_not_linear_in_the_vector_are_refused(head):
    head.fit(vectors(), SEVERAL)
    with pytest.raises(TextError, match=f"the head {type(head).__name__} of the SetFitModel is not linear"):
        TextExplainer(setfit(head, None, multi_target_strategy="x")[0])


def test_several_labels_of_more_than_two_classes_are_refused():
    head = MultiOutputClassifier(LogisticRegression()).fit(vectors(), np.array([[0, 1, 2, 0, 1, 2, 0]] * 2).T)
    with pytest.raises(TextError, match="the head MultiOutputClassifier of the SetFitModel is not linear"):
        TextExplainer(setfit(head, None, multi_target_strategy="multi-output")[0])
