"""Samples of several shapes explained in batches, with the names of classes, and checked once."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from lrp_domains import ATTN_LRP, CP_LRP, SECANT
from lrp_domains.domain import DomainError, Read, TensorExplainer


class Pooled(nn.Module):
    """A linear model of the mean of a sample, of any length."""

    def __init__(self):
        super().__init__()
        self.head, self.sizes = nn.Linear(2, 3), []

    def forward(self, x):
        self.sizes.append(len(x))
        return self.head(x.mean(2))


def reading(model, x):
    x = x if x.requires_grad else x.detach().requires_grad_()
    return Read(model(x), (x,), lambda relevance: relevance[0].sum(1))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Pooled().eval()


@pytest.fixture
def samples():
    torch.manual_seed(1)
    return [torch.randn(2, length) for length in (4, 6, 4, 5, 6, 4)]


def test_in_the_order_of_the_samples_whatever_their_shapes(model, samples):
    explain = TensorExplainer(model, reading, batch_size=2, score="logit")
    results = explain(samples, list("abcdef"), 1, notes=[()] * 5 + [("the last",)])
    assert max(model.sizes) == 2
    for sample, name, (outcome, relevance, _) in zip(samples, "abcdef", results, strict=True):
        weights = model.head.weight.detach()[1]
        assert np.allclose(relevance, (sample * weights[:, None]).sum(0) / sample.shape[1], atol=1e-6)
        assert outcome.name == name and outcome.target == "1" and outcome.rules == ATTN_LRP.name
        assert outcome.units == pytest.approx(relevance.sum(), abs=1e-6)
        assert outcome.rest == pytest.approx(model.head.bias[1].item(), abs=1e-6)
    assert [outcome.notes for outcome, *_ in results][-2:] == [(), ("the last",)]


@pytest.mark.parametrize(
    ("problem", "exclusive", "several"),
    [("multi_label_classification", None, True), (None, None, False), ("multi_label_classification", True, False)],
)
def test_several_labels_as_a_model_of_transformers_says(model, samples, problem, exclusive, several):
    model.config = SimpleNamespace(problem_type=problem)
    ((outcome, *_),) = TensorExplainer(model, reading, exclusive=exclusive)(samples[:1], ["a"])
    logits = model(samples[0][None])[0].detach()
    probability = logits.sigmoid().max() if several else logits.softmax(0).max()
    assert outcome.probability == pytest.approx(probability.item(), abs=1e-6)
    assert (outcome.score == pytest.approx(logits.max().item(), abs=1e-6)) == several


def test_targets_in_any_collection_and_beside_predicted_ones(model, samples):
    explain = TensorExplainer(model, reading, batch_size=8)
    numbers = [0, 1, 2, 2, 1, 0]
    forms = (numbers, np.array(numbers), torch.tensor(numbers), (str(number) for number in numbers), tuple(numbers))
    for form in forms:
        assert [outcome.target for outcome, *_ in explain(samples, list("abcdef"), form)] == list("012210")
    for one in (1, np.int64(1), torch.tensor(1), "1"):
        assert {outcome.target for outcome, *_ in explain(samples, list("abcdef"), one)} == {"1"}
    predicted = [outcome.prediction for outcome, *_ in explain(samples, list("abcdef"))]
    other = str((int(predicted[2]) + 1) % 3)
    mixed = explain(samples, list("abcdef"), [None, None, other, None, None, None])
    assert [outcome.target for outcome, *_ in mixed] == [*predicted[:2], other, *predicted[3:]]
    with pytest.raises(DomainError, match="5 targets for 6 samples"):
        explain(samples, list("abcdef"), np.zeros(5, int))


def test_names_of_classes(model, samples):
    names = list("abcdef")
    model.config = SimpleNamespace(id2label={1: "dog", 0: "cat", 2: "owl"})
    explain = TensorExplainer(model, reading)
    assert explain.classes == ("cat", "dog", "owl")
    targets = ["owl", 0, "1", "dog", 2, "cat"]
    assert [o.target for o, *_ in explain(samples, names, targets)] == ["owl", "cat", "dog", "dog", "owl", "cat"]
    assert TensorExplainer(model, reading, classes=[7, 8, 9])(samples[:1], ["a"], 8)[0][0].target == "8"
    with pytest.raises(DomainError, match="did you mean 'owl'"):
        explain(samples, names, "owls")
    with pytest.raises(DomainError, match="the model has 3 classes, but 2 are named"):
        TensorExplainer(model, reading, classes=["a", "b"])(samples, names)


def test_a_contrast_with_the_same_class_is_refused_before_anything_is_explained(model, samples):
    explain = TensorExplainer(model, reading, classes=["cat", "dog", "owl"])
    explain.check(samples[0])
    model.sizes.clear()
    for target, name in (("owl", "a"), (2, "a"), ([0, 1, "2", 0, 2, 1], "c"), (np.array([0, 1, 0, 0, 0, 2]), "f")):
        with pytest.raises(DomainError, match=f"'{name}': target and against are both 'owl'"):
            explain(samples, list("abcdef"), target, against="owl")
    for target, name in ((None, "a"), ([0, None, 1, 1, 1, 1], "b")):
        with pytest.raises(DomainError, match=f"'{name}': against='owl' requires a target= to contrast with it"):
            explain(samples, list("abcdef"), target, against="owl")
    assert not model.sizes
    contrasts = explain(samples, list("abcdef"), [0, 1, 0, 1, 0, 1], against="owl")
    for sample, (outcome, *_), number in zip(samples, contrasts, [0, 1, 0, 1, 0, 1], strict=True):
        logits = model(sample[None])[0].detach()
        assert outcome.score == pytest.approx(float(logits[number] - logits[2]), abs=1e-6)


@pytest.mark.parametrize("size", [2.5, True, "4", 0])
def test_a_batch_is_a_whole_number_of_samples(model, size):
    with pytest.raises(DomainError, match=f"batch_size={size!r}: expected a whole number, at least 1"):
        TensorExplainer(model, reading, batch_size=size)


def test_a_score_that_fails_is_found_with_the_first_sample(model, samples):
    explain = TensorExplainer(model, reading, score=lambda outputs: outputs.numpy()[:, 0])
    with pytest.raises(DomainError, match="the score '<lambda>' returned a ndarray"):
        explain(samples, list("abcdef"))
    assert model.sizes == [1]


def test_rules_and_references_are_those_of_a_batch(model, samples):
    explain = TensorExplainer(model, reading, rules=lambda x: CP_LRP if x.shape[2] == 4 else ATTN_LRP)
    rules = [outcome.rules for outcome, *_ in explain(samples, list("abcdef"))]
    assert [name == CP_LRP.name for name in rules] == [True, False, True, False, False, True]
    explain = TensorExplainer(model, reading)
    results = explain(samples, list("abcdef"), references=lambda x, _: torch.stack([x * 0, x * 0.5]))
    for outcome, relevance, _ in results:
        assert outcome.rules == SECANT.name
        assert outcome.score - outcome.reference_score == pytest.approx(relevance.sum(), abs=1e-5)


def test_coefficients_labels_and_the_numbers_of_samples(model, samples):
    seen = []

    def references(x, rows):
        seen.append(list(rows))
        return x[None] * 0

    results = TensorExplainer(model, reading, score="logit")(
        samples, list("abcdef"), 1, references=references, labels=[None, *"uvwxy"]
    )
    assert seen == [[0, 2, 5], [3], [1, 4]]  # samples of one shape together
    for sample, label, (outcome, relevance, g) in zip(samples, [None, *"uvwxy"], results, strict=True):
        assert outcome.label == label and g.shape == tuple(sample.shape)
        assert np.allclose((sample.numpy() * g).sum(0), relevance, atol=1e-6)


def test_a_score_that_is_a_function_has_no_target(model, samples):
    explain = TensorExplainer(model, reading, score=lambda outputs: outputs[:, 0])
    with pytest.raises(DomainError, match="a target is a class"):
        explain(samples, list("abcdef"), 1)


def test_it_is_checked_once(model, samples):
    explain = TensorExplainer(model, reading, unit="tracks", batch_size=8)
    explain(samples[:1], ["a"])
    assert model.sizes == [1, 2, 1]
    explain(samples[:1], ["a"])
    assert model.sizes == [1, 2, 1, 1]

    class Mixing(Pooled):
        def forward(self, x):
            return super().forward(x) - super().forward(x).mean(0)

    with pytest.raises(DomainError, match="scores one of the tracks differently beside another than alone"):
        TensorExplainer(Mixing().eval(), reading, unit="tracks")(samples, list("abcdef"))
