"""Scores against their formulas as loops, in float64."""

import math

import pytest
import torch

from lrp_domains.domain import NO_CLASS, SCORES, DomainError, check_score, score_of


def by_loops(logits, target, score, against=NO_CLASS, real=None):
    """The score of one sample, term by term."""
    z = logits.tolist()
    if against != NO_CLASS:
        return z[target] - z[against]
    others = [j for j in range(len(z)) if j != target and (real is None or real[j])]
    if score == "logit" or len(z) == 1:
        return z[target]
    if score == "margin":
        return z[target] - sum(z[j] for j in others) / len(others)
    total = sum(math.exp(z[j]) for j in others)
    return z[target] - sum(math.exp(z[j]) / total * z[j] for j in others)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("classes", [1, 2, 3, 7])
def test_each_score_is_its_formula(score, classes):
    logits = 3 * torch.randn(20, classes, dtype=torch.float64)
    target = torch.randint(classes, (20,))
    scores = score_of(logits, target, score)
    assert scores.tolist() == pytest.approx(
        [by_loops(*row, score) for row in zip(logits, target, strict=True)], abs=1e-12
    )


@pytest.mark.parametrize("score", SCORES)
def test_samples_with_and_without_a_contrast_in_one_batch(score):
    logits = torch.randn(4, 5, dtype=torch.float64)
    target, against = torch.tensor([0, 1, 2, 3]), torch.tensor([NO_CLASS, 4, NO_CLASS, 0])
    expected = [by_loops(logits[i], int(target[i]), score, int(against[i])) for i in range(4)]
    assert score_of(logits, target, score, against=against).tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("score", SCORES)
def test_padding_does_not_count(score):
    logits, target = torch.randn(3, 6, dtype=torch.float64), torch.tensor([0, 1, 2])
    real = torch.tensor([[True] * 6, [True] * 4 + [False] * 2, [True] * 3 + [False] * 3])
    padded = logits.masked_fill(~real, 1e4)
    expected = [by_loops(logits[i], int(target[i]), score, real=real[i]) for i in range(3)]
    assert score_of(padded, target, score, real=real).tolist() == pytest.approx(expected, abs=1e-12)


def test_labels_that_do_not_exclude_one_another_are_explained_by_their_logit():
    logits, target = torch.randn(3, 4), torch.tensor([0, 1, 2])
    assert score_of(logits, target, "log-odds", exclusive=False).equal(logits.gather(1, target[:, None])[:, 0])


def test_log_odds_have_the_gradient_of_the_log_odds_and_exceed_them_by_an_entropy():
    logits, target = torch.randn(5, 4, dtype=torch.float64, requires_grad=True), torch.tensor([0, 1, 2, 3, 0])
    p = logits.softmax(1).gather(1, target[:, None])[:, 0]
    log_odds = (p / (1 - p)).log()
    scores = score_of(logits, target)
    (expected,) = torch.autograd.grad(log_odds.sum(), logits, retain_graph=True)
    (gradient,) = torch.autograd.grad(scores.sum(), logits)
    torch.testing.assert_close(gradient, expected)
    others = logits.detach().scatter(1, target[:, None], -torch.inf).softmax(1)
    torch.testing.assert_close((scores - log_odds).detach(), torch.special.entr(others).sum(1))


def test_of_two_classes_log_odds_margin_and_contrast_are_one_number():
    logits, target = torch.randn(6, 2, dtype=torch.float64), torch.tensor([0, 1] * 3)
    contrast = score_of(logits, target, against=1 - target)
    torch.testing.assert_close(score_of(logits, target, "log-odds"), contrast)
    torch.testing.assert_close(score_of(logits, target, "margin"), contrast)


@pytest.mark.parametrize(
    "score, message", [("logodds", "did you mean 'log-odds'"), ("probability", "a probability saturates")]
)
def test_an_unknown_score_is_refused(score, message):
    with pytest.raises(DomainError, match=message):
        check_score(score)


def test_an_unknown_score_is_not_taken_for_log_odds():
    with pytest.raises(DomainError, match="unknown score 'margn'; did you mean 'margin'"):
        score_of(torch.randn(2, 3), torch.tensor([0, 1]), "margn")


def test_a_class_that_is_ruled_out_counts_nothing():
    logits = torch.randn(3, 5, dtype=torch.float64)
    without = logits.clone()
    without[:, 4] = -torch.inf
    target = torch.tensor([0, 1, 2])
    for score in SCORES:
        torch.testing.assert_close(score_of(without, target, score), score_of(logits[:, :4], target, score))


def test_a_target_without_any_other_class_has_no_log_odds():
    logits = torch.full((1, 3), -torch.inf)
    logits[0, 1] = 2.0
    with pytest.raises(DomainError, match=r"all other classes are ruled out.*score='logit'"):
        score_of(logits, torch.tensor([1]))
    assert score_of(logits, torch.tensor([1]), "logit").tolist() == [2.0]
