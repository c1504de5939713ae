"""What `check` cannot compare is skipped with the reason; invalid arguments are refused."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lrp_domains import CP_LRP, RelevanceError, RuleSet
from lrp_domains.core.checks import check

from .checked_models import NAMES, dense, mlp, row_of, rows, verdicts


def test_without_the_model_precision_and_rewriting_are_skipped():
    model = mlp(torch.float32)
    table = check(lambda x: model(x)[:, 1], rows(3, 5, dtype=torch.float32))
    assert verdicts(table) == dict.fromkeys(NAMES, "passed") | {"precision": "skipped", "rewriting": "skipped"}
    assert "must have the same dtype" in row_of(table, "precision").reason
    assert row_of(table, "rewriting").reason.endswith("pass the module that it calls as model=")


def test_rewriting_is_skipped_for_a_function_that_cannot_be_exported():
    model = mlp()
    table = check(lambda x: model(x)[:, 1] if x.sum() != 0 else model(x)[:, 0], rows(3, 5), model=model)
    rewriting = row_of(table, "rewriting")
    assert rewriting.verdict == "skipped" and "data-dependent" in rewriting.reason and "\n" not in rewriting.reason


def test_rewriting_is_skipped_if_the_decomposition_is_refused():
    """SiLU becomes a product, which these rules don't include."""
    rules = RuleSet("no products", {kind: rule for kind, rule in CP_LRP.operations.items() if kind != "product"})
    model = nn.Sequential(dense(5, 8), nn.SiLU(), dense(8, 1))
    rewriting = row_of(check(model, rows(3, 5), rules=rules), "rewriting")
    assert rewriting.verdict == "skipped" and rewriting.reason.startswith("the decomposition is refused: MulBackward0")


def test_precision_is_skipped_for_a_function_that_computes_in_float32():
    table = check(lambda x: F.gelu(x.float()).sum(-1), rows(3, 5, dtype=torch.float32))
    assert row_of(table, "precision").reason == "with inputs in float64 the function returns torch.float32"


@pytest.mark.parametrize("shapes", [[(1, 5)], [(3, 5), (2, 5)], [(3, 5), ()]])
def test_batch_is_skipped_for_inputs_without_common_rows(shapes):
    inputs = [torch.randn(shape) for shape in shapes]
    batch = row_of(check(lambda *inputs: sum(F.gelu(x).sum() for x in inputs), inputs), "batch")
    assert batch.reason == "the inputs have only one row, or unequal numbers of rows" and batch.verdict == "skipped"


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((None, rows(2, 5)), {}, "check takes a function"),
        ((F.gelu, rows(2, 5)), {"rules": "AttnLRP"}, "check takes a function"),
        ((F.gelu, rows(2, 5)), {"model": F.gelu}, "check takes a function"),
        ((F.gelu, torch.arange(4)), {}, "to explain tokens pass their embeddings"),
        ((F.gelu, ()), {}, "inputs must be floating-point tensors"),
        ((F.gelu, rows(0, 5)), {}, "inputs must be floating-point tensors with entries"),
        ((F.gelu, [rows(2, 5), 1.0]), {}, "inputs must be floating-point tensors"),
        ((lambda x: (x, x), rows(2, 5)), {}, "the function must return a tensor, the score, not a tuple"),
    ],
)
def test_check_refuses_invalid_arguments(arguments, options, message):
    with pytest.raises(RelevanceError, match=message):
        check(*arguments, **options)
