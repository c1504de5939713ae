"""Quantised layers of other packages have the relevance of the same layers with unpacked weights."""

import copy
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import lrp_domains
from lrp_domains import ledger, ledger_against

STAND_INS = ("MatMul4Bit", "MatMul8bitLt", "MatMul8bitFp", "QuantizedLinearFunction", "WeightQBytesLinearFunction")
KINDS = (*STAND_INS, "bitsandbytes 4 bit", "bitsandbytes 8 bit", "quanto int8", "quanto int4")
SETS = (lrp_domains.ATTN_LRP, lrp_domains.CP_LRP, lrp_domains.GIM, lrp_domains.GRADIENT)


class MatMul8bitFp(torch.autograd.Function):
    """What bitsandbytes runs for 8 bit on a CPU in training, under its name."""

    @staticmethod
    def forward(ctx, x, packed, out, bias, state):
        ctx.A, ctx.state, ctx.dtype_A = x, state, x.dtype
        return nn.functional.linear(x, state.CB.to(x.dtype) * (state.SCB[:, None] / 127), bias)

    @staticmethod
    def backward(ctx, g):
        weight = ctx.state.CB.to(g.dtype) * (ctx.state.SCB[:, None] / 127)
        return g @ weight, None, None, g.flatten(0, -2).sum(0) if ctx.needs_input_grad[3] else None, None


class MatMul8bitLt(torch.autograd.Function):
    """What bitsandbytes runs for 8 bit on a GPU, but for the rounding of its input."""

    @staticmethod
    def forward(ctx, x, packed, out, bias, state):
        ctx.grad_shape, ctx.state, ctx.dtype_A = x.shape, state, x.dtype
        flat = x.reshape(-1, x.shape[-1]) if x.ndim == 3 else x
        ctx.tensors = (None, None, flat)
        output = nn.functional.linear(flat, state.CB.to(x.dtype) * (state.SCB[:, None] / 127), bias)
        return output.reshape(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx, g):
        return MatMul8bitFp.backward(ctx, g)


class MatMul4Bit(torch.autograd.Function):
    """What bitsandbytes runs for 4 bit, under its name."""

    @staticmethod
    def forward(ctx, x, packed, out, bias, state):
        ctx.state, ctx.dtype_A, ctx.tensors = state, x.dtype, (None, packed.view(-1, 1))
        return nn.functional.linear(x, dequantize_4bit(packed, state), bias)

    @staticmethod
    def backward(ctx, g):
        weight = dequantize_4bit(ctx.tensors[1], ctx.state)
        return g @ weight, None, None, g.flatten(0, -2).sum(0) if ctx.needs_input_grad[3] else None, None


def dequantize_4bit(packed, state):
    """Unpack two codes per byte; the module `bitsandbytes.functional` has a function of this name."""
    codes = torch.stack([packed.ravel() >> 4, packed.ravel() & 15], 1).reshape(state.shape)
    return (codes.float() - 8) / 8 * state.absmax[:, None]


class QuantizedLinearFunction(torch.autograd.Function):
    """What quanto runs, under its name; the packed weights unpack themselves."""

    @staticmethod
    def forward(ctx, x, packed, bias=None):
        ctx.save_for_backward(x, packed)
        return nn.functional.linear(x, packed.dequantize(), bias)

    @staticmethod
    def backward(ctx, g):
        weight = ctx.saved_tensors[1].dequantize()
        return g @ weight, None, g.flatten(0, -2).sum(0) if ctx.needs_input_grad[2] else None


class WeightQBytesLinearFunction(QuantizedLinearFunction):
    """What quanto runs for weights of 8 bit."""


class StandIn4Bit(nn.Module):
    def __init__(self, dense):
        super().__init__()
        self.shape, self.absmax, self.bias = dense.weight.shape, dense.weight.data.abs().amax(1), dense.bias
        codes = (dense.weight.data / self.absmax[:, None] * 8 + 8).round().clamp(0, 15).to(torch.uint8)
        self.plain = (codes.float() - 8) / 8 * self.absmax[:, None]
        self.weight = nn.Parameter((codes.ravel()[::2] << 4 | codes.ravel()[1::2])[:, None], requires_grad=False)

    def forward(self, x):
        return MatMul4Bit.apply(x, self.weight.t(), None, self.bias, self)


class Packed(torch.Tensor):
    """Codes that unpack themselves, as quanto's tensors do."""

    def dequantize(self):
        return self.as_subclass(torch.Tensor).float() * self.scales[:, None]


class StandInOfQuanto(nn.Module):
    def __init__(self, dense, function):
        super().__init__()
        scales = dense.weight.data.abs().amax(1) / 127
        self.plain = (dense.weight.data / scales[:, None]).round() * scales[:, None]
        codes = (dense.weight.data / scales[:, None]).round().to(torch.int8)
        self.weight, self.bias = nn.Parameter(codes.as_subclass(Packed), requires_grad=False), dense.bias
        self.weight.scales = scales
        self.function = function

    def forward(self, x):
        return self.function.apply(x, self.weight, self.bias)


class StandIn8Bit(nn.Module):
    def __init__(self, dense, function):
        super().__init__()
        self.function = function
        self.SCB = dense.weight.data.abs().amax(1)
        self.CB = (dense.weight.data / self.SCB[:, None] * 127).round().to(torch.int8)
        self.weight, self.bias = nn.Parameter(self.CB, requires_grad=False), dense.bias
        self.dense = [dense]

    def forward(self, x):
        self.CB = self.weight.data
        return self.function.apply(x, self.weight, None, self.bias, self)


@pytest.fixture(autouse=True)
def unpacking(request, monkeypatch):
    """Let the stand-in for 4 bit be unpacked, as if bitsandbytes was loaded."""
    if getattr(request.node, "callspec", None) and request.node.callspec.params.get("kind") == "MatMul4Bit":
        monkeypatch.setitem(sys.modules, "bitsandbytes.functional", SimpleNamespace(dequantize_4bit=dequantize_4bit))


def _of_bitsandbytes(kind, dense):
    bnb = pytest.importorskip("bitsandbytes")
    sizes = dense.in_features, dense.out_features, dense.bias is not None
    if kind == "bitsandbytes 4 bit":
        layer = bnb.nn.Linear4bit(*sizes, compute_dtype=torch.float32)
        layer.weight = bnb.nn.Params4bit(dense.weight.data.clone(), requires_grad=False)
    else:
        layer = bnb.nn.Linear8bitLt(*sizes, has_fp16_weights=False)
        layer.weight = bnb.nn.Int8Params(dense.weight.data.clone(), requires_grad=False, has_fp16_weights=False)
    layer.bias = dense.bias
    return layer.to("cpu").eval()


def _of_quanto(kind, dense):
    quanto = pytest.importorskip("optimum.quanto")
    model = nn.Sequential(dense)
    quanto.quantize(model, weights=quanto.qint8 if kind == "quanto int8" else quanto.qint4)
    quanto.freeze(model)
    model[0].weight.requires_grad_(False)
    return model[0]


def quantised(kind, dense):
    """Return a quantised layer, and the dense layer that it stands for."""
    if kind in ("MatMul8bitFp", "MatMul8bitLt"):
        layer = StandIn8Bit(dense, {"MatMul8bitFp": MatMul8bitFp, "MatMul8bitLt": MatMul8bitLt}[kind])
        weight = layer.CB.float() * layer.SCB[:, None] / 127
    elif kind == "MatMul4Bit":
        layer = StandIn4Bit(dense)
        weight = layer.plain
    elif kind in STAND_INS:
        functions = (QuantizedLinearFunction, WeightQBytesLinearFunction)
        layer = StandInOfQuanto(dense, next(function for function in functions if function.__name__ == kind))
        weight = layer.plain
    elif kind == "bitsandbytes 4 bit":
        layer = _of_bitsandbytes(kind, dense)
        from bitsandbytes.functional import dequantize_4bit

        weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state).reshape(dense.weight.shape)
    elif kind == "bitsandbytes 8 bit":
        layer = _of_bitsandbytes(kind, dense)
        weight = layer.weight.CB.float() * layer.weight.SCB[:, None] / 127
    else:
        layer = _of_quanto(kind, copy.deepcopy(dense))
        weight = layer.weight.dequantize()
    plain = copy.deepcopy(dense)
    plain.weight.data = weight.detach().float()
    return layer, plain


class Gated(nn.Module):
    """Attention over the rows and a gated unit, each with a quantised or a plain layer in every place."""

    def __init__(self, dense):
        super().__init__()
        self.query, self.key, self.value, self.gate, self.up, self.down = dense
        self.norm = nn.LayerNorm(32)

    def forward(self, x):
        weights = (self.query(x) @ self.key(x).mT / 32**0.5).softmax(-1)
        x = self.norm(x + weights @ self.value(x))
        return x + self.down(nn.functional.silu(self.gate(x)) * self.up(x))


def both(kind, bias=True):
    torch.manual_seed(0)
    layers = [nn.Linear(64 if number == 5 else 32, 64 if number in (3, 4) else 32, bias=bias) for number in range(6)]
    if not bias:
        layers[0] = nn.Linear(32, 32)
    pairs = [quantised(kind, layer) for layer in layers]
    norm = nn.LayerNorm(32)
    models = [Gated([pair[side] for pair in pairs]).eval() for side in (0, 1)]
    for model in models:
        model.norm = norm
    return models


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rules", SETS, ids=lambda rules: rules.name)
def test_a_quantised_layer_is_the_layer_that_it_stands_for(kind, rules, bias):
    accounts = []
    for model in both(kind, bias):
        x = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(1), requires_grad=True)
        accounts.append(ledger(model(x)[:, -1, :4].sum(1), x, rules=rules, model=model))
    # An 8 bit kernel also rounds its input, which the derivative doesn't see.
    close = {"rel": 0.05, "abs": 0.02} if kind == "bitsandbytes 8 bit" else {"rel": 1e-4, "abs": 1e-5}
    packed, plain = accounts
    assert packed.relevance[0].flatten().tolist() == pytest.approx(plain.relevance[0].flatten().tolist(), **close)
    assert packed.leaves.keys() == {name for name in plain.leaves if not name.endswith("weight") or "norm" in name}
    for name, amount in packed.leaves.items():
        assert amount == pytest.approx(plain.leaves[name], **close)
    assert (packed.leaves.get("value.bias", 0) != 0) == bias
    if rules is lrp_domains.CP_LRP and kind != "bitsandbytes 8 bit":
        assert packed.balanced(1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_differences_from_a_reference_are_complete(kind):
    accounts = []
    for model in both(kind):
        draw = torch.Generator().manual_seed(1)
        x, x0 = (torch.randn(2, 5, 32, generator=draw) for _ in range(2))
        score = lambda x, model=model: model(x)[:, -1, :4].sum(1)  # noqa: E731
        accounts.append(ledger_against(score, x, x0, model=model))
    packed, plain = accounts
    close = {"rel": 0.1, "abs": 0.05} if kind == "bitsandbytes 8 bit" else {"rel": 1e-4, "abs": 1e-4}
    assert packed.relevance[0].flatten().tolist() == pytest.approx(plain.relevance[0].flatten().tolist(), **close)
    if kind != "bitsandbytes 8 bit":
        assert packed.balanced(1e-4)


@pytest.mark.parametrize("rules", [lrp_domains.EPSILON, lrp_domains.GAMMA], ids=lambda rules: rules.name)
@pytest.mark.parametrize("kind", KINDS)
def test_layer_rules_unpack_the_weights(kind, rules):
    torch.manual_seed(0)
    pairs = [quantised(kind, nn.Linear(32, 32)), quantised(kind, nn.Linear(32, 8))]
    results = []
    for side in (0, 1):
        model = nn.Sequential(pairs[0][side], nn.ReLU(), pairs[1][side]).eval()
        x = torch.randn(3, 32, generator=torch.Generator().manual_seed(1), requires_grad=True)
        results.append(ledger(model(x)[:, 2], x, rules=rules, model=model))
    close = {"rel": 0.1, "abs": 0.05} if kind == "bitsandbytes 8 bit" else {"rel": 1e-4, "abs": 1e-5}
    packed, plain = results
    assert packed.relevance[0].flatten().tolist() == pytest.approx(plain.relevance[0].flatten().tolist(), **close)
    assert packed.leaves == pytest.approx(plain.leaves, **close)


@pytest.mark.parametrize("kind", ["MatMul4Bit", "bitsandbytes 4 bit"])
def test_an_input_that_is_not_kept_is_reported_with_a_remedy(kind):
    layer, _ = quantised(kind, nn.Linear(32, 8))
    model = nn.Sequential(nn.LayerNorm(32), layer)
    x = torch.randn(3, 32, requires_grad=True)
    with pytest.raises(lrp_domains.RelevanceError, match=r"the weight is quantised; dequantise the model"):
        ledger(model(x)[:, 2], x, rules=lrp_domains.EPSILON, model=model)


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_of_a_quantised_layer_are_named(kind):
    model = nn.Sequential(quantised(kind, nn.Linear(32, 8))[0])
    x = torch.randn(3, 32, requires_grad=True)
    rules = lrp_domains.ATTN_LRP.where({"0.weight": lrp_domains.constant})
    with pytest.raises(lrp_domains.RelevanceError, match="no relevance flows"):
        ledger(model(x)[:, 2], x, rules=rules, model=model)
