"""Objects of sentence-transformers: layers, pooling, prompts, length and case, by stand-ins of the package."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from lrp_domains import CP_LRP
from lrp_domains.text import TextError, TextExplainer

from .sentence_stand_ins import dense, of_package, sentence_transformer, vector
from .small_tokenizers import tokenizer_of

PAIR = ("not a good film", "I loved every minute of it, and so did the children!")

norm, projection = nn.LayerNorm(16), nn.Linear(16, 5, bias=False)
nn.init.normal_(norm.weight, generator=torch.Generator().manual_seed(0))
nn.init.normal_(norm.bias, generator=torch.Generator().manual_seed(1))
LAYERS = {
    "none": ([], lambda x: x),
    "dense": ([dense()], lambda x: dense().linear(x).tanh()),
    "another activation": (
        [dense(16, activation_function=nn.SiLU())],
        lambda x: nn.functional.silu(dense(16).linear(x)),
    ),
    "residual": ([dense(16, use_residual=True)], lambda x: x + dense(16).linear(x).tanh()),
    "projected": (
        [dense(use_residual=True, residual=projection)],
        lambda x: projection(x) + dense().linear(x).tanh(),
    ),
    "norm": ([of_package("LayerNorm", "sentence_transformers", norm=norm)], norm),
    "all": (
        [
            of_package("Dropout", "sentence_transformers"),
            of_package("LayerNorm", "sentence_transformers", norm=norm),
            dense(),
            of_package("Normalize", "sentence_transformers"),
        ],
        lambda x: dense().linear(norm(x)).tanh(),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_layers_of_a_sentence_transformer_are_kept(name):
    layers, expected = LAYERS[name]
    model, transformer = sentence_transformer(*layers)
    result = TextExplainer(model, rules=CP_LRP)(PAIR)
    cosine = torch.cosine_similarity(*(expected(vector(transformer, text)) for text in PAIR), dim=0).item()
    assert result.score == pytest.approx(cosine, abs=1e-6)
    if name == "all":
        assert {"layers.0.bias", "layers.1.0.bias"} <= set(result.ledger.leaves)


def test_the_pooling_of_a_sentence_transformer_is_kept():
    model, transformer = sentence_transformer(pooling="cls")
    with torch.no_grad():
        states = [
            transformer(**tokenizer_of("wordpiece")(text, return_tensors="pt")).last_hidden_state[0, 0] for text in PAIR
        ]
    expected = torch.cosine_similarity(*states, dim=0).item()
    assert TextExplainer(model)(PAIR).score == pytest.approx(expected, abs=1e-6)


def test_a_prompt_of_a_sentence_transformer_is_reported_and_other_layers_are_refused():
    with pytest.warns(UserWarning, match="was trained with the prompt 'query: '"):
        TextExplainer(sentence_transformer(prompt="query")[0])
    with pytest.raises(TextError, match="the layer WeightedLayerPooling of the SentenceTransformer can't be explained"):
        TextExplainer(sentence_transformer(of_package("WeightedLayerPooling", "sentence_transformers"))[0])
    other = dense()
    other.module_input_name = "token_embeddings"
    with pytest.raises(TextError, match="the layer Dense of the SentenceTransformer can't be explained"):
        TextExplainer(sentence_transformer(other)[0])
    reversed_order = of_package("SentenceTransformer", "sentence_transformers", nn.Sequential)
    for module in reversed(sentence_transformer()[0]):
        reversed_order.append(module)
    with pytest.raises(TextError, match=r"the SentenceTransformer consists of .*Pooling.*, but only a Transformer"):
        TextExplainer(reversed_order)


def test_the_length_and_case_beside_the_tokenizer_are_read():
    tokenizer = deepcopy(tokenizer_of("wordpiece"))
    tokenizer.backend_tokenizer.normalizer = None
    body, _ = sentence_transformer(tokenizer=tokenizer, max_seq_length=8, do_lower_case=True)
    before = tokenizer.model_max_length
    for pooling in (None, "first"):
        explainer = TextExplainer(body, pooling=pooling)
        result = explainer(("A GOOD Film", "a fiLM"))
        assert [token.piece for token in result.tokens] == "[CLS] a good film [SEP] [CLS] a film [SEP]".split()
        with pytest.raises(TextError, match="the model reads 8 at once"):
            explainer(("a good film", "I loved every minute of it, and so did the children!"))
    assert tokenizer.model_max_length == before  # the object is left alone
    assert tokenizer.tokenize("GOOD") != ["good"]
