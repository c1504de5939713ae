"""Relevance of units from one pass or several, and the account of many batches."""

import pytest
import torch
from torch import nn

from lrp_domains import CP_LRP, relevance
from lrp_domains.domain import Account, Read, explain


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 3)).double()


def read(model, values) -> Read:
    """Pairs of inputs are a unit."""
    x = values.detach().requires_grad_()
    return Read(model(x), (x,), lambda parts: parts[0].unflatten(1, (3, 2)).sum(2))


def test_units_sum_the_relevance_of_their_sources():
    model, values = network(), torch.randn(4, 6, dtype=torch.float64)
    one = read(model, values)
    (units,), _ = explain(one.outputs[:, 0], [one], rules=CP_LRP, model=model)
    x = values.clone().requires_grad_()
    expected = relevance(model(x)[:, 0], x, rules=CP_LRP)
    torch.testing.assert_close(units, expected[:, 0::2] + expected[:, 1::2])


def test_the_mean_of_two_networks_is_explained_by_half_of_each():
    models, values = [network(), network()], torch.randn(4, 6, dtype=torch.float64)
    reads = [read(model, values) for model in models]
    both, account = explain(torch.stack([one.outputs[:, 0] for one in reads]).mean(0), reads, rules=CP_LRP)
    for model, units in zip(models, both, strict=True):
        one = read(model, values)
        (alone,), _ = explain(one.outputs[:, 0], [one], rules=CP_LRP)
        torch.testing.assert_close(units, alone / 2)
    assert len(account.inputs) == 2


def test_the_account_of_batches_is_that_of_all_samples():
    model, values = network(), torch.randn(9, 6, dtype=torch.float64)
    whole, parts = Account(), [Account(), Account()]
    for account, batches in ((whole, [values]), (parts[0], [values[:4], values[4:7]]), (parts[1], [values[7:]])):
        for batch in batches:
            one = read(model, batch)
            (units,), ledger = explain(one.outputs[:, 1], [one], rules=CP_LRP, model=model)
            account.add(ledger, float(units.sum()))
    parts[0].merge(parts[1])
    for name in ("score", "units", "rest", "residue"):
        assert getattr(parts[0], name) == pytest.approx(getattr(whole, name), abs=1e-9)
    assert parts[0].leaves == pytest.approx(whole.leaves)
    assert whole.score == pytest.approx(whole.units + sum(whole.leaves.values()), abs=1e-9)


def test_inputs_that_belong_to_no_unit_are_the_rest():
    model = network()
    x = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    one = Read(model(x), (x,), lambda parts: parts[0][:, 1:])  # the first input is a special token, say
    (units,), ledger = explain(one.outputs[:, 0], [one], rules=CP_LRP, model=model)
    account = Account()
    account.add(ledger, float(units.sum()))
    assert account.rest == pytest.approx(float(ledger.relevance[0][:, 0].sum()))
    total = account.units + account.rest + sum(account.leaves.values()) + account.residue
    assert account.score == pytest.approx(total)
