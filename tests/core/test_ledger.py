"""The account: every holder of relevance by name, and a residue that is zero under CP-LRP."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from lrp_domains import ATTN_LRP, CP_LRP, GRADIENT, ledger, relevance

from ..architectures import zoo


def rows(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def test_two_layers_by_hand():
    """R_b = b * g: the second bias holds itself, the first what its neurons' weights make of it."""
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


def test_the_relevance_is_that_of_the_plain_pass():
    case = zoo.build("bert")
    account = ledger(*zoo.forward(case), rules=ATTN_LRP, model=case.model)
    for one, other in zip(account.relevance, relevance(*zoo.forward(case), rules=ATTN_LRP), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("padding_idx", [None, 0])
def test_embeddings_that_are_added_are_leaves(padding_idx):
    """Position and type embeddings hold relevance, in the padding row as well, which the forward pass adds like any."""

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.position = torch.nn.Embedding(5, 4, padding_idx=padding_idx)
            self.norm = torch.nn.LayerNorm(4)
            self.project = torch.nn.Linear(4, 4)
            self.head = torch.nn.Linear(4, 1)

        def forward(self, x):
            # The positions pass a norm and a projection of their own before they are added.
            positions = self.project(self.norm(self.position(torch.tensor([0, 1, 0]))))
            return self.head(x + positions).sum((1, 2))

    model, x = Model().double(), rows(2, 3, 4)
    for parameter in model.parameters():
        parameter.data.normal_()
    account = ledger(model(x), x, rules=CP_LRP, model=model)
    assert account.balanced(1e-12), account
    assert account.leaves["position.weight"] != 0
    assert account.leaves["head.bias"] == pytest.approx(6 * model.head.bias.item(), rel=1e-12)


def test_a_tied_weight_is_counted_where_it_is_added_only():
    """GPT-2's table is added as an embedding and multiplies as the output matrix."""

    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Parameter(torch.randn(5, 4, dtype=torch.float64))

        def forward(self, x):
            hidden = x + F.embedding(torch.tensor([1, 2]), self.table)
            return (hidden @ self.table.T)[:, -1, 3]

    model, x = Tied(), rows(2, 2, 4)
    account = ledger(model(x), x, model=model)
    by_hand = 2 * (model.table[2] @ model.table[3]).item()  # the embedding's share, once a row
    assert account.leaves == {"table": pytest.approx(by_hand, rel=1e-12)}
    assert account.balanced(1e-12)


def test_a_parameter_in_a_factor_holds_nothing():
    """Gemma's RMSNorm multiplies by 1 + weight."""
    weight, x = torch.nn.Parameter(torch.randn(4, dtype=torch.float64)), rows(2, 4)
    score = (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * (1 + weight)).sum(-1)
    account = ledger(score, x)
    assert account.leaves == {}
    assert account.balanced(1e-12)


def test_what_is_frozen_ends_in_the_residue_and_is_said():
    model, x = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).double(), rows(2, 3)
    seen = ledger(model(x)[:, 0], x, model=model)
    model.requires_grad_(False)
    account = ledger(model(x)[:, 0], x, model=model)
    assert account.residue == pytest.approx(sum(seen.leaves.values()), rel=1e-12)
    assert not account.balanced()
    assert any("4 parameters are frozen" in note and "requires_grad_(True)" in note for note in account.notes)


def test_a_number_that_is_added_ends_in_the_residue_and_is_said():
    x, y = rows(3), rows(3)
    account = ledger(((x + 1) * torch.tanh(y)).sum(), (x, y), rules=CP_LRP)
    assert any("1 sums add something that is no parameter" in note for note in account.notes)


def test_the_softmax_keeps_a_part_under_attnlrp_and_it_is_said():
    case = zoo.build("bert")
    account = ledger(*zoo.forward(case), rules=ATTN_LRP, model=case.model)
    assert not account.balanced()
    assert any("softmax" in note for note in account.notes)
    assert ledger(*zoo.forward(case), rules=CP_LRP, model=case.model).balanced(1e-12)


def test_several_inputs_and_another_start():
    x, y = rows(2, 3), rows(2, 3)
    weight = rows(3)
    score = ((x + y + weight) ** 2).sum(-1)
    account = ledger(score, (x, y), start=torch.tensor([1.0, 2.0], dtype=torch.float64))
    assert len(account.inputs) == len(account.relevance) == 2
    assert account.score == pytest.approx(3.0, rel=1e-12)
    assert account.balanced(1e-12)


def test_bounds_of_a_clamp_are_constants():
    x = torch.tensor([-3.0, 0.5, 3.0], dtype=torch.float64, requires_grad=True)
    account = ledger((x.clamp(-1, 2) * torch.tensor([1.0, 10.0, 100.0])).sum(), x)
    assert account.leaves == {"(bounds of clamp)": pytest.approx(-1 + 200)}
    assert account.inputs == (pytest.approx(5.0),)


def test_it_can_be_printed():
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
    assert sum(line.startswith("  ") for line in lines) == 9  # the eight largest, and the rest
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
def test_books_under_cp_lrp_balance_to_rounding(name):
    case = zoo.build(name)
    account = ledger(*zoo.forward(case), rules=CP_LRP, model=case.model)
    gross = sum(r.abs().sum().item() for r in account.relevance) + sum(map(abs, account.leaves.values()))
    assert abs(account.residue) <= 1e-12 * max(abs(account.score), gross), account
    assert account.leaves
    assert not account.notes


def test_gradient_times_input_does_not_balance_where_cp_lrp_does():
    """The test above can fail."""
    case = zoo.build("bert")
    assert not ledger(*zoo.forward(case), rules=GRADIENT, model=case.model).balanced(1e-3)


# ---- Named leaves by hand ------------------------------------------------------------------------------------


def test_biases_behind_an_activation_by_a_loop():
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


def test_what_a_layer_norm_adds_is_its_bias():
    norm, x = torch.nn.LayerNorm(4).double(), rows(3, 4)
    norm.weight.data.normal_()
    norm.bias.data.normal_()
    account = ledger(norm(x)[:, 2], x, model=norm)
    assert account.leaves == {"bias": pytest.approx(3 * norm.bias[2].item(), rel=1e-12)}
    assert account.balanced(1e-12)


def test_what_a_batch_norm_adds_is_its_bias_and_its_running_mean():
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


def test_position_and_type_embeddings_are_named():
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
    named, numbered = (ledger(*zoo.forward(case), rules=CP_LRP, model=m).leaves for m in (case.model, None))
    assert sorted(named.values()) == pytest.approx(sorted(numbered.values()), rel=1e-12)
    assert all(name.startswith("leaf ") for name in numbered)


def test_a_weight_that_multiplies_only_is_no_leaf_wherever_it_stands():
    """Under a sum, but scaling a carrier: x + w * x. Behind a sum, and itself added: x + w * v holds both."""
    w, v, x = rows(4), rows(4), rows(2, 4)
    assert ledger((x + w * x).sum(), x).leaves == {}
    account = ledger((x + w * v).sum(), x)
    both = 2 * (w * v).sum().item()
    assert sorted(account.leaves.values()) == pytest.approx([both / 2] * 2, rel=1e-12)
    assert account.balanced(1e-12)


# ---- Random programs over tensors of one shape ---------------------------------------------------------------

SHAPE = BATCH, TOKENS, WIDTH = 2, 3, 4
INDEX = torch.tensor([2, 0, 0]).view(1, TOKENS, 1).expand(SHAPE)
MASK = torch.tensor([[True, False, True, False], [False, True, True, True], [True, True, False, True]])


def multi_head(x, y, p):
    q, k, v = (F.linear(t, p(WIDTH, WIDTH), p(WIDTH)).unflatten(-1, (2, 2)).transpose(1, 2) for t in (x, y, y))
    mask = torch.ones(TOKENS, TOKENS, dtype=torch.bool).tril()
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)


def experts(x, y, p):
    """The best two of three experts, weighted by a router's probabilities."""
    best, chosen = (y @ p(WIDTH, 3)).softmax(-1).topk(2)
    outputs = torch.stack([F.gelu(F.linear(x, p(WIDTH, WIDTH), p(WIDTH))) for _ in range(3)], dim=2)
    picked = outputs.gather(2, chosen.unsqueeze(-1).expand(*chosen.shape, WIDTH))
    return (best.unsqueeze(-1) * picked).sum(2)


def put_in_place(x, y, p):
    z = x * p(WIDTH)
    z[:, 1:] = y[:, :2]
    z[..., 0] += y[..., 1]
    z[:, 2] *= 3
    z[torch.tensor([0, 1]), torch.tensor([2, 0])] = y[:, 0]
    return z


def rotated(x, y, p):
    angle = torch.arange(TOKENS, dtype=torch.float64)[:, None] * torch.tensor([1.0, 0.1, 1.0, 0.1])
    return x * angle.cos() + torch.cat([-x[..., 2:], x[..., :2]], -1) * angle.sin()


def softmax_by_hand(x, y, p):
    scores = x @ y.mT
    e = torch.exp(scores - scores.amax(-1, keepdim=True))
    return (e / e.sum(-1, keepdim=True)) @ y


def batch_norm(x, y, p):
    mean, spread = p(TOKENS).detach(), 0.5 + p(TOKENS).detach() ** 2
    return F.batch_norm(x, mean, spread, p(TOKENS), p(TOKENS))


# Each makes a tensor of the same shape from two; p(*shape) draws a parameter.
OPERATIONS = {
    "scatter": lambda x, y, p: x.scatter(1, INDEX.new_tensor([1, 0, 2]).view(1, 3, 1).expand(SHAPE), y),
    "scatter add": lambda x, y, p: x.scatter_add(1, INDEX, y),
    "index add": lambda x, y, p: x.index_add(1, torch.tensor([0, 0]), y[:, 1:]),
    "index put": lambda x, y, p: x.index_put((torch.tensor([0, 1]), torch.tensor([2, 2])), y[:, 0]),
    "in place": put_in_place,
    "masked": lambda x, y, p: x.masked_fill(MASK, 0.0) + torch.where(MASK, y, 0.0),
    "chosen": lambda x, y, p: torch.where(x > y, x, y * p(WIDTH)),
    "padded": lambda x, y, p: F.pad(x, (0, 0, 1, 0))[:, :TOKENS] + y.flip(1),
    "rolled": lambda x, y, p: x.roll(1, 1) - y.tril(),
    "pooled": lambda x, y, p: F.avg_pool1d(x, 3, 1, padding=1) + F.max_pool1d(y, 3, 1, padding=1),
    "largest": lambda x, y, p: x.amax(1, keepdim=True).expand(SHAPE) + y.topk(WIDTH)[0],
    "sorted": lambda x, y, p: x.sort(-1)[0] + y.median(-1, keepdim=True)[0],
    "reshaped": lambda x, y, p: x.permute(2, 0, 1).reshape(SHAPE) + y.mT.flatten(1).view(SHAPE),
    "depthwise": lambda x, y, p: F.conv1d(x, p(TOKENS, 1, 3), p(TOKENS), padding=1, groups=TOKENS),
    "picture": lambda x, y, p: F.conv2d(x.unsqueeze(1), p(2, 1, 3, 3), p(2), padding=1).sum(1),
    "transposed convolution": lambda x, y, p: F.conv_transpose1d(x, p(TOKENS, TOKENS, 3), p(TOKENS), padding=1),
    "outer": lambda x, y, p: torch.einsum("btc,btd->btcd", x, y) @ p(WIDTH),
    "mixed": lambda x, y, p: torch.baddbmm(x, p(BATCH, TOKENS, TOKENS), y),
    "triple": lambda x, y, p: torch.addcmul(x, y, p(WIDTH)),
    "interpolated": lambda x, y, p: torch.lerp(x, y, 0.3),
    "attention": multi_head,
    "softmax by hand": softmax_by_hand,
    "experts": experts,
    "rotated": rotated,
    "gated": lambda x, y, p: F.glu(F.linear(x, p(2 * WIDTH, WIDTH), p(2 * WIDTH))),
    "sigmoid gate": lambda x, y, p: torch.sigmoid(x @ p(WIDTH, WIDTH)) * y,
    "softplus gate": lambda x, y, p: F.softplus(x + p(WIDTH)) * y,
    "over spread": lambda x, y, p: (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-3),
    "over length": lambda x, y, p: x / (y.norm(dim=-1, keepdim=True) + 1e-3),
    "over total": lambda x, y, p: x / (1 + y.abs().sum(-1, keepdim=True)),
    "var_mean": lambda x, y, p: (lambda v, m: (x - m) * torch.rsqrt(v + 1e-3))(*torch.var_mean(x, -1, keepdim=True)),
    "group norm": lambda x, y, p: F.group_norm(x, 1, p(TOKENS), p(TOKENS)),
    "batch norm": batch_norm,
    "sigmoid between layers": lambda x, y, p: torch.sigmoid(F.layer_norm(x, (WIDTH,))) @ p(WIDTH, WIDTH),
    "cosine between layers": lambda x, y, p: torch.cos(x) @ p(WIDTH, WIDTH) + torch.exp(-F.relu(y)) @ p(WIDTH, WIDTH),
    "clamped": lambda x, y, p: x.clamp(-1, 0.5),
    "mish": lambda x, y, p: F.mish(x),
    "hardswish": lambda x, y, p: F.hardswish(x) - F.leaky_relu(y),
    "cube": lambda x, y, p: F.layer_norm(x, (WIDTH,)) ** 3,
    "looked up": lambda x, y, p: x + F.embedding(torch.tensor([1, 0, 1]), p(2, WIDTH), padding_idx=0),
    "dense": lambda x, y, p: F.linear(x, p(WIDTH, WIDTH), p(WIDTH)),
}  # fmt: skip


@settings(max_examples=250, deadline=None, derandomize=True)
@given(
    program=st.lists(
        st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8
    ),
    seed=st.integers(0, 2**16),
)
def test_books_of_a_random_program_balance(program, seed):
    generator = torch.Generator().manual_seed(seed)

    def parameter(*shape):
        return (torch.randn(*shape, generator=generator, dtype=torch.float64) / 2).requires_grad_()

    tensors = [parameter(*SHAPE)]
    for name, i, j in program:
        tensors.append(OPERATIONS[name](tensors[i % len(tensors)], tensors[j % len(tensors)], parameter))
    # Every result is used, so that a fault cannot hide behind a tensor that nothing reads.
    score = sum((tensor * parameter(*SHAPE).detach()).sum() for tensor in tensors[1:])
    account = ledger(score, tensors[0], rules=CP_LRP)
    gross = account.relevance[0].abs().sum().item() + sum(map(abs, account.leaves.values()))
    assert account.relevance[0].isfinite().all()
    assert abs(account.residue) <= 1e-9 * max(abs(account.score), gross), account


@pytest.mark.parametrize("name", OPERATIONS)
def test_books_of_each_operation_balance(name):
    """One at a time, so that a fault has a name."""
    x, y = rows(*SHAPE), rows(*SHAPE)
    score = (OPERATIONS[name](x, y, rows) * torch.randn(SHAPE, dtype=torch.float64)).sum()
    inputs = (x, y) if torch.autograd.grad(score, y, retain_graph=True, allow_unused=True)[0] is not None else x
    account = ledger(score, inputs, rules=CP_LRP)
    gross = sum(r.abs().sum().item() for r in account.relevance) + sum(map(abs, account.leaves.values()))
    assert abs(account.residue) <= 1e-12 * max(abs(account.score), gross), account
