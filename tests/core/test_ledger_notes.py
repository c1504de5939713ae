"""The ledger's notes: causes of a residue, and branches that depend on the inputs but are constant under a rule."""

import pytest
import torch
import torch.nn.functional as F

from lrp_domains import ALPHA_BETA, ATTN_LRP, CP_LRP, ledger, unfused

from ..architectures import zoo
from .random_rows import rows

# ---- Residues ------------------------------------------------------------------------------------------------


def test_the_relevance_of_frozen_parameters_is_in_the_residue_with_a_note():
    model, x = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).double(), rows(2, 3)
    unfrozen = ledger(model(x)[:, 0], x, model=model)
    model.requires_grad_(False)
    account = ledger(model(x)[:, 0], x, model=model)
    assert account.residue == pytest.approx(sum(unfrozen.leaves.values()), rel=1e-12)
    assert not account.balanced()
    assert any("4 parameters are frozen" in note and "requires_grad_(True)" in note for note in account.notes)


def test_a_number_that_is_added_is_noted():
    x, y = rows(3), rows(3)
    account = ledger(((x + 1) * torch.tanh(y)).sum(), (x, y), rules=CP_LRP)
    assert any("1 sums add something other than a parameter" in note for note in account.notes)


def test_a_constant_that_is_joined_is_noted():
    x, positions, w = rows(2, 3), rows(2, 3).detach(), torch.nn.Parameter(torch.ones(6, dtype=torch.float64))
    account = ledger((torch.cat([x, positions], 1) @ w).sum(), x, rules=CP_LRP)
    assert account.residue == pytest.approx(positions.sum().item())
    assert any("1 concatenations hold something other than a parameter" in note for note in account.notes)


def test_the_share_of_the_softmax_under_attnlrp_is_noted():
    case = zoo.build("bert")
    account = ledger(*zoo.forward(case), rules=ATTN_LRP, model=case.model)
    assert not account.balanced()
    assert any("softmax" in note for note in account.notes)
    assert ledger(*zoo.forward(case), rules=CP_LRP, model=case.model).balanced(1e-12)


def test_residues_of_layer_rules_and_of_inserted_numbers_are_noted():
    layer, x = torch.nn.Linear(4, 3).double(), rows(2, 4)
    layer.weight.data.abs_()
    layer.bias.data.zero_()
    positive = x.detach().abs().requires_grad_()
    account = ledger(layer(positive).sum(), positive, rules=ALPHA_BETA, model=layer)
    assert account.residue == pytest.approx(-account.score, rel=1e-9)  # alpha 2 is shared, beta 1 is not
    assert any("alpha_beta(2, 1) may keep a part" in note for note in account.notes)
    account = ledger(F.threshold(x, 0.5, 3.0).sum(), x)
    assert account.residue == pytest.approx(3.0 * (x <= 0.5).sum().item(), rel=1e-12)
    assert account.notes == ("ThresholdBackward0 may write numbers that autograd doesn't keep",)


# ---- Branches that depend on the inputs but are constant -----------------------------------------------------


class BesideASkip(torch.nn.Module):
    """A branch of two layers beside a skip connection; the function between them may be constant under a rule."""

    def __init__(self, function):
        super().__init__()
        self.A, self.B, self.function = torch.nn.Linear(4, 3), torch.nn.Linear(3, 4), function
        self.scale = torch.nn.Parameter(torch.randn(4))

    def forward(self, x):
        return (x + self.scale * self.B(self.function(self.A(x)))).sum(-1)


def test_a_branch_that_a_rule_makes_constant_has_a_separate_row():
    """The softmax is constant under CP-LRP: the relevance of the branch is assigned to the weight of its layer."""
    model, x = BesideASkip(lambda h: h.softmax(-1)).double(), rows(2, 4)
    account = ledger(model(x), x, rules=CP_LRP, model=model)
    added = (model.scale * (model.A(x).softmax(-1) @ model.B.weight.T)).sum().item()
    row = "(closed: depends on the inputs, {})"
    assert account.leaves == {
        row.format("B.weight"): pytest.approx(added / 2, rel=1e-12),  # half, as the scale is a parameter too
        row.format("scale"): pytest.approx(added / 2 + (model.scale * model.B.bias).sum().item(), rel=1e-12),
        "B.bias": pytest.approx((model.scale * model.B.bias).sum().item(), rel=1e-12),
    }
    assert account.balanced(1e-12)
    assert any("2 branches depend on the inputs but count as constant under CP-LRP" in note for note in account.notes)
    assert "(see (closed" in account.notes[0]


def test_a_constant_branch_without_parameters_is_in_the_residue_with_a_note():
    x = rows(2, 4)
    account = ledger(x.sum() + x.softmax(-1)[:, 0].sum(), x, rules=CP_LRP)
    assert account.residue == pytest.approx(x.softmax(-1)[:, 0].sum().item(), rel=1e-12)
    assert "1 branches depend on the inputs but count as constant" in account.notes[0]


@pytest.mark.parametrize(
    "function",
    [lambda h: torch.sigmoid(h) * torch.sigmoid(-h), lambda h: 1 / (1 + h * h), lambda h: h.exp() * h.exp().cos()],
)
def test_a_product_of_gates_does_not_make_a_branch_constant(function):
    model, x = BesideASkip(function).double(), rows(2, 4)
    account = ledger(model(x), x, rules=CP_LRP, model=model)
    assert not any("closed" in text for text in (*account.leaves, *account.notes)), account


@pytest.mark.parametrize("cell", [torch.nn.GRU, torch.nn.LSTM])
def test_what_a_gate_multiplies_is_not_a_constant_branch(cell):
    """The reset gate depends on the inputs; the bias that it multiplies in the first step isn't part of a branch."""
    module, x = cell(2, 3, num_layers=2, batch_first=True).double(), rows(2, 3, 2)
    first = [rows(2, 2, 3) for _ in range(1 + (cell is torch.nn.LSTM))]
    with unfused():
        score = module(x, first[0] if cell is torch.nn.GRU else tuple(first))[0].sum()
    account = ledger(score, x, rules=CP_LRP, model=module)
    assert account.balanced(1e-12) and not account.notes
    assert not any("closed" in name for name in account.leaves)
