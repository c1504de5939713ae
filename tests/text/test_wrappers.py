"""What can be passed as a model: pipelines, wrappers and compiled models, or an error that names what to pass."""

import pytest
import torch
import transformers
from torch import nn

from lrp_domains.text import TextError, TextExplainer
from lrp_domains.text.models.sentence_encoder import SentenceEncoder

from .small_models import bert, with_random_weights
from .small_tokenizers import tokenizer_of

TEXT = "not a good film"


def relevances(explainer):
    return [word.relevance for word in explainer(TEXT).words]


@pytest.fixture(scope="module")
def pair():
    tokenizer = tokenizer_of("wordpiece")
    return bert(tokenizer).float(), tokenizer


def test_a_pipeline_has_its_model_tokenizer_and_task(pair):
    pipe = transformers.pipeline("sentiment-analysis", model=pair[0], tokenizer=pair[1])
    explainer = TextExplainer(pipe)
    assert explainer.task == "text-classification"
    assert relevances(explainer) == relevances(TextExplainer(*pair))
    assert explainer(TEXT).prediction == pipe(TEXT)[0]["label"]
    encoder = transformers.pipeline("feature-extraction", model=bert(pair[1], "Model"), tokenizer=pair[1])
    assert TextExplainer(encoder).task == "sentence-similarity"


def test_a_pipeline_has_the_options_of_its_head(pair):
    model = bert(pair[1], "ForTokenClassification")
    for name in ("simple", "first", "max", "average"):
        pipe = transformers.pipeline("ner", model=model, tokenizer=pair[1], aggregation_strategy=name)
        assert TextExplainer(pipe).settings.aggregation == name
        assert TextExplainer(pipe, aggregation="first").settings.aggregation == "first"
    pipe = transformers.pipeline("ner", model=model, tokenizer=pair[1], aggregation_strategy="none")
    assert TextExplainer(pipe).settings.aggregation is None

    classifier = transformers.pipeline("text-classification", pair[0], tokenizer=pair[1], function_to_apply="sigmoid")
    assert TextExplainer(classifier).labels.kind == "several"
    assert TextExplainer(classifier, problem_type="single_label_classification").labels.kind == "one"
    # An option of another task is not taken.
    names = {"candidates": ["a", "b"]}
    model = bert(pair[1], num_labels=2, id2label={0: "contradiction", 1: "entailment"})
    model.config.label2id = {"contradiction": 0, "entailment": 1}
    classifier = transformers.pipeline("text-classification", model, tokenizer=pair[1], function_to_apply="sigmoid")
    assert TextExplainer(classifier, task="zero-shot-classification", **names).settings.problem_type is None
    pipe = transformers.pipeline(
        "zero-shot-classification", model, tokenizer=pair[1], hypothesis_template="Is it {}?", multi_label=True
    )
    settings = TextExplainer(pipe, **names).settings
    assert (settings.template, settings.multi_label) == ("Is it {}?", True)


def test_wrappers_that_compute_the_same_are_left_out(pair):
    expected = relevances(TextExplainer(*pair))
    assert relevances(TextExplainer(nn.DataParallel(pair[0]), pair[1])) == expected
    assert relevances(TextExplainer(torch.compile(pair[0]), pair[1])) == expected


@pytest.mark.parametrize("wrap", ["peft", "compile", "parallel"])
def test_the_transformer_of_a_sentence_encoder_may_be_wrapped(pair, wrap):
    # A DistilBERT takes no token types, which the tokenizer returns.
    sizes = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 24, "vocab_size": len(pair[1])}
    model = with_random_weights(transformers.DistilBertModel(transformers.DistilBertConfig(**sizes))).float()
    texts = (TEXT, "the plot was bad")
    if wrap == "peft":
        peft = pytest.importorskip("peft")
        torch.manual_seed(0)
        wrapped = peft.get_peft_model(model, peft.LoraConfig(target_modules=["q_lin"], init_lora_weights=False)).eval()
    else:
        wrapped = torch.compile(model, backend="eager") if wrap == "compile" else nn.DataParallel(model)
    encodings = [pair[1](text, return_tensors="pt", return_token_type_ids=False) for text in texts]
    vectors = [model(**encoding).last_hidden_state[0].mean(0) for encoding in encodings]

    result = TextExplainer(SentenceEncoder(wrapped, ["mean"]), pair[1])(texts)
    assert result.score == pytest.approx(torch.cosine_similarity(*vectors, dim=0).item(), abs=1e-5)
    assert any(word.relevance for word in result.words)


def test_compiled_parts_of_a_model_run_without_their_graph(pair):
    expected, inner = relevances(TextExplainer(*pair)), pair[0].bert.encoder
    pair[0].bert.encoder = torch.compile(inner, backend="eager")
    try:
        assert relevances(TextExplainer(*pair)) == expected
    finally:
        pair[0].bert.encoder = inner


def test_a_tokenizer_may_be_a_path_or_that_of_the_models_folder(pair, tmp_path):
    pair[1].save_pretrained(tmp_path)
    pair[0].save_pretrained(tmp_path)
    expected = relevances(TextExplainer(*pair))
    assert relevances(TextExplainer(pair[0], str(tmp_path))) == expected
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert relevances(TextExplainer(model.eval())) == pytest.approx(expected, rel=1e-4)


class Own(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body, self.out = body, nn.Linear(16, 3)

    def forward(self, input_ids, attention_mask):
        return self.out(self.body(input_ids, attention_mask=attention_mask)[1])


@pytest.mark.parametrize("options", [{}, {"task": "text-classification"}, {"embedding": "body.*"}])
def test_a_module_from_outside_transformers_is_pointed_to_its_parts(pair, options):
    with pytest.raises(TextError, match=r"Own is not a model of transformers: .*from_parts\("):
        TextExplainer(Own(bert(pair[1], "Model")).eval(), pair[1], **options)


@pytest.mark.parametrize(
    ("model", "tokenizer", "message"),
    [
        ("a-name", None, r"TextExplainer\.from_pretrained\('a-name'\)"),
        (object(), None, "object is not a model"),
        (None, "no such folder", "no tokenizer could be loaded from 'no such folder'"),
        (None, None, "has no tokenizer: pass it"),
        (None, 3, "int is not a tokenizer of transformers"),
        (None, "inner", r"Tokenizer is not a tokenizer of transformers.*tokenizer_object"),
    ],
)
def test_what_is_neither_a_model_nor_a_tokenizer_is_refused(pair, model, tokenizer, message):
    tokenizer = pair[1].backend_tokenizer if tokenizer == "inner" else tokenizer
    fresh = bert(pair[1]).float()
    with pytest.raises(TextError, match=message):
        TextExplainer(fresh if model is None else model, tokenizer)


def test_inputs_beside_the_text_are_for_models_given_as_parts(pair):
    with pytest.raises(TextError, match=r"extra= is for models from outside transformers"):
        TextExplainer(*pair)(TEXT, extra=[1.0])


def test_characters_of_canine_are_found_without_naming_the_module():
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    model = transformers.CanineForSequenceClassification(transformers.CanineConfig(**sizes)).eval()
    result = TextExplainer(model, transformers.CanineTokenizer())(TEXT)
    assert [word.text for word in result.words] == TEXT.split()
    assert any(word.relevance for word in result.words)
