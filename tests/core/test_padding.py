"""Padding: padded positions get exactly 0, and a text's relevance doesn't depend on its batch."""

import pytest
import torch

from lrp_domains import ATTN_LRP, CP_LRP, capture, relevance

MODELS = {
    "BertForSequenceClassification": ("BertConfig", "right"),
    "DistilBertForSequenceClassification": ("DistilBertConfig", "right"),
    "RobertaForSequenceClassification": ("RobertaConfig", "right"),
    "ModernBertForSequenceClassification": ("ModernBertConfig", "right"),
    "LlamaForCausalLM": ("LlamaConfig", "left"),
    "GPT2LMHeadModel": ("GPT2Config", "left"),
    "T5ForConditionalGeneration": ("T5Config", "right"),
}
SIZES = {
    "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
    "d_model": 16, "d_ff": 24, "d_kv": 8, "num_layers": 2, "num_heads": 2, "n_embd": 16, "n_layer": 2, "n_head": 2,
    "dim": 16, "hidden_dim": 24, "n_layers": 2, "n_heads": 2, "num_key_value_heads": 1, "pad_token_id": 1,
    "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3, "decoder_start_token_id": 0,
}  # fmt: skip


def build(name: str) -> torch.nn.Module:
    import transformers

    config_class = getattr(transformers, MODELS[name][0])
    options = set(config_class().to_dict()) | set(config_class.attribute_map)
    model = getattr(transformers, name)(config_class(**{k: v for k, v in SIZES.items() if k in options}))
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=0.2)
    return model.double().eval()


def explain(model, ids, mask, side, rules):
    """Return one relevance per position of the (encoder's) input; there is one score per row."""
    arguments = {"input_ids": ids, "attention_mask": mask}
    if model.config.is_encoder_decoder:
        arguments["decoder_input_ids"] = torch.zeros(len(ids), 1, dtype=torch.long)
    if side == "left":
        arguments["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
    table = model.get_input_embeddings().weight  # which one or two modules have
    names = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Embedding) and m.weight is table]
    with capture(model, *names) as kept:
        logits = model(**arguments).logits
    score = logits[:, -1, 7] if logits.ndim == 3 else logits[:, 1]
    embedded = next(tensor for tensor in kept.values() if tensor.shape[:2] == ids.shape)
    return relevance(score, embedded, rules=rules).sum(-1)


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("name", MODELS)
def test_padding_has_no_relevance_and_batches_do_not_matter(name, implementation, rules):
    model, side = build(name), MODELS[name][1]
    if implementation == "eager":
        if name == "LlamaForCausalLM":
            pytest.skip("its eager attention gives NaN for a padded position that sees nothing")
        model.set_attn_implementation("eager")

    texts = [torch.randint(4, 50, (length,)) for length in (7, 4, 5)]
    ids, mask = torch.ones(3, 7, dtype=torch.long), torch.zeros(3, 7, dtype=torch.long)
    columns = [slice(None, len(t)) if side == "right" else slice(7 - len(t), None) for t in texts]
    for i, (text, positions) in enumerate(zip(texts, columns, strict=True)):
        ids[i, positions], mask[i, positions] = text, 1

    batch = explain(model, ids, mask, side, rules)
    assert (batch[mask == 0] == 0).all()
    for i, (text, positions) in enumerate(zip(texts, columns, strict=True)):
        alone = explain(model, text[None], torch.ones(1, len(text), dtype=torch.long), side, rules)[0]
        assert alone.abs().max() > 0
        torch.testing.assert_close(batch[i, positions], alone, rtol=1e-10, atol=1e-12 * alone.abs().max().item())
