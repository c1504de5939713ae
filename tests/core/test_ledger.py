"""The ledger: the relevance of every leaf by name, and a residue that is zero under CP-LRP."""

import math

import pytest
import torch
import torch.nn.functional as F

from lrp_domains import ALPHA_BETA, ATTN_LRP, CP_LRP, GRADIENT, ledger, relevance, unfused

from ..architectures import zoo


def rows(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


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


def test_the_ledger_has_the_relevance_that_relevance_returns():
    case = zoo.build("bert")
    account = ledger(*zoo.forward(case), rules=ATTN_LRP, model=case.model)
    for actual, expected in zip(account.relevance, relevance(*zoo.forward(case), rules=ATTN_LRP), strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-14)


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


def test_a_parameter_in_a_factor_is_not_a_leaf():
    """Gemma's RMSNorm multiplies by 1 + weight."""
    weight, x = torch.nn.Parameter(torch.randn(4, dtype=torch.float64)), rows(2, 4)
    score = (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * (1 + weight)).sum(-1)
    account = ledger(score, x)
    assert account.leaves == {}
    assert account.balanced(1e-12)


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


def test_the_share_of_the_softmax_under_attnlrp_is_noted():
    case = zoo.build("bert")
    account = ledger(*zoo.forward(case), rules=ATTN_LRP, model=case.model)
    assert not account.balanced()
    assert any("softmax" in note for note in account.notes)
    assert ledger(*zoo.forward(case), rules=CP_LRP, model=case.model).balanced(1e-12)


def test_the_ledger_takes_several_inputs_and_a_start():
    x, y = rows(2, 3), rows(2, 3)
    weight = rows(3)
    score = ((x + y + weight) ** 2).sum(-1)
    account = ledger(score, (x, y), start=torch.tensor([1.0, 2.0], dtype=torch.float64))
    assert len(account.inputs) == len(account.relevance) == 2
    assert account.score == pytest.approx(3.0, rel=1e-12)
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


def test_the_ledger_can_be_printed():
    case = zoo.build("bert")
    text = str(ledger(*zoo.forward(case), rules=CP_LRP, model=case.model))
    lines = text.splitlines()
    assert lines[0] == "ledger under CP-LRP"
    assert [line.split("  ")[0] for line in lines if not line.startswith(" ")][1:] == [
        "score",
        "inputs",
        "all leaves",
        "residue",
    ]
    assert sum(line.startswith("  ") for line in lines) == 9  # the eight largest, and the sum of the others
    assert any("position_embeddings" in line or "bias" in line for line in lines)


def test_balanced_measures_against_the_largest_total():
    x = torch.ones(3, requires_grad=True)
    account = ledger((x * 2).sum(), x)
    assert account.balanced(0.0)
    assert not type(account)(1.0, (0.9,), {}, 0.1, (), "mine").balanced(0.09)
    assert type(account)(1.0, (0.9,), {}, 0.1, (), "mine").balanced(0.11)


# ---- Plain networks, to the last digits ----------------------------------------------------------------------

PLAIN = [
    "torch/mlp-relu", "torch/mlp-smooth", "torch/vgg", "torch/resnet18", "torch/transformer-gelu",
    "torch/transformer-relu-norm-first", "bert", "distilbert", "causal/gpt2", "t5", "image/vit",
]  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_relevance_is_conserved_to_rounding_under_cp_lrp(name):
    case = zoo.build(name)
    account = ledger(*zoo.forward(case), rules=CP_LRP, model=case.model)
    gross = sum(r.abs().sum().item() for r in account.relevance) + sum(map(abs, account.leaves.values()))
    assert abs(account.residue) <= 1e-12 * max(abs(account.score), gross), account
    assert account.leaves
    assert not account.notes


def test_gradient_times_input_is_not_conserved_where_cp_lrp_is():
    """This shows that the test above can fail."""
    case = zoo.build("bert")
    assert not ledger(*zoo.forward(case), rules=GRADIENT, model=case.model).balanced(1e-3)


# ---- Named leaves by hand ------------------------------------------------------------------------------------


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


def test_position_and_type_embeddings_are_named_leaves():
    case = zoo.build("bert")
    leaves = ledger(*zoo.forward(case), rules=CP_LRP, model=case.model).leaves
    assert leaves["bert.embeddings.position_embeddings.weight"] != 0
    assert leaves["bert.embeddings.token_type_embeddings.weight"] != 0
    assert leaves["bert.embeddings.LayerNorm.bias"] != 0
    assert not [name for name in leaves if "word_embeddings" in name]  # their output is what is explained
    weights = [name for name in leaves if name.endswith("weight") and "embeddings" not in name]
    assert weights == []


def test_without_the_model_leaves_have_numbers_and_the_same_amounts():
    case = zoo.build("bert")
    named, numbered = (ledger(*zoo.forward(case), rules=CP_LRP, model=model).leaves for model in (case.model, None))
    assert sorted(named.values()) == pytest.approx(sorted(numbered.values()), rel=1e-12)
    assert all(name.startswith("leaf ") for name in numbered)


def test_a_weight_is_a_leaf_only_where_its_product_is_added():
    """In x + w * x it scales a value that carries relevance; in x + w * v both w and v are leaves."""
    w, v, x = rows(4), rows(4), rows(2, 4)
    assert ledger((x + w * x).sum(), x).leaves == {}
    account = ledger((x + w * v).sum(), x)
    both = 2 * (w * v).sum().item()
    assert sorted(account.leaves.values()) == pytest.approx([both / 2] * 2, rel=1e-12)
    assert account.balanced(1e-12)


# ---- Other leaves and residues -------------------------------------------------------------------------------


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


def test_relevance_is_conserved_in_a_lookup_with_gradients_scaled_by_frequency():
    table, x = rows(5, 4), rows(2, 4)
    y = x + F.embedding(torch.tensor([[0, 1, 2], [3, 0, 0]]), table, scale_grad_by_freq=True).sum(1)
    assert ledger(y.sum(), x).balanced(1e-12)


@pytest.mark.parametrize("f", [torch.maximum, torch.minimum, torch.fmax, torch.fmin])
def test_the_value_at_zero_of_a_maximum_with_numbers_is_a_leaf(f):
    x, bound = rows(2, 4), torch.tensor([0.3, -0.2, 0.0, 1.0], dtype=torch.float64)
    account = ledger(f(x, bound).sum(), x)
    at_zero = f(torch.zeros(2, 4, dtype=torch.float64), bound).sum().item()
    assert at_zero != 0
    assert account.leaves == {f"({f.__name__.capitalize()} at 0)": pytest.approx(at_zero, rel=1e-12)}
    assert account.balanced(1e-12)


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


@pytest.mark.parametrize("f", [torch.pow, torch.maximum, torch.fmin, torch.hypot, torch.logaddexp, torch.atan2])
def test_relevance_is_conserved_in_functions_of_an_input_and_a_parameter(f):
    x, p = rows(5, 4), rows(4)
    account = ledger(f(x.abs() + 0.1, p.abs()).sum(), x, rules=CP_LRP)
    assert account.balanced(1e-10), account
