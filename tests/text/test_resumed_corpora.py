"""Parts of an interrupted run are kept only for the same model, read in the same way."""

import json
import os

import pytest
import torch
from torch import nn

from lrp_domains import ATTN_LRP, Rule
from lrp_domains.commands.text.loading import key_of
from lrp_domains.text import TextExplainer
from lrp_domains.text.corpora import explain_corpus, on_disk, read_texts
from lrp_domains.text.corpora.corpus import Corpus
from lrp_domains.text.models.sentence_encoder import Normalised, SentenceEncoder

from .small_models import bert
from .small_tokenizers import tokenizer_of


@pytest.fixture
def resumed(tmp_path, monkeypatch):
    """Return a function that counts the texts of a run by one explainer that a run by another one keeps."""
    files = (tmp_path / "w.parquet", tmp_path / "t.parquet")

    def run(first, second, texts=("a good film", "the plot was bad")):
        with monkeypatch.context() as patch:
            patch.setattr(on_disk, "join", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                explain_corpus(first, Corpus(tuple(texts)), *files)
        kept = explain_corpus(second, Corpus(tuple(texts)), *files)
        expected = [result.score for result in second(list(texts))]
        assert read_texts(files[1])["score"].tolist() == pytest.approx(expected, abs=1e-5)
        return kept

    return run


def classifier(dtype=torch.float32, attention="sdpa", labels=("no", "yes"), **options):
    tokenizer = tokenizer_of("wordpiece")
    model = bert(tokenizer, num_labels=2).to(dtype)
    model.config.id2label = dict(enumerate(labels))
    model.set_attn_implementation(attention)
    return TextExplainer(model, tokenizer, **options)


@pytest.mark.parametrize("options", [{"batch_size": 1}, {"compile": True}], ids=str)
def test_a_run_that_computes_the_same_in_another_way_goes_on(resumed, options):
    assert resumed(classifier(), classifier(**options)) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"embedding": "sum"},
        {"embedding": "bert.embeddings"},
        {"dtype": torch.float64},
        {"attention": "eager"},
        {"labels": ("yes", "no")},
    ],
)
def test_a_model_read_in_another_way_starts_again(resumed, options):
    assert resumed(classifier(), classifier()) == 2
    assert resumed(classifier(), classifier(**options)) == 0


def test_rules_of_another_function_start_again(resumed):
    one, other = (
        ATTN_LRP.for_nodes({"softmax": Rule("own", backward=backward)})
        for backward in (lambda node, carries, gi, go: gi, lambda node, carries, gi, go: gi[:1])
    )
    assert one.table() == other.table()
    assert resumed(classifier(rules=one), classifier(rules=other)) == 0


def test_a_function_shown_by_its_address_is_the_same_in_every_process(resumed):
    def with_function(function):
        explainer = classifier()
        explainer.model.extra_repr = lambda: f"act={function}"
        return explainer

    def act(x):
        return x

    def other(x):
        return x

    assert repr(act) != repr(other)
    other.__qualname__ = act.__qualname__
    assert resumed(with_function(act), with_function(other)) == 2


def test_a_sentence_encoder_of_another_kind_starts_again(resumed):
    tokenizer, pairs = tokenizer_of("wordpiece"), [("a good film", "a bad film"), ("the plot was bad", "a cast")]
    model = bert(tokenizer, "Model").float()

    def encoder(*poolings, layers=()):
        return TextExplainer(SentenceEncoder(model, poolings, layers), tokenizer)

    def pooled(name):
        return TextExplainer(model, tokenizer, pooling=name)

    assert resumed(pooled("mean"), pooled("mean"), pairs) == 2
    assert resumed(pooled("mean"), pooled("first"), pairs) == 0
    assert resumed(encoder("mean"), encoder("mean"), pairs) == 2
    assert resumed(encoder("mean"), encoder("first"), pairs) == 0
    assert resumed(encoder("mean"), encoder("mean", layers=[Normalised()]), pairs) == 0
    torch.manual_seed(0)
    wide, narrow = (encoder("mean", layers=[nn.Linear(16, width)]) for width in (8, 4))
    assert resumed(wide, narrow, pairs) == 0


def changed(path):
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))


def test_the_key_of_a_folder_changes_with_its_subfolders_but_not_with_a_run_in_it(tmp_path):
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text("{}")
    (tmp_path / "config.json").write_text("{}")
    options = {"model": str(tmp_path)}
    keys = {key_of(options)}
    parts = tmp_path / ".w.parquet.parts"
    parts.mkdir()
    (parts / "x.texts.parquet").touch()
    (tmp_path / ".gitattributes").touch()
    assert key_of(options) in keys

    for path in (tmp_path / "1_Pooling" / "config.json", tmp_path / "config.json"):
        changed(path)
        keys.add(key_of(options))
    keys.add(key_of(options | {"revision": "v2"}))
    assert len(keys) == 4


@pytest.mark.parametrize("relative", [False, True])
def test_the_key_of_an_adapter_changes_with_its_base_model(tmp_path, relative):
    base, folder = tmp_path / "base_of_adapter", tmp_path / "adapter"
    base.mkdir()
    folder.mkdir()
    (base / "model.safetensors").touch()
    settings = {"base_model_name_or_path": "../base_of_adapter" if relative else str(base)}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    options = {"model": str(folder)}
    before = key_of(options)
    assert key_of(options) == before
    changed(base / "model.safetensors")
    assert key_of(options) != before


def test_the_key_of_a_model_on_the_hub_is_its_commit(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--me--adapter"
    (repository / "refs").mkdir(parents=True)
    for commit in ("a" * 40, "b" * 40):
        snapshot = repository / "snapshots" / commit
        snapshot.mkdir(parents=True)
        (repository / "refs" / "main").write_text(commit)
        (snapshot / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(tmp_path)}))
        assert commit in key_of({"model": "me/adapter"})
