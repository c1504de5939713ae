"""Folders of sentence-transformers are read as they are meant, with and without the package."""

import json
import shutil
import warnings

import pytest
import torch
import transformers
from safetensors.torch import save_file
from torch import nn

from lrp_domains import CP_LRP
from lrp_domains.text import TextError, TextExplainer

from .small_models import bert
from .small_tokenizers import tokenizer_of

PAIR = ("not a good film", "I loved every minute of it, and so did the children!")
MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
FLAGS = {"cls": "cls_token", "max": "max_tokens", "mean": "mean_tokens"}


def reference(states, mode):
    """Return the pooled vector of one text without padding, from its definition."""
    n = len(states)
    weights = torch.arange(1, n + 1.0)
    return {
        "cls": states[0],
        "max": states.max(0).values,
        "mean": states.mean(0),
        "mean_sqrt_len_tokens": states.sum(0) / n**0.5,
        "weightedmean": (states * weights[:, None]).sum(0) / weights.sum(),
        "lasttoken": states[-1],
    }[mode]


def write(folder, pooling, *, dense=False, lower=False, limit=None, legacy=False, cased=False):
    """Write a small folder; return the encoder and the dense layer."""
    tokenizer = tokenizer_of("wordpiece")
    model = bert(tokenizer, "Model").float()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if cased:  # the small tokenizer lower-cases by itself
        stored = json.loads((folder / "tokenizer.json").read_text())
        stored["normalizer"]["lowercase"] = False
        (folder / "tokenizer.json").write_text(json.dumps(stored))
    kinds = ["Transformer", "Pooling", *(["Dense"] if dense else []), "Normalize"]
    prefix = "sentence_transformers.models."
    paths = ["" if kind == "Transformer" else f"{number}_{kind}" for number, kind in enumerate(kinds)]
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": prefix + kind}
        for number, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    for path in paths[1:]:
        (folder / path).mkdir()
    modes = [pooling] if isinstance(pooling, str) else pooling
    config = {"word_embedding_dimension": 16, "pooling_mode": modes}
    if legacy:
        flags = {f"pooling_mode_{name}": mode in modes for mode, name in FLAGS.items()}
        config = {"word_embedding_dimension": 16} | flags
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": limit, "do_lower_case": lower}))
    torch.manual_seed(0)
    layer = nn.Linear(16 * len(modes), 5)
    if dense:
        save_file(
            {f"linear.{n}": value for n, value in layer.state_dict().items()}, folder / paths[2] / "model.safetensors"
        )
        settings = {"in_features": layer.in_features, "out_features": 5, "bias": True}
        settings["activation_function"] = "torch.nn.modules.activation.Tanh"
        (folder / paths[2] / "config.json").write_text(json.dumps(settings))
    return model, layer


def cosine(model, layer, modes, dense, pair=PAIR):
    tokenizer, vectors = tokenizer_of("wordpiece"), []
    for text in pair:
        states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        vector = torch.cat([reference(states, mode) for mode in modes])
        vectors.append(layer(vector).tanh() if dense else vector)
    return torch.cosine_similarity(*vectors, dim=0).item()


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("modes", [*((mode,) for mode in MODES), ("cls", "mean")])
def test_the_cosine_is_that_of_the_folder(tmp_path, modes, dense):
    model, layer = write(tmp_path, list(modes), dense=dense)
    explainer = TextExplainer.from_pretrained(tmp_path, rules=CP_LRP)
    assert explainer.task == "sentence-similarity"
    result = explainer(PAIR)
    assert result.score == pytest.approx(cosine(model, layer, modes, dense), abs=1e-5)
    assert result.prediction == result.score
    if dense:
        assert any(name.startswith("layers.0") for name in result.ledger.leaves)
    # A pair in a batch with others has the same relevance.
    other = ("a", "the plot was bad and the food was good")
    batch = explainer([other, PAIR])
    assert [t.relevance for t in batch[1].tokens] == pytest.approx([t.relevance for t in result.tokens], abs=1e-5)
    if dense and modes == ("cls", "mean"):
        assert abs(result.ledger.residue) < 1e-4


def test_an_older_folder_names_its_poolings_by_flags(tmp_path):
    model, layer = write(tmp_path, ["cls", "max"], legacy=True)
    expected = cosine(model, layer, ("cls", "max"), False)
    assert TextExplainer.from_pretrained(tmp_path)(PAIR).score == pytest.approx(expected, abs=1e-5)
    by_mean = cosine(model, layer, ("mean",), False)
    assert TextExplainer.from_pretrained(tmp_path, pooling="mean")(PAIR).score == pytest.approx(by_mean, abs=1e-5)


def test_the_folder_limits_the_length_and_lower_cases(tmp_path):
    write(tmp_path, "mean", limit=8, lower=True)
    path = tmp_path / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["normalizer"]["lowercase"] = False  # so that only the folder's setting lower-cases
    path.write_text(json.dumps(tokenizer))
    explainer = TextExplainer.from_pretrained(tmp_path)
    with pytest.raises(TextError, match="the model reads 8 at once"):
        explainer(PAIR)
    pair, shouted = ("a good film", "a film"), ("A GOOD Film", "a fiLM")
    assert explainer(shouted).score == explainer(pair).score
    assert [word.text for word in explainer(shouted).words] == ["A", "GOOD", "Film", "a", "fiLM"]


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
@pytest.mark.parametrize("pooling", [None, "first"])
def test_another_pooling_leaves_the_length_and_the_case(tmp_path, kind, pooling):
    model, _ = write(tmp_path, "cls", limit=8, lower=True, cased=True)
    (tmp_path / "sentence_bert_config.json").rename(tmp_path / f"sentence_{kind}_config.json")
    encoder = transformers.BertModel(model.config, add_pooling_layer=False)
    encoder.load_state_dict(model.state_dict(), strict=False)
    encoder.save_pretrained(tmp_path)  # without the pooler, which no pooling here uses
    explainer = TextExplainer.from_pretrained(tmp_path, pooling=pooling)
    with pytest.raises(TextError, match="the model reads 8 at once"):
        explainer(PAIR)
    result = explainer(("A GOOD Film", "a fiLM"))
    assert [token.piece for token in result.tokens] == "[CLS] a good film [SEP] [CLS] a film [SEP]".split()
    expected = cosine(model, None, ("cls",), False, pair=("a good film", "a film"))
    assert result.score == pytest.approx(expected, abs=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("with_modules", ["adapter", "base"])
def test_an_adapter_is_read_with_the_pooling_of_its_folder_or_base(tmp_path, with_modules):
    peft = pytest.importorskip("peft")
    folder, base = tmp_path / "adapter", tmp_path / "base"
    folder.mkdir()
    base.mkdir()
    if with_modules == "adapter":
        model, _ = write(folder, "cls")
        model.save_pretrained(base)
        tokenizer_of("wordpiece").save_pretrained(base)
        for name in ("config.json", "model.safetensors"):
            (folder / name).unlink()
    else:
        model, _ = write(base, "cls")
    adapted = transformers.AutoModel.from_pretrained(base)
    torch.manual_seed(0)
    adapted.add_adapter(peft.LoraConfig(r=4, target_modules=["query"], init_lora_weights=False))
    adapted.eval().save_pretrained(folder)

    by_first, by_mean = (cosine(adapted, None, (mode,), False) for mode in ("cls", "mean"))
    assert abs(by_first - by_mean) > 5e-5
    explainer = TextExplainer.from_pretrained(folder)
    assert explainer.task == "sentence-similarity"
    assert explainer(PAIR).score == pytest.approx(by_first, abs=1e-5)
    assert TextExplainer.from_pretrained(folder, pooling="mean")(PAIR).score == pytest.approx(by_mean, abs=1e-5)


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """Write an encoder to a cache of the hub, as AutoModel and AutoTokenizer leave it, and go offline."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    commit, repository = "a" * 40, tmp_path / "models--me--encoder"
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder", "cls", lower=True)
    for path in (tmp_path / "folder").iterdir():
        if path.name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
            shutil.copy(path, snapshot)
    return tmp_path


def test_an_unknown_pooling_is_reported(cached):
    options = {"cache_dir": str(cached), "local_files_only": True}
    with pytest.warns(UserWarning, match=r"the pooling of 'me/encoder' is unknown.*pass pooling="):
        TextExplainer.from_pretrained("me/encoder", **options)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TextExplainer.from_pretrained("me/encoder", pooling="first", **options)
        TextExplainer.from_pretrained(cached / "folder", pooling="first")
        # The hub has said that there is no such file.
        missing = cached / "models--me--encoder" / ".no_exist" / ("a" * 40)
        missing.mkdir(parents=True)
        (missing / "modules.json").touch()
        TextExplainer.from_pretrained("me/encoder", **options)


def test_an_unknown_length_and_case_are_reported(cached):
    snapshot = cached / "models--me--encoder" / "snapshots" / ("a" * 40)
    shutil.copy(cached / "folder" / "modules.json", snapshot)
    shutil.copytree(cached / "folder" / "1_Pooling", snapshot / "1_Pooling")
    options = {"cache_dir": str(cached), "local_files_only": True}
    with pytest.warns(UserWarning, match="the length and case of texts of 'me/encoder' are unknown"):
        explainer = TextExplainer.from_pretrained("me/encoder", **options)
    expected = TextExplainer.from_pretrained(cached / "folder")(PAIR).score
    assert explainer(PAIR).score == pytest.approx(expected, abs=1e-6)
    shutil.copy(cached / "folder" / "sentence_bert_config.json", snapshot)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TextExplainer.from_pretrained("me/encoder", **options)


def test_layers_that_cannot_be_read_are_refused(tmp_path):
    write(tmp_path, "mean")
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules[2]["type"] = "sentence_transformers.models.WeightedLayerPooling"
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(TextError, match=r"the layer WeightedLayerPooling in '2_Normalize'.*from_parts"):
        TextExplainer.from_pretrained(tmp_path)
    (tmp_path / "config_setfit.json").write_text("{}")
    with pytest.raises(TextError, match="is a SetFit model, whose head is a pickle"):
        TextExplainer.from_pretrained(tmp_path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", MODES)
def test_the_package_computes_the_same(tmp_path, mode):
    package = pytest.importorskip("sentence_transformers")
    write(tmp_path, mode, dense=True, lower=True, limit=32)
    model = package.SentenceTransformer(str(tmp_path), device="cpu")
    vectors = model.encode([text.upper() for text in PAIR], convert_to_tensor=True)
    expected = torch.cosine_similarity(*vectors, dim=0).item()
    shouted = tuple(text.upper() for text in PAIR)
    for explainer in (TextExplainer.from_pretrained(tmp_path), TextExplainer(model)):
        assert explainer(shouted).score == pytest.approx(expected, abs=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("classes", [2, 3])
def test_a_setfit_model_is_explained_with_its_head(tmp_path, classes):
    setfit = pytest.importorskip("setfit")
    package = pytest.importorskip("sentence_transformers")
    from sklearn.linear_model import LogisticRegression

    write(tmp_path, "mean")
    body = package.SentenceTransformer(str(tmp_path), device="cpu")
    texts = ["a good film", "a bad film", "the plot was bad", "wonderful movie", "not a good film", "too loud"]
    labels = [number % classes for number in range(6)]
    head = LogisticRegression(C=100).fit(body.encode(texts), labels)
    model = setfit.SetFitModel(model_body=body, model_head=head, labels=["no", "yes", "perhaps"][:classes])
    explainer = TextExplainer(model, rules=CP_LRP)
    for text, result in zip(texts, explainer(texts), strict=True):
        probabilities = model.predict_proba([text])[0]
        assert result.prediction == model.labels[int(probabilities.argmax())]
        assert result.probability == pytest.approx(float(probabilities.max()), abs=1e-5)
    assert abs(explainer(texts[0]).ledger.residue) < 1e-3
