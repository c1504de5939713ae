"""Compiled explanations are equal to the usual ones to the last bit, for inputs that they were not recorded with."""

import pytest
import torch
import torch.nn.functional as F
import transformers
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.checkpoint import checkpoint

from lrp_domains import (
    ALPHA_BETA,
    ATTN_LRP,
    CP_LRP,
    EPSILON,
    EPSILON_PLUS,
    GAMMA,
    GIM,
    GRADIENT,
    MAMBA_LRP,
    capture,
    compile,
    epsilon,
    unfused,
)

from . import test_quantised as quantised
from .compiled_calls import recordings, same, usual, warned
from .mamba_models import model_of
from .plain_models import Convolutional, Encoder
from .test_gim import ACTIVATIONS
from .test_random_programs import OPERATIONS, SHAPE

LAYERED = (EPSILON, EPSILON_PLUS, GAMMA, ALPHA_BETA)
SETS = (ATTN_LRP, CP_LRP, GIM, GRADIENT)


def check(function, example, *others, recorded=1, equal=same, **options):
    """Assert that the numbers are the usual ones, without a warning."""
    inputs = [x if isinstance(x, tuple) else (x,) for x in (example, *others)]
    explain, messages = warned(lambda: compile(function, inputs[0], **options))
    for tensors in (*inputs, *inputs):
        result, new = warned(explain, *tensors)
        assert equal(result, usual(function, *tensors, **options))
        messages += new
    assert not messages
    if recorded is not None:
        assert recordings(explain) == recorded
    return explain


@pytest.mark.parametrize("rules", [*SETS, *LAYERED], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_perceptron(rules, dtype):
    model = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)).to(dtype)
    x, y, z = torch.randn(3, 4, 6, dtype=dtype)
    check(lambda x: model(x)[:, 1], x, y, 10 * z, rules=rules, recorded=None)


@pytest.mark.parametrize("rules", SETS, ids=str)
def test_transformer(rules):
    model = Encoder().eval()
    x, y, z = torch.randn(3, 2, 5, 8)
    check(lambda x: model(x)[:, 1], x, y, 0.1 * z, rules=rules, recorded=None)


@pytest.mark.parametrize("rules", [*SETS, *LAYERED], ids=str)
def test_convolutions(rules):
    model = Convolutional().eval()
    x, y, z = torch.randn(3, 2, 5, 8)
    check(lambda x: model(x)[:, 1], x, y, z, rules=rules, recorded=None)


def test_overrides_by_name():
    model = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    rules = ATTN_LRP.where({"2.*": epsilon(0.1)})
    x, y, z = torch.randn(3, 4, 6)
    check(lambda x: model(x)[:, 1], x, y, z, rules=rules, model=model)


SIZES = {"num_labels": 3, "vocab_size": 50}
CLASSIFIERS = {
    "bert": transformers.BertConfig(
        hidden_size=16, num_attention_heads=2, intermediate_size=24, num_hidden_layers=2, **SIZES
    ),
    "gpt2": transformers.GPT2Config(n_embd=16, n_head=2, n_layer=2, n_positions=32, pad_token_id=0, **SIZES),
}


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_token_ids_with_padding(name, attention):
    config = CLASSIFIERS[name]
    model = transformers.AutoModelForSequenceClassification.from_config(config, attn_implementation=attention).eval()
    pattern = {"bert": "*word_embeddings", "gpt2": "*wte"}[name]

    def function(ids, mask):
        with capture(model, pattern) as kept:
            scores = model(input_ids=ids, attention_mask=mask).logits[:, 1]
        return scores, kept

    ids, others = torch.randint(1, 50, (2, 2, 7))
    mask = torch.ones_like(ids)
    cut = mask.clone()
    cut[1, -3:] = 0
    for rules in (ATTN_LRP, GIM):
        check(function, (ids, mask), (others, mask), (others * cut, cut), rules=rules, recorded=None)


@pytest.mark.parametrize("kind", ["mamba", "mamba2"])
@pytest.mark.parametrize("rules", [ATTN_LRP, MAMBA_LRP], ids=str)
def test_state_spaces(kind, rules):
    model = model_of(kind).float()

    def function(e):
        return model(inputs_embeds=e, use_cache=False).logits[:, -1, 3]

    x, y = torch.randn(2, 1, 9, 6)
    check(function, x, y, rules=rules, model=model, recorded=None)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrences(kind):
    layer = kind(4, 5, batch_first=True)
    x, y, z = torch.randn(3, 2, 3, 4)

    def function(x):
        with unfused():
            return layer(x)[0][:, -1].sum(-1)

    check(function, x, y, z, recorded=None)


def same_to_rounding(a, b):
    return torch.equal(a[0], b[0]) and torch.allclose(a[1], b[1], rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("rules", (ATTN_LRP, GIM), ids=str)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_whose_planning_looks_at_values(name, rules):
    weight = torch.randn(6, 6, dtype=torch.float64)

    def function(x):
        y = ACTIVATIONS[name]((x @ weight).abs() / 2)
        return (y if y.ndim == 2 else y.unsqueeze(-1) * x).sum(-1)

    x, y, z = torch.randn(3, 4, 6, dtype=torch.float64)
    # While PyTorch records, it computes the derivative of prod by other operations.
    equal = same_to_rounding if name == "a stack of x, x" else same
    check(function, x, y, 3 * z, rules=rules, recorded=None, equal=equal)


def test_several_inputs_and_mappings():
    first, second = nn.Linear(6, 8), nn.Linear(5, 8)
    pairs = [(torch.randn(4, 6), torch.randn(4, 5)) for _ in range(3)]
    check(lambda x, y: (F.gelu(first(x)) * second(y)).sum(-1), *pairs)

    model = nn.Sequential(first, nn.GELU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))

    def with_heads(x):
        with capture(model, "1", "3") as kept:
            scores = model(x)
        return scores[:, 0], {"last": kept["3"], "first": kept["1"]}

    x, y, z = torch.randn(3, 4, 6)
    explain = check(with_heads, x, y, z, recorded=None)
    assert list(explain(x)[1]) == ["last", "first"]

    def with_weight(x):
        return model(x)[:, 0], [model[4].weight, model[2].weight]

    check(with_weight, x, y, z, recorded=None)


def test_complex_numbers():
    weight = torch.randn(6, 6, dtype=torch.complex64)
    x, y, z = torch.randn(3, 4, 6, dtype=torch.complex64)
    check(lambda x: (x @ weight).real.sum(-1), x, y, z)
    x, y, z = torch.randn(3, 4, 6)
    check(lambda x: torch.fft.fft2(x).real.sum(-1), x, y, z)


@pytest.mark.parametrize("rules", SETS, ids=str)
def test_checkpoints(rules):
    model = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 3))
    x, y, z = torch.randn(3, 4, 6)
    check(lambda x: checkpoint(model, x, use_reentrant=False)[:, 1], x, y, z, rules=rules)


@pytest.mark.parametrize("kind", [kind for kind in quantised.KINDS if " " not in kind])
def test_quantised_layers(kind, monkeypatch):
    if kind == "MatMul4Bit":
        functions = quantised.SimpleNamespace(dequantize_4bit=quantised.dequantize_4bit)
        monkeypatch.setitem(quantised.sys.modules, "bitsandbytes.functional", functions)
    layer, _ = quantised.quantised(kind, nn.Linear(32, 32))
    model = nn.Sequential(layer, nn.GELU(), nn.Linear(32, 3))
    x, y, z = torch.randn(3, 4, 32)
    check(lambda x: model(x)[:, 1], x, y, z)


def test_powers_of_numbers():
    """What autograd saves of them is a number."""
    x, y, z = torch.randn(3, 4, 6)
    check(
        lambda x: (2**x + 3.0 ** x.detach() + (x * 2).tanh() / (0.5 ** torch.arange(6))).sum(-1), x, y, z, recorded=None
    )


def test_writes_in_place():
    weight = torch.randn(6, 6)

    def function(x):
        y = F.relu_(x @ weight) * 2
        y[:, 1:3].mul_(2)
        y[0] += x[1]
        z = torch.zeros(4, 6)
        z[1:][0].copy_(y[2])
        z.view(-1)[3:6].add_(y[3, :3])
        return (y + z).sum(-1)

    x, y, z = torch.randn(3, 4, 6)
    check(function, x, y, z, recorded=None)


def test_writes_to_the_inputs_stay_inside():
    weight = torch.randn(6, 6)

    def function(x, ids):
        ids += 1
        y = x @ weight
        ids.clamp_(max=2)
        return y[:, ids].sum(-1), x

    x, y = torch.randn(2, 4, 6)
    ids = torch.tensor([0, 3, 1])
    check(function, (x, ids), (y, ids + 1))
    assert ids.tolist() == [0, 3, 1]


def test_buffers_that_a_model_updates_itself():
    """A running sum that the score doesn't read is updated by each call."""

    class Running(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("total", torch.zeros(6))

        def forward(self, x):
            with torch.no_grad():
                self.total += x.detach().sum(0)
            return (x * x).sum(-1)

    model, (x, y) = Running(), torch.randn(2, 4, 6)
    explain = compile(model, x)
    for z in (x, y):
        before = model.total.clone()
        assert same(explain(z), usual(Running(), z))
        assert not torch.equal(model.total, before)


@pytest.mark.slow
@settings(max_examples=30, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
@given(
    program=st.lists(
        st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6
    ),
    branches=st.lists(st.integers(0, 9), max_size=2),
    seed=st.integers(0, 2**16),
)
def test_random_programs_with_branches(program, branches, seed):
    """Some steps run only if an entry is positive: there may be more branches than recordings, but no wrong number."""
    generator, parameters = torch.Generator().manual_seed(seed), {}

    def function(x):
        calls = iter(range(1000))

        def parameter(*shape):
            key = (next(calls), shape)
            if key not in parameters:
                parameters[key] = torch.randn(*shape, generator=generator, dtype=torch.float64) / 2
            return parameters[key].requires_grad_()

        tensors = [x]
        for number, (name, i, j) in enumerate(program):
            if number in branches and tensors[-1].detach().flatten()[0] > 0:
                continue
            tensors.append(OPERATIONS[name](tensors[i % len(tensors)], tensors[j % len(tensors)], parameter))
        return sum((tensor * parameter(*SHAPE).detach()).sum() for tensor in tensors) + x.sum()

    inputs = torch.randn(4, *SHAPE, generator=generator, dtype=torch.float64)
    for x in (*inputs, -inputs[0]):
        function(x)  # draws the parameters
    explain, messages = warned(lambda: compile(function, inputs[0], unknown="gradient"))
    for x in (*inputs, -inputs[0], *inputs):
        result, new = warned(explain, x)
        assert same(result, usual(function, x, unknown="gradient"))
        messages += new
    assert len(messages) <= 1 and not any("differs" in message for message in messages)
