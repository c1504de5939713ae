"""Mixtures of experts against a reference: its experts are those of the text."""

import pytest
import torch
import transformers

from lrp_domains.text import TextExplainer

from .small_models import BERT, with_random_weights
from .small_tokenizers import SENTENCES, tokenizer_of


@pytest.mark.parametrize("kind", ["ForSequenceClassification", "ForCausalLM"])
def test_words_sum_to_the_difference_and_experts_are_those_of_the_text(kind):
    tokenizer = tokenizer_of("wordpiece")
    sizes = {"num_local_experts": 4, "experts_implementation": "eager", "num_key_value_heads": 1}
    config = transformers.MixtralConfig(vocab_size=len(tokenizer), pad_token_id=0, num_labels=2, **BERT, **sizes)
    model = with_random_weights(getattr(transformers, f"Mixtral{kind}")(config)).double()

    chosen = []
    routers = [module for name, module in model.named_modules() if name.endswith("gate")]
    hooks = [
        router.register_forward_hook(lambda module, args, out: chosen.append(args[0].detach())) for router in routers
    ]
    result = TextExplainer(model, tokenizer)(SENTENCES[0], reference="mask")
    for hook in hooks:
        hook.remove()

    assert sum(token.relevance for token in result.tokens) == pytest.approx(result.score, abs=1e-5)
    assert result.score == pytest.approx(result.text_score - result.reference.score)
    # The text and its reference would have chosen other experts.
    first, last = chosen[0], chosen[len(routers)]
    with torch.no_grad():
        scores = [torch.nn.functional.linear(h.flatten(0, -2), routers[0].weight) for h in (first, last)]
    assert not torch.equal(*(s.topk(2).indices.sort().values for s in scores))
