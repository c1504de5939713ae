"""`check` passes clean models, up to rounding, and reports what a rule set doesn't conserve."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lrp_domains import ALPHA_BETA, ATTN_LRP, CP_LRP, EPSILON, epsilon, ledger, unfused
from lrp_domains.core.checks import check

from .checked_models import CASES, NAMES, case, dense, mlp, row_of, rows, verdicts


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_clean_models_pass_in_float64(name, rules):
    model, function, x = case(name, torch.float64)
    with unfused():
        table = check(function, x, rules=rules, model=model)
    assert verdicts(table) == dict.fromkeys(NAMES, "passed") | {"precision": "skipped"} and table and table.passed
    assert all(row.difference <= 1e-13 for row in table.rows if row.name != "precision")
    assert row_of(table, "precision").reason == "the inputs are in float64"


@pytest.mark.parametrize("name", CASES)
def test_clean_models_pass_in_float32(name):
    model, function, x = case(name, torch.float32)
    with unfused():
        table = check(function, x, model=model)
    assert verdicts(table) == dict.fromkeys(NAMES, "passed")
    assert all(row.difference <= 1e-5 for row in table.rows) and row_of(table, "precision").difference > 0
    assert row_of(table, "precision").tolerance == torch.finfo(torch.float32).eps ** 0.5


def missing(score, x, **options):
    account = ledger(score, x, **options)
    return abs(account.residue) / max(abs(account.score), abs(account.inputs[0]), abs(sum(account.leaves.values())))


def test_the_share_of_the_softmax_is_reported_and_not_a_failure():
    model, function, x = case("transformer", torch.float64)
    kept = row_of(check(function, x, model=model), "conservation")
    size = missing(function(x.requires_grad_()), x, model=model)
    assert size > 1e-3
    assert kept.reason.startswith(f"{size:.1e} is missing under AttnLRP: a softmax that is not constant")
    assert kept.verdict == "passed" and kept.difference <= 1e-13
    assert row_of(check(function, x, model=model, rules=CP_LRP), "conservation").reason == ""


LAYERS = (EPSILON, ALPHA_BETA, replace(ATTN_LRP, first=epsilon(0.1)), ATTN_LRP.where({"0.*": epsilon(0.1)}))


@pytest.mark.parametrize("rules", LAYERS, ids=str)
def test_the_share_of_layer_rules_is_reported_and_not_a_failure(rules):
    model, x = mlp(), rows(3, 5).abs()
    model[0].weight.data.abs_()  # alpha_beta doesn't conserve the relevance of neurons without negative contributions
    model[0].bias.data.abs_()
    conservation = row_of(check(model, x, rules=rules), "conservation")
    size = missing(model(x.requires_grad_()), x, rules=rules, model=model)
    assert size > 1e-7 and conservation.reason.startswith(f"{size:.1e} is missing under {rules.name}")
    assert conservation.verdict == "passed" and conservation.difference <= 1e-13


def test_frozen_parameters_do_not_fail_conservation():
    assert check(mlp().requires_grad_(False), rows(3, 5), rules=CP_LRP).rows[1].difference <= 1e-13


def test_inputs_without_relevance_pass():
    table = check(mlp(), torch.zeros(3, 5).double())
    assert table.passed and row_of(table, "batch").difference == row_of(table, "rewriting").difference == 0


def test_models_with_two_inputs_and_a_score_of_several_entries_pass():
    first, second = dense(5, 4), dense(3, 4)
    model = nn.ModuleList([first, second])
    table = check(lambda x, y: F.gelu(first(x) * second(y)), (rows(3, 5), rows(3, 3)), model=model)
    assert verdicts(table) == dict.fromkeys(NAMES, "passed") | {"precision": "skipped"}


def test_check_works_inside_no_grad():
    with torch.no_grad():
        assert check(mlp(), rows(3, 5)).passed
