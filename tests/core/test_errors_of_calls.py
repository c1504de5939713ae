"""Errors for outputs, inputs, options and rule sets that are invalid: what happened, where, and what to do."""

import pytest
import torch

from lrp_domains import ATTN_LRP, CP_LRP, RelevanceError, RuleSet, constant, ledger, relevance

from .refused_cases import assert_refused, leaf


def no_graph():
    x = leaf(3)
    with torch.no_grad():
        return (x * 2).sum(), x


def inference():
    with torch.inference_mode():
        return (torch.randn(3) * 2).sum(), leaf(3)


def a_number():
    return 3.0, leaf(3)


def without_grad():
    return (leaf(3) * 2).sum(), torch.randn(3)


def made_afterwards():
    x = leaf(3)
    return (x * 2).sum(), x.clone()


def none():
    return (leaf(3) * 2).sum(), []


def not_finite():
    x = leaf(3)
    return x / 0, x


def empty():
    x = leaf(3)
    return (x * 2)[:0], x


def probability_under_cp():
    x = leaf(2, 3)
    return torch.softmax(x, -1)[:, 1], x, {"rules": CP_LRP}


def overrides_without_model():
    x = leaf(3)
    return (x * 2).sum(), x, {"rules": ATTN_LRP.where({"*": constant})}


def no_rule_set():
    x = leaf(3)
    return (x * 2).sum(), x, {"rules": "attn"}


def misspelt_unknown():
    x = leaf(3)
    return (x * 2).sum(), x, {"unknown": "ignore"}


def half_precision_overflow():
    x = leaf(3).half().detach().requires_grad_()
    return x * 60000 * 60000, x


def another_tensor():
    return (leaf(3) * 2).sum(), [leaf(3), leaf(4)]


def not_a_tensor():
    return (leaf(3) * 2).sum(), ["input_ids"]


def start_of_one_number():
    x = leaf(3)
    return x * 2, x, {"start": 1.0}


def start_not_finite():
    x = leaf(3)
    return x * 2, x, {"start": torch.full((3,), float("nan"))}


# The case, the error, and words of its message.
TABLE = [
    (no_graph, RelevanceError, "no grad_fn.*outside torch.no_grad"),
    (inference, RelevanceError, "no grad_fn.*inference_mode"),
    (a_number, RelevanceError, "the output is a float, not a tensor: pass the score itself"),
    (without_grad, RelevanceError, r"inputs\[0\] does not require grad: call .requires_grad_\(\)"),
    (made_afterwards, RelevanceError, r"does not depend on inputs\[0\] \(shape \(3,\)\).*very tensor"),
    (none, RelevanceError, "no inputs"),
    (not_finite, RelevanceError, "3 entries that are not finite.*forward pass"),
    (empty, RelevanceError, "output is empty"),
    (probability_under_cp, RelevanceError, "no relevance flows: under CP-LRP.*SoftmaxBackward0.*Explain a logit"),
    (no_rule_set, RelevanceError, "rules=.attn. is not a rule set; pass one such as lrp_domains.ATTN_LRP"),
    (overrides_without_model, RelevanceError, "pass model="),
    (misspelt_unknown, RelevanceError, "unknown='ignore': expected .error. or .gradient."),
    (half_precision_overflow, RelevanceError, "not finite.*half precision"),
    (another_tensor, RelevanceError, r"does not depend on inputs\[0\]"),
    (not_a_tensor, RelevanceError, r"inputs\[0\] does not require grad"),
    (start_of_one_number, RelevanceError, r"start has shape \(\), the output \(3,\)"),
    (start_not_finite, RelevanceError, "start has entries that are not finite"),
]


@pytest.mark.parametrize("function", [relevance, ledger])
@pytest.mark.parametrize(("case", "error", "words"), TABLE, ids=[row[0].__name__ for row in TABLE])
@pytest.mark.filterwarnings("ignore")
def test_errors_say_what_is_wrong_and_what_to_do(case, error, words, function):
    assert_refused(function, case, error, words)


def test_inside_inference_mode_nothing_can_be_explained():
    x = leaf(3)
    score = x.tanh().sum()
    with torch.inference_mode(), pytest.raises(RelevanceError, match=r"inference_mode.*leave it"):
        relevance(score, x)
    assert relevance(score, x).isfinite().all()


def test_rule_sets_refuse_values_that_are_not_rules_and_unknown_operations():
    with pytest.raises(RelevanceError, match="is not a rule"):
        RuleSet("mine", {"dense": "epsilon"})
    with pytest.raises(RelevanceError, match="'attension' is neither an operation"):
        ATTN_LRP.for_nodes({"attension": constant})
