"""The ledger's leaves: the relevance of biases, embeddings and other parameters, by name and by hand."""

import math

import pytest
import torch
import torch.nn.functional as F

from lrp_domains import CP_LRP, ledger

from ..architectures import zoo
from .random_rows import rows

# ---- Biases --------------------------------------------------------------------------------------------------


def test_the_biases_of_two_layers_equal_those_by_hand():
    """R_b = b * g: the second bias has the relevance b, the first b times the weights of its active neurons."""
    first, second = torch.nn.Linear(2, 3).double(), torch.nn.Linear(3, 1).double()
    model = torch.nn.Sequential(first, torch.nn.ReLU(), second)
    x = rows(1, 2)
    account = ledger(model(x)[:, 0], x, model=model)
    hidden = first(x)[0].tolist()
    active = [value > 0 for value in hidden]
    by_hand = sum(b * w for b, w, on in zip(first.bias.tolist(), second.weight[0].tolist(), active, strict=True) if on)
    assert account.leaves["0.bias"] == pytest.approx(by_hand, rel=1e-12)
    assert account.leaves["2.bias"] == pytest.approx(second.bias.item(), rel=1e-12)
    assert account.score == pytest.approx(model(x).item(), rel=1e-12)
    assert account.residue == pytest.approx(0, abs=1e-14)


def test_the_biases_before_an_activation_equal_a_loop():
    """R_b = b g, where g of a hidden neuron is gelu(z) / z times its outgoing weight."""
    first, second = torch.nn.Linear(3, 5).double(), torch.nn.Linear(5, 2).double()
    model, x = torch.nn.Sequential(first, torch.nn.GELU(), second), rows(4, 3)
    account = ledger(model(x)[:, 1], x, model=model)
    of_first = 0.0
    for row in x.tolist():
        for j, (weights, b) in enumerate(zip(first.weight.tolist(), first.bias.tolist(), strict=True)):
            z = sum(w * value for w, value in zip(weights, row, strict=True)) + b
            of_first += b * 0.5 * (1 + math.erf(z / math.sqrt(2))) * second.weight[1, j].item()
    assert account.leaves == {
        "0.bias": pytest.approx(of_first, rel=1e-12),
        "2.bias": pytest.approx(4 * second.bias[1].item(), rel=1e-12),
    }


def test_the_bias_of_a_layer_norm_is_a_leaf():
    norm, x = torch.nn.LayerNorm(4).double(), rows(3, 4)
    norm.weight.data.normal_()
    norm.bias.data.normal_()
    account = ledger(norm(x)[:, 2], x, model=norm)
    assert account.leaves == {"bias": pytest.approx(3 * norm.bias[2].item(), rel=1e-12)}
    assert account.balanced(1e-12)


def test_the_bias_and_the_running_mean_of_a_batch_norm_are_leaves():
    model, x = (
        torch.nn.Sequential(torch.nn.Conv1d(2, 3, 1, bias=False), torch.nn.BatchNorm1d(3)).double(),
        rows(4, 2, 5),
    )
    norm = model[1]
    for tensor in (norm.weight.data, norm.bias.data, norm.running_mean):
        tensor.normal_()
    norm.running_var.uniform_(0.5, 2)
    model.eval()
    account = ledger(model(x)[:, 1].sum(-1), x, model=model)
    scale = norm.weight[1].item() / math.sqrt(norm.running_var[1].item() + norm.eps)
    assert account.leaves == {
        "1.bias": pytest.approx(20 * norm.bias[1].item(), rel=1e-12),
        "(running mean, 1)": pytest.approx(-20 * norm.running_mean[1].item() * scale, rel=1e-12),
    }
    assert account.balanced(1e-12)


# ---- Embeddings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("padding_idx", [None, 0])
def test_embeddings_that_are_added_are_leaves(padding_idx):
    """Position and type embeddings have relevance, also in the padding row, which the forward pass adds like others."""

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.position = torch.nn.Embedding(5, 4, padding_idx=padding_idx)
            self.norm = torch.nn.LayerNorm(4)
            self.project = torch.nn.Linear(4, 4)
            self.head = torch.nn.Linear(4, 1)

        def forward(self, x):
            # The positions pass a norm and a projection before they are added.
            positions = self.project(self.norm(self.position(torch.tensor([0, 1, 0]))))
            return self.head(x + positions).sum((1, 2))

    model, x = Model().double(), rows(2, 3, 4)
    for parameter in model.parameters():
        parameter.data.normal_()
    account = ledger(model(x), x, rules=CP_LRP, model=model)
    assert account.balanced(1e-12), account
    assert account.leaves["position.weight"] != 0
    assert account.leaves["head.bias"] == pytest.approx(6 * model.head.bias.item(), rel=1e-12)


def test_position_and_type_embeddings_are_named_leaves():
    case = zoo.build("bert")
    leaves = ledger(*zoo.forward(case), rules=CP_LRP, model=case.model).leaves
    assert leaves["bert.embeddings.position_embeddings.weight"] != 0
    assert leaves["bert.embeddings.token_type_embeddings.weight"] != 0
    assert leaves["bert.embeddings.LayerNorm.bias"] != 0
    assert not [name for name in leaves if "word_embeddings" in name]  # their output is what is explained
    weights = [name for name in leaves if name.endswith("weight") and "embeddings" not in name]
    assert weights == []


def test_a_tied_weight_is_a_leaf_only_where_it_is_added():
    """GPT-2's table is added as an embedding, and multiplies as the output matrix."""

    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Parameter(torch.randn(5, 4, dtype=torch.float64))

        def forward(self, x):
            hidden = x + F.embedding(torch.tensor([1, 2]), self.table)
            return (hidden @ self.table.T)[:, -1, 3]

    model, x = Tied(), rows(2, 2, 4)
    account = ledger(model(x), x, model=model)
    by_hand = 2 * (model.table[2] @ model.table[3]).item()  # the embedding's share, once per row
    assert account.leaves == {"table": pytest.approx(by_hand, rel=1e-12)}
    assert account.balanced(1e-12)


def test_a_bag_of_weighted_embeddings_is_a_product():
    """As leaves, table and weights get half each; if either is explained, it gets all."""
    table, weights, x = rows(5, 4), rows(2, 3), rows(2, 4)
    indices = torch.tensor([[0, 1, 2], [3, 4, 0]])
    bags = F.embedding_bag(indices, table, mode="sum", per_sample_weights=weights)
    account = ledger((bags + x).sum(), x, rules=CP_LRP, retain_graph=True)
    assert [*account.leaves.values()] == pytest.approx([bags.sum().item() / 2] * 2, rel=1e-12)
    assert account.balanced(1e-12)
    for inputs in (table, weights):
        account = ledger(bags.sum(), inputs, rules=CP_LRP, retain_graph=True)
        assert account.leaves == {} and account.balanced(1e-12)


# ---- Factors, bounds and names -------------------------------------------------------------------------------


def test_a_parameter_in_a_factor_is_not_a_leaf():
    """Gemma's RMSNorm multiplies by 1 + weight."""
    weight, x = torch.nn.Parameter(torch.randn(4, dtype=torch.float64)), rows(2, 4)
    score = (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * (1 + weight)).sum(-1)
    account = ledger(score, x)
    assert account.leaves == {}
    assert account.balanced(1e-12)


def test_a_weight_is_a_leaf_only_where_its_product_is_added():
    """In x + w * x it scales a value that carries relevance; in x + w * v both w and v are leaves."""
    w, v, x = rows(4), rows(4), rows(2, 4)
    assert ledger((x + w * x).sum(), x).leaves == {}
    account = ledger((x + w * v).sum(), x)
    both = 2 * (w * v).sum().item()
    assert sorted(account.leaves.values()) == pytest.approx([both / 2] * 2, rel=1e-12)
    assert account.balanced(1e-12)


def test_the_bounds_of_a_clamp_beyond_0_are_constants():
    """A clamp is an elementwise function like any other: the input gets f(x) - f(0), and f(0) is a constant."""
    x = torch.tensor([-3.0, 0.5, 3.0], dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64)
    account = ledger((x.clamp(-1, 2) * weights).sum(), x)
    assert account.leaves == {}
    assert account.inputs == (pytest.approx(-1 + 5 + 200),)
    account = ledger((x.clamp(1, 2) * weights).sum(), x)
    assert account.leaves == {"(Clamp at 0)": pytest.approx(111)}
    assert account.inputs == (pytest.approx(100),)


@pytest.mark.parametrize("f", [torch.maximum, torch.minimum, torch.fmax, torch.fmin])
def test_the_value_at_zero_of_a_maximum_with_numbers_is_a_leaf(f):
    x, bound = rows(2, 4), torch.tensor([0.3, -0.2, 0.0, 1.0], dtype=torch.float64)
    account = ledger(f(x, bound).sum(), x)
    at_zero = f(torch.zeros(2, 4, dtype=torch.float64), bound).sum().item()
    assert at_zero != 0
    assert account.leaves == {f"({f.__name__.capitalize()} at 0)": pytest.approx(at_zero, rel=1e-12)}
    assert account.balanced(1e-12)


def test_without_the_model_leaves_have_numbers_and_the_same_amounts():
    case = zoo.build("bert")
    named, numbered = (ledger(*zoo.forward(case), rules=CP_LRP, model=model).leaves for model in (case.model, None))
    assert sorted(named.values()) == pytest.approx(sorted(numbered.values()), rel=1e-12)
    assert all(name.startswith("leaf ") for name in numbered)
