"""Batches of samples explained: against plain arithmetic of a linear model, where relevance is the contribution."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lrp_domains import CP_LRP, SECANT, LrpError, relevance, unfused
from lrp_domains.domain import DomainError, Question, Read, class_number, explain_batch, logits_of
from lrp_domains.domain.models.exported import exported_network

N, UNITS, CLASSES = 4, 6, 3


@pytest.fixture
def model():
    return torch.nn.Linear(UNITS, CLASSES).double()


@pytest.fixture
def x():
    return torch.randn(N, UNITS, dtype=torch.float64)


def reading(model, x):
    x = x if x.requires_grad else x.detach().requires_grad_()
    return Read(model(x), (x,), lambda relevance: relevance[0])


def last_step(lstm, x):
    x = x if x.requires_grad else x.detach().requires_grad_()
    return Read(lstm(x)[0][:, -1], (x,), lambda relevance: relevance[0])


def test_of_the_predicted_class(model, x):
    result = explain_batch(model, reading, [x], Question(CP_LRP, score="logit"))
    logits = model(x).detach()
    predicted = logits.argmax(1)
    assert result.prediction.tolist() == result.target.tolist() == predicted.tolist()
    assert result.probability == pytest.approx(logits.softmax(1).amax(1).numpy())
    assert result.score == pytest.approx(logits.amax(1).numpy())
    assert torch.allclose(result.relevance, x * model.weight.detach()[predicted])
    assert result.reference_score is None and (result.explained == result.score).all()
    assert result.ledger.residue == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("target", "against"), [(1, None), ([0, 1, 2, 0], None), (2, 0)])
def test_of_a_class_and_of_a_contrast(model, x, target, against):
    result = explain_batch(model, reading, [x], Question(CP_LRP, "logit", target, against))
    targets = torch.as_tensor(target).expand(N)
    weights = model.weight.detach()[targets] - (0 if against is None else model.weight.detach()[against])
    assert result.target.tolist() == targets.tolist()
    assert torch.allclose(result.relevance, x * weights)


def test_a_recurrent_model_runs_step_by_step():
    """In float32, its kernel would be a fused one, which hides its gates."""
    torch.manual_seed(0)
    lstm, x = torch.nn.LSTM(UNITS, CLASSES, batch_first=True).eval(), torch.randn(N, 5, UNITS)
    found = explain_batch(lstm, last_step, [x], Question(score="logit", target=1))
    source = x.clone().requires_grad_()
    with unfused():
        expected = relevance(lstm(source)[0][:, -1, 1], source)
    torch.testing.assert_close(found.relevance, expected)
    against = explain_batch(lstm, last_step, [x], Question(SECANT, "logit", target=1), [torch.zeros_like(x)])
    assert against.relevance.sum((1, 2)).numpy() == pytest.approx(against.explained, abs=1e-5)
    assert torch.backends.mkldnn.enabled


def test_an_exported_recurrent_model_runs_step_by_step(tmp_path):
    torch.manual_seed(0)
    lstm, x = torch.nn.LSTM(UNITS, CLASSES, batch_first=True).eval(), torch.randn(N, 5, UNITS)
    shapes = ({0: torch.export.Dim("n", min=1)},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tensors that the layer lists once more
        torch.export.save(torch.export.export(lstm, (x,), dynamic_shapes=shapes), tmp_path / "lstm.pt2")
    found = explain_batch(exported_network(tmp_path / "lstm.pt2"), last_step, [x], Question(score="logit", target=1))
    expected = explain_batch(lstm, last_step, [x], Question(score="logit", target=1))
    torch.testing.assert_close(found.relevance, expected.relevance)


def test_against_references_relevance_is_that_of_the_mean_difference(model, x):
    references = torch.randn(3, N, UNITS, dtype=torch.float64)
    result = explain_batch(model, reading, [x], Question(SECANT, "logit", target=1), [references])
    weight = model.weight.detach()[1]
    assert torch.allclose(result.relevance, ((x - references) * weight).mean(0))
    expected = torch.stack([model(reference)[:, 1] for reference in references]).mean(0).detach().numpy()
    assert result.reference_score == pytest.approx(expected)
    assert result.explained == pytest.approx(result.relevance.sum(1).numpy())


def test_log_odds_against_a_reference_are_complete(x):
    network = torch.nn.Sequential(torch.nn.Linear(UNITS, 8), torch.nn.GELU(), torch.nn.Linear(8, CLASSES)).double()
    result = explain_batch(network, reading, [x], Question(SECANT), [torch.zeros_like(x)])
    assert result.relevance.sum(1).numpy() == pytest.approx(result.explained)
    # The target of the references is that of the samples, though they predict another.
    logits = network(torch.zeros_like(x)).detach()
    odds = [row[t] - row[[j for j in range(CLASSES) if j != t]].logsumexp(0) for row, t in zip(logits, result.target)]  # noqa: B905
    assert result.reference_score == pytest.approx([float(value) for value in odds])


def test_other_rules_explain_the_same_score_against_a_reference(model, x):
    """Those that don't read it explain log-odds whose weights are constant: they have no rule for a logsumexp."""
    result = explain_batch(model, reading, [x], Question(CP_LRP), [torch.zeros_like(x)])
    alone = explain_batch(model, reading, [x], Question(CP_LRP))
    assert torch.allclose(result.relevance, alone.relevance)


def test_a_score_may_be_a_function_of_what_the_model_returns(model, x):
    def forward(model, x):
        x = x.detach().requires_grad_()
        return Read({"tracks": model(x)[:, None]}, (x,), lambda relevance: relevance[0])

    result = explain_batch(model, forward, [x], Question(CP_LRP, lambda outputs: outputs["tracks"][:, 0, 2]))
    assert torch.allclose(result.relevance, x * model.weight.detach()[2])
    assert result.prediction is result.target is result.probability is None


@pytest.mark.parametrize("wrap", [lambda z: z, lambda z: {"logits": z}, lambda z: SimpleNamespace(logits=z), tuple])
def test_logits_are_found_in_what_classifiers_return(wrap):
    logits = torch.randn(2, 3)
    outputs = (logits, None) if wrap is tuple else wrap(logits)
    assert logits_of(outputs, 2) is logits


def test_several_labels_have_their_own_probabilities(model, x):
    result = explain_batch(model, reading, [x], Question(CP_LRP, exclusive=False))
    logits = model(x).detach()
    assert result.score == pytest.approx(logits.amax(1).numpy())
    assert result.probability == pytest.approx(logits.amax(1).sigmoid().numpy())


def wrong(call, message):
    with pytest.raises(DomainError, match=message):
        call()


def test_what_is_wrong_is_named(model, x):
    wrong(lambda: Question("epsilon"), "is not a rule set")
    wrong(lambda: Question(score="odds"), "unknown score 'odds'")
    wrong(lambda: Question(score=len, target=1), "chooses the output itself")
    wrong(lambda: explain_batch(model, reading, [x], Question(SECANT)), "compare with a reference: pass one")
    wrong(lambda: explain_batch(model, reading, [x], Question(target=3)), "no class 3; the model has 3")
    wrong(lambda: logits_of({"scores": x}, N), "a dict with scores, not logits")
    wrong(lambda: logits_of(x[:, :, None], N), r"shape \(4, 6, 1\) for 4 samples")
    wrong(lambda: logits_of(x, 5), "for 5 samples")
    wrong(
        lambda: Question(score=["logit"]), r"score=\['logit'\] is neither a name nor a function; did you mean 'logit'"
    )
    x[2] = torch.nan
    wrong(lambda: explain_batch(model, reading, [x], Question(), names=list("abcd")), "score of 'c' is nan")


def misspelt(outputs):
    return {"human": outputs}["humn"][:, 0]


FAILING = {
    "a misspelt name": (misspelt, "the score 'misspelt' could not be computed .*: KeyError, 'humn'"),
    "shapes that don't fit": (lambda z: z @ z, "the score '<lambda>' could not be computed .*: RuntimeError, mat1"),
    "a score of two arguments": (lambda z, k: z, "could not be computed .*: TypeError, .* missing 1 required"),
    "a number": (lambda z: z.sum().item(), "returned a float: return a tensor, one number per sample"),
    "two numbers per sample": (lambda z: z[:, :2], r"returned a tensor of shape \(4, 2\), for 4 samples"),
    "one number for all": (torch.sum, "the score 'sum' returned one number for all, for 4 samples"),
    "a class": (lambda z: z.argmax(1), "returned a tensor of torch.int64: return floats, which have a gradient"),
    "a detached tensor": (lambda z: z[:, 0].detach(), "returned a tensor without a gradient: .* without detach"),
}


@pytest.mark.parametrize("against_reference", [False, True])
@pytest.mark.parametrize("name", FAILING)
def test_a_function_that_is_no_score_is_named(model, x, name, against_reference):
    score, message = FAILING[name]
    references = [torch.zeros_like(x)] if against_reference else None
    with pytest.raises(DomainError, match=message) as raised:
        explain_batch(model, reading, [x], Question(SECANT if against_reference else CP_LRP, score), references)
    assert "\n" not in str(raised.value)
    if "could not be computed" in message:
        assert isinstance(raised.value.__cause__, KeyError | RuntimeError | TypeError)


@pytest.mark.parametrize("error", [LrpError("what the score says"), torch.OutOfMemoryError("of a device")])
def test_errors_of_the_library_and_of_memory_pass_a_score(model, x, error):
    def score(outputs):
        raise error

    with pytest.raises(type(error)) as raised:
        explain_batch(model, reading, [x], Question(CP_LRP, score))
    assert raised.value is error


@pytest.mark.parametrize("target", [1, [0, 2, 1, 0], torch.tensor([0, 2, 1, 0])])
def test_a_class_is_contrasted_with_another(target):
    wrong(lambda: Question(target=target, against=1), "target and against are both class 1: contrast it with another")
    wrong(lambda: Question(against=1), "against=1 requires a target=")


def test_classes_by_name_and_number():
    classes = ["cat", "dog", "1"]
    assert [class_number(name, classes) for name in (None, "dog", 0, "0", np.int64(2), "1")] == [None, 1, 0, 0, 2, 2]
    wrong(lambda: class_number("cot", classes, "target"), "target: there is no class 'cot' among 3; did you mean 'cat'")
    wrong(lambda: class_number(3, classes), "no class '3'")
    wrong(lambda: class_number("a", ["a", "a"]), "2 classes are named 'a'")
