"""Quantised models of texts have the relevance of the same models with unpacked weights."""

import copy

import pytest
import torch
from torch import nn

from lrp_domains import CP_LRP
from lrp_domains.text import TextError, TextExplainer

from .small_models import bert
from .small_tokenizers import tokenizer_of

TEXTS = ["not a good film", "I loved every minute of it, and so did the children!"]
SIZES = {"hidden_size": 64, "intermediate_size": 64}


def compared(model, plain, tokenizer, **options):
    for rules in (None, CP_LRP):
        packed, expected = (TextExplainer(m, tokenizer, rules=rules)(TEXTS) for m in (model, plain))
        for result, other in zip(packed, expected, strict=True):
            amounts = [token.relevance for token in other.tokens]
            assert [token.relevance for token in result.tokens] == pytest.approx(amounts, **options)
        if rules is CP_LRP:
            leaves = expected.ledger.leaves
            assert {name for name in leaves if name.endswith("query.bias")} == set()  # constant under CP-LRP
            biases = [name for name in leaves if name.endswith("dense.bias")]
            assert [packed.ledger.leaves[name] for name in biases] == pytest.approx(
                [leaves[n] for n in biases], **options
            )
            assert abs(packed.ledger.residue) < 1e-3


@pytest.mark.filterwarnings("ignore")
def test_a_model_of_bitsandbytes_is_explained_by_default():
    bnb = pytest.importorskip("bitsandbytes")
    tokenizer = tokenizer_of("wordpiece")
    model = bert(tokenizer, **SIZES).float()
    plain = copy.deepcopy(model)
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and "encoder" in name:
            layer = bnb.nn.Linear4bit(module.in_features, module.out_features, compute_dtype=torch.float32)
            layer.weight, layer.bias = bnb.nn.Params4bit(module.weight.data.clone(), requires_grad=False), module.bias
            model.set_submodule(name, layer.to("cpu"))
            weight = bnb.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
            plain.get_submodule(name).weight.data = weight.reshape(module.weight.shape).float()
    compared(model, plain, tokenizer, rel=1e-3, abs=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_weights_of_torchao_are_explained_and_rounded_inputs_are_refused():
    quantization = pytest.importorskip("torchao.quantization")
    tokenizer = tokenizer_of("wordpiece")
    model = bert(tokenizer, **SIZES).float()
    rounding = copy.deepcopy(model)
    quantization.quantize_(model, quantization.Int8WeightOnlyConfig())
    plain = bert(tokenizer, **SIZES).float()
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            plain.get_submodule(name).weight.data = module.weight.dequantize()
    compared(model, plain, tokenizer, rel=1e-3, abs=1e-5)
    quantization.quantize_(rounding, quantization.Int8DynamicActivationInt8WeightConfig())
    with pytest.raises(TextError, match="quantises its inputs too, which has no derivative"):
        TextExplainer(rounding, tokenizer)
