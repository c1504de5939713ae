"""Quantised models of texts have the relevance of the same models with unpacked weights."""

import pytest
import torch
from torch import nn

from lrp_domains import CP_LRP
from lrp_domains.text import TextError, TextExplainer

from .small_models import bert
from .small_tokenizers import tokenizer_of

WORDPIECE = tokenizer_of("wordpiece")
TEXTS = ["not a good film", "I loved every minute of it, and so did the children!"]


def wide_bert():
    """Return a BERT in float32, with linear layers that are wide enough to quantise."""
    return bert(WORDPIECE, hidden_size=64, intermediate_size=64).float()


def compared(model, plain, **options):
    for rules in (None, CP_LRP):
        packed, expected = (TextExplainer(m, WORDPIECE, rules=rules)(TEXTS) for m in (model, plain))
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
    model, plain = wide_bert(), wide_bert()
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and "encoder" in name:
            layer = bnb.nn.Linear4bit(module.in_features, module.out_features, compute_dtype=torch.float32)
            layer.weight, layer.bias = bnb.nn.Params4bit(module.weight.data.clone(), requires_grad=False), module.bias
            model.set_submodule(name, layer.to("cpu"))
            weight = bnb.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
            plain.get_submodule(name).weight.data = weight.reshape(module.weight.shape).float()
    compared(model, plain, rel=1e-3, abs=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_weights_of_torchao_are_explained_and_rounded_inputs_are_refused():
    quantization = pytest.importorskip("torchao.quantization")
    model, plain, rounding = (wide_bert() for _ in range(3))
    quantization.quantize_(model, quantization.Int8WeightOnlyConfig())
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            plain.get_submodule(name).weight.data = module.weight.dequantize()
    compared(model, plain, rel=1e-3, abs=1e-5)
    quantization.quantize_(rounding, quantization.Int8DynamicActivationInt8WeightConfig())
    with pytest.raises(TextError, match="quantises its inputs too, which has no derivative"):
        TextExplainer(rounding, WORDPIECE)
