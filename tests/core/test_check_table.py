"""The table that `check` returns: its tolerances, its row for a refusal, and how it prints."""

import pytest
import torch
from torch import nn

from lrp_domains import RelevanceError, relevance
from lrp_domains.core.checks import CheckRow, CheckTable, check

from .checked_models import dense, mlp, row_of, rows

HALF = torch.finfo(torch.bfloat16).eps ** 0.5


def test_the_tolerance_is_that_of_the_coarsest_dtype_between_inputs_and_score():
    """Dtypes differ under autocast, and where a norm always computes in float32."""
    assert row_of(check(mlp(torch.bfloat16), rows(2, 5, dtype=torch.bfloat16)), "batch").tolerance == HALF
    model, coarse = mlp(), dense(3, 3, dtype=torch.bfloat16)
    table = check(lambda x: coarse(model(x).bfloat16()).double(), rows(2, 5), model=nn.ModuleList([model, coarse]))
    assert [row.tolerance for row in table.rows] == [0.0, *[HALF] * 4]
    fine = [row.tolerance for row in check(model, rows(2, 5)).rows]
    assert fine == [0.0, *[torch.finfo(torch.float64).eps ** 0.5] * 4]


def test_if_relevance_is_refused_the_table_has_only_that_row():
    table = check(lambda x: x.log_softmax(-1)[:, 0], rows(3, 5))
    with pytest.raises(RelevanceError) as refused:
        x = rows(3, 5).requires_grad_()
        relevance(x.log_softmax(-1)[:, 0], x)
    assert table.rows == (CheckRow("relevance", "failed", None, 0.0, "whether there is one", str(refused.value)),)


def test_the_table_of_checks_can_be_printed():
    table = CheckTable(
        "AttnLRP",
        (
            CheckRow("conservation", "failed", 0.25, 1.5e-8, "score with inputs", "a quarter is missing"),
            CheckRow("batch", "passed", 1.2e-16, 1.5e-8, "rows alone with rows in the batch", ""),
            CheckRow("precision", "skipped", None, 1.5e-8, "this precision with float64", "no module"),
        ),
    )
    assert repr(table) == str(table) and str(table).splitlines() == [
        "checks under AttnLRP",
        "check          verdict  difference  tolerance  compared",
        "conservation   failed      2.5e-01    1.5e-08  score with inputs: a quarter is missing",
        "batch          passed      1.2e-16    1.5e-08  rows alone with rows in the batch",
        "precision      skipped           -    1.5e-08  this precision with float64: no module",
    ]
    assert not table and CheckTable("AttnLRP", table.rows[1:])
