"""Options of from_pretrained, and adapters of PEFT."""

import json

import pytest
import torch
import transformers
from safetensors.torch import load_file

from lrp_domains.text import TextError, TextExplainer

from .small_models import bert, gpt2, with_random_weights
from .small_tokenizers import tokenizer_of

TEXT = "not a good film"


def relevances(explainer):
    return [word.relevance for word in explainer(TEXT).words]


@pytest.fixture
def folder(tmp_path):
    tokenizer = tokenizer_of("wordpiece")
    bert(tokenizer).float().save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_options_of_transformers_are_passed_on(folder, monkeypatch):
    calls = {}
    for name in ("AutoConfig", "AutoTokenizer", "AutoModelForSequenceClassification"):
        auto = getattr(transformers, name)

        def spy(path, *arguments, _name=name, _real=auto.from_pretrained, **options):
            calls.setdefault(_name, options)  # a class calls others, too
            kept = {key: value for key, value in options.items() if key not in ("revision", "token")}
            return _real(path, *arguments, **kept)

        monkeypatch.setattr(auto, "from_pretrained", spy)
    options = {"revision": "v2", "token": "secret", "local_files_only": True, "attn_implementation": "eager"}
    explainer = TextExplainer.from_pretrained(folder, torch_dtype=torch.float64, **options)
    assert explainer.model.dtype == torch.float64
    assert explainer.model.config._attn_implementation == "eager"
    for name in ("AutoConfig", "AutoTokenizer", "AutoModelForSequenceClassification"):
        assert calls[name]["revision"] == "v2"
        assert calls[name]["token"] == "secret"
        assert calls[name]["local_files_only"] is True
        assert calls[name]["trust_remote_code"] is False
    calls.clear()
    TextExplainer.from_pretrained(folder, trust_remote_code=True)
    assert calls["AutoConfig"]["trust_remote_code"] is True


def test_options_that_exclude_each_other_are_refused(folder):
    with pytest.raises(TextError, match="dtype= and torch_dtype= are the same option"):
        TextExplainer.from_pretrained(folder, dtype="float32", torch_dtype="float32")
    with pytest.raises(TextError, match="device= and device_map= both say where"):
        TextExplainer.from_pretrained(folder, device="cpu", device_map="auto")


def test_a_subfolder_is_read(folder):
    expected = relevances(TextExplainer.from_pretrained(folder))
    assert relevances(TextExplainer.from_pretrained(folder.parent, subfolder="model")) == expected


def test_an_adapter_without_peft_names_the_package(folder, monkeypatch):
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "x", "task_type": "SEQ_CLS"}))
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(TextError, match="is an adapter of PEFT, which is missing: pip install peft"):
        TextExplainer.from_pretrained(folder)


def adapter(model, folder, task_type, base, **options):
    peft = pytest.importorskip("peft")
    model.name_or_path = model.config._name_or_path = base
    torch.manual_seed(0)
    adapted = peft.get_peft_model(model, peft.LoraConfig(task_type=task_type, r=4, **options)).eval()
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, 0, 0.2)
    adapted.save_pretrained(folder)
    return adapted


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("base", ["absolute", "relative"])
def test_an_adapter_is_loaded_with_its_base_model(folder, base):
    tokenizer, target = tokenizer_of("wordpiece"), folder.parent / "adapter"
    # The base has no classifier of three labels: the adapter saved it.
    bert(tokenizer, "Model").float().save_pretrained(folder)
    name = str(folder) if base == "absolute" else "../model"
    model = bert(tokenizer, num_labels=3).float()
    adapted = adapter(model, target, "SEQ_CLS", name, target_modules=["query"])
    transformers.AutoModel.from_pretrained(folder)
    model.load_state_dict(transformers.AutoModel.from_pretrained(folder).state_dict(), strict=False)
    explainer = TextExplainer.from_pretrained(target)
    assert explainer.task == "text-classification"
    assert relevances(explainer) == pytest.approx(relevances(TextExplainer(adapted, tokenizer)), rel=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_the_labels_of_an_adapter_are_counted_at_its_last_layer(tmp_path):
    tokenizer, base = tokenizer_of("wordpiece"), tmp_path / "base"
    sizes = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 24, "vocab_size": len(tokenizer)}
    config = transformers.DistilBertConfig(**sizes, num_labels=3)
    model = with_random_weights(transformers.DistilBertForSequenceClassification(config)).float()
    model.save_pretrained(base)
    tokenizer.save_pretrained(base)
    options = {"target_modules": ["q_lin"], "modules_to_save": ["pre_classifier", "classifier"]}
    adapted = adapter(model, tmp_path / "adapter", "SEQ_CLS", str(base), **options)
    explainer = TextExplainer.from_pretrained(tmp_path / "adapter")
    assert len(explainer.labels.names) == 3
    assert relevances(explainer) == pytest.approx(relevances(TextExplainer(adapted, tokenizer)), rel=1e-4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("stored", ["safetensors", "bin"])
def test_an_adapter_replaces_a_head_of_another_number_of_labels(folder, stored):
    tokenizer, target = tokenizer_of("wordpiece"), folder.parent / "adapter"
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=3, ignore_mismatched_sizes=True
    )
    adapted = adapter(model, target, "SEQ_CLS", str(folder), target_modules=["query"])
    if stored == "bin":
        torch.save(load_file(target / "adapter_model.safetensors"), target / "adapter_model.bin")
        (target / "adapter_model.safetensors").unlink()
    explainer = TextExplainer.from_pretrained(target)
    assert len(explainer.labels.names) == 3
    assert relevances(explainer) == pytest.approx(relevances(TextExplainer(adapted, tokenizer)), rel=1e-4)


def test_weights_of_another_size_than_the_configuration_says_are_named(folder):
    config = json.loads((folder / "config.json").read_text())
    for name in ("id2label", "label2id"):
        config.pop(name, None)
    names = {"id2label": {n: str(n) for n in range(4)}, "label2id": {str(n): n for n in range(4)}}
    (folder / "config.json").write_text(json.dumps(config | names))
    with pytest.raises(TextError, match=r"for 'classifier\.bias', 'classifier\.weight': .* is \(2,\), not \(4,\)"):
        TextExplainer.from_pretrained(folder)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("task_type", ["FEATURE_EXTRACTION", None])
def test_an_adapter_of_an_encoder_needs_no_pooler(folder, task_type):
    tokenizer, target = tokenizer_of("wordpiece"), folder.parent / "adapter"
    transformers.BertModel(bert(tokenizer).config, add_pooling_layer=False).save_pretrained(folder)
    model = transformers.BertModel.from_pretrained(folder, add_pooling_layer=False)
    adapted = adapter(model, target, task_type, str(folder), target_modules=["query"])
    texts = (TEXT, "a film")
    vectors = [adapted(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0) for text in texts]
    explainer = TextExplainer.from_pretrained(target)
    assert explainer(texts).score == pytest.approx(torch.cosine_similarity(*vectors, dim=0).item(), abs=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_the_task_of_an_adapter_is_that_of_its_configuration(tmp_path):
    tokenizer = tokenizer_of("byte-level")
    model = gpt2(tokenizer).float()
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    adapted = adapter(model, tmp_path / "adapter", "CAUSAL_LM", str(tmp_path / "base"), target_modules=["c_attn"])
    explainer = TextExplainer.from_pretrained(tmp_path / "adapter")
    assert explainer.task == "text-generation"
    assert relevances(explainer) == pytest.approx(relevances(TextExplainer(adapted, tokenizer)), rel=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_an_adapter_with_a_head_but_without_a_task_is_not_taken_for_an_encoder(tmp_path):
    tokenizer = tokenizer_of("wordpiece")
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    bert(tokenizer, "Model").float().save_pretrained(base)
    tokenizer.save_pretrained(base)
    (base / "modules.json").write_text("[]")
    peft = pytest.importorskip("peft")
    model = transformers.BertForSequenceClassification.from_pretrained(base)
    config = peft.LoraConfig(r=2, target_modules=["query"], modules_to_save=["classifier"])
    peft.get_peft_model(model, config).save_pretrained(adapter)
    tokenizer.save_pretrained(adapter)
    with pytest.raises(TextError, match="has a head, but doesn't name its task: pass task="):
        TextExplainer.from_pretrained(adapter)
    assert TextExplainer.from_pretrained(adapter, task="text-classification").task == "text-classification"


def test_a_missing_base_model_is_named(folder):
    tokenizer, target = tokenizer_of("wordpiece"), folder.parent / "adapter"
    adapter(bert(tokenizer).float(), target, "SEQ_CLS", str(folder), target_modules=["query"])
    settings = json.loads((target / "adapter_config.json").read_text())
    (target / "adapter_config.json").write_text(json.dumps(settings | {"base_model_name_or_path": "/no/such/base"}))
    with pytest.raises(TextError, match=r"the base model '/no/such/base' of the adapter"):
        TextExplainer.from_pretrained(target)
