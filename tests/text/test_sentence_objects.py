"""Objects of sentence-transformers and SetFit, by stand-ins with the names and attributes that are read of them."""

import pytest
import torch
from torch import nn

from lrp_domains import CP_LRP
from lrp_domains.text import TextError, TextExplainer

from .small_models import bert
from .small_tokenizers import tokenizer_of

PAIR = ("not a good film", "I loved every minute of it, and so did the children!")
TEXTS = ["a good film", "a bad film", "the plot was bad", "wonderful movie", "not a good film", "too loud"]


def of_package(name, package, base=nn.Module, **attributes):
    """Return an object of a class with a name, in a package."""
    item = type(name, (base,), {"__module__": f"{package}.models"})()
    for attribute, value in attributes.items():
        setattr(item, attribute, value)
    return item


def sentence_transformer(*layers, pooling="mean", prompt=None):
    """Return a stand-in of a SentenceTransformer, and its transformer."""
    tokenizer = tokenizer_of("wordpiece")
    transformer = bert(tokenizer, "Model").float()
    model = of_package("SentenceTransformer", "sentence_transformers", nn.Sequential)
    model.append(of_package("Transformer", "sentence_transformers", auto_model=transformer, tokenizer=tokenizer))
    model.append(of_package("Pooling", "sentence_transformers", get_config_dict=lambda: {"pooling_mode": pooling}))
    for layer in layers:
        model.append(layer)
    model.prompts, model.default_prompt_name = {"query": "query: "}, prompt
    return model.eval(), transformer


def dense(into=5, **attributes):
    torch.manual_seed(into)
    attributes = {"linear": nn.Linear(16, into), "activation_function": nn.Tanh(), "use_residual": False} | attributes
    return of_package("Dense", "sentence_transformers", module_input_name="sentence_embedding", **attributes)


def vector(transformer, text):
    """Return the mean of the states of a text."""
    with torch.no_grad():
        return transformer(**tokenizer_of("wordpiece")(text, return_tensors="pt")).last_hidden_state[0].mean(0)


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


def setfit(head, labels, **attributes):
    """Return a stand-in of a SetFitModel, and the transformer of its body."""
    body, transformer = sentence_transformer()
    settings = {"model_body": body, "model_head": head, "labels": labels} | attributes
    return of_package("SetFitModel", "setfit", object, **settings), transformer


def vectors(normalised=False):
    """Return the vectors of the texts, as the body computes them."""
    transformer = sentence_transformer()[1]
    result = torch.stack([vector(transformer, text) for text in TEXTS])
    return (result / result.norm(dim=1, keepdim=True) if normalised else result).double().numpy()


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_logistic_regression_has_its_probabilities(classes, normalised):
    linear_model = pytest.importorskip("sklearn.linear_model")
    numbers = [number % classes for number in range(len(TEXTS))]
    x = vectors(normalised)
    head = linear_model.LogisticRegression(C=1e4).fit(x, numbers)
    names = ["no", "yes", "perhaps"][:classes]
    model, _ = setfit(head, names, normalize_embeddings=normalised)
    explainer = TextExplainer(model, rules=CP_LRP)
    for result, probabilities in zip(explainer(TEXTS), head.predict_proba(x), strict=True):
        assert result.prediction == names[probabilities.argmax()]
        assert result.probability == pytest.approx(probabilities.max(), abs=1e-4)
    if classes == 2:
        scores = [result.score for result in explainer(TEXTS, target="yes")]
        assert scores == pytest.approx(head.decision_function(x).tolist(), rel=1e-3, abs=1e-3)
    # Without names of its own, the model has those of the head's classes.
    assert TextExplainer(setfit(head, None)[0]).labels.names == tuple(map(str, head.classes_))


def test_one_regression_per_label_has_their_probabilities():
    multiclass = pytest.importorskip("sklearn.multiclass")
    from sklearn.linear_model import LogisticRegression

    labels = [[1, 0, 1], [0, 1, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 1, 0]]
    x = vectors()
    head = multiclass.OneVsRestClassifier(LogisticRegression(C=1e4)).fit(x, labels)
    model, _ = setfit(head, ["a", "b", "c"], multi_target_strategy="one-vs-rest")
    for number, name in enumerate("abc"):
        results = TextExplainer(model)(TEXTS, target=name)
        odds = head.estimators_[number].decision_function(x)
        assert [result.score for result in results] == pytest.approx(odds.tolist(), rel=1e-3, abs=1e-3)
    assert TextExplainer(model).labels.kind == "several"


def test_a_head_of_torch_has_its_logits():
    torch.manual_seed(0)
    head = of_package("SetFitHead", "setfit", linear=nn.Linear(16, 3), multitarget=False)
    model, transformer = setfit(head, ["a", "b", "c"])
    result = TextExplainer(model)(TEXTS[0], target="b", against="c")
    logits = head.linear(vector(transformer, TEXTS[0])).tolist()
    assert result.score == pytest.approx(logits[1] - logits[2], abs=1e-5)
    with pytest.raises(TextError, match="the head object of the SetFitModel is not linear"):
        TextExplainer(setfit(object(), ["a"])[0])
