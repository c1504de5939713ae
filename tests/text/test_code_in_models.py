"""Code that comes with a model is not run, and nobody is asked to run it, unless it is allowed."""

import builtins
import json
import os
import pickle

import pytest
import torch

from lrp_domains.text import TextError, TextExplainer

from .commands import explain, plain
from .small_models import bert
from .small_tokenizers import tokenizer_of

CODE = """
open({mark!r}, "w").close()
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast
class Config(BertConfig):
    model_type = "other"
class Model(BertForSequenceClassification):
    config_class = Config
class Tokenizer(PreTrainedTokenizerFast):
    pass
"""
MODEL = {"AutoConfig": "code.Config", "AutoModelForSequenceClassification": "code.Model"}
TOKENIZER = {"AutoTokenizer": [None, "code.Tokenizer"]}


@pytest.fixture
def mark(tmp_path, monkeypatch):
    """Return the path of a file that the code of models makes, and fail where somebody is asked."""

    asked = []
    monkeypatch.setattr(builtins, "input", lambda question="": asked.append(question) or "n")
    yield tmp_path / "was_run"
    assert not asked


class Pickled:
    """An object that makes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def edit(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def new_folder(path, mark):
    tokenizer = tokenizer_of("wordpiece")
    bert(tokenizer).float().save_pretrained(path)
    tokenizer.save_pretrained(path)
    (path / "code.py").write_text(CODE.format(mark=str(mark)))
    return path


def with_model_code(path, mark):
    edit(new_folder(path, mark) / "config.json", auto_map=MODEL, model_type="other")


def with_head_code(path, mark):
    edit(new_folder(path, mark) / "config.json", auto_map=MODEL, architectures=["Model"])


def with_tokenizer_code(path, mark):
    tokenizer = new_folder(path, mark) / "tokenizer_config.json"
    edit(tokenizer, auto_map=TOKENIZER, tokenizer_class="Unknown")
    (path / "config.json").unlink()  # a known kind of model has a known tokenizer


def with_pickled_weights(path, mark):
    (new_folder(path, mark) / "model.safetensors").unlink()
    torch.save({"x": Pickled(mark)}, path / "pytorch_model.bin")


def with_old_pickle(path, mark):
    (new_folder(path, mark) / "model.safetensors").unlink()
    (path / "pytorch_model.bin").write_bytes(pickle.dumps(Pickled(mark)))


def with_modules(path, mark, *kinds):
    new_folder(path, mark)
    kinds = ("sentence_transformers.models.Transformer", "sentence_transformers.models.Pooling", *kinds)
    modules = [{"idx": n, "path": f"{n}" if n else "", "type": kind} for n, kind in enumerate(kinds)]
    (path / "modules.json").write_text(json.dumps(modules))
    for number in range(1, len(kinds)):
        (path / str(number)).mkdir()
        (path / str(number) / "config.json").write_text('{"in_features": 16, "out_features": 4}')


def with_module_code(path, mark):
    with_modules(path, mark, "code.Model")


def with_pickled_layer(path, mark):
    with_modules(path, mark, "sentence_transformers.models.Dense")
    torch.save({"linear.weight": Pickled(mark)}, path / "2" / "pytorch_model.bin")


def with_setfit_head(path, mark):
    with_modules(path, mark)
    (path / "config_setfit.json").write_text("{}")
    (path / "model_head.pkl").write_bytes(pickle.dumps(Pickled(mark)))


def adapter_of(path, base):
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(bert(tokenizer_of("wordpiece")), peft.LoraConfig("SEQ_CLS", target_modules=["query"]))
    model.save_pretrained(path)
    edit(path / "adapter_config.json", base_model_name_or_path=str(base))


def with_code_of_base(path, mark):
    with_model_code(path / "base", mark)
    adapter_of(path, path / "base")


def with_pickled_adapter(path, mark):
    adapter_of(path, new_folder(path / "base", mark))
    (path / "adapter_model.safetensors").unlink()
    torch.save({"x.y": Pickled(mark)}, path / "adapter_model.bin")


def with_tokenizer_code_of_adapter(path, mark):
    with_tokenizer_code(path, mark)
    adapter_of(path, new_folder(path / "base", mark))


COMES_WITH_CODE = "comes with code, which is run only with trust_remote_code=True"
MORE_THAN_TENSORS = "holds more than tensors.*save the weights as .safetensors"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (with_model_code, COMES_WITH_CODE),
        (with_tokenizer_code_of_adapter, COMES_WITH_CODE),
        (with_code_of_base, COMES_WITH_CODE),
        (with_pickled_weights, MORE_THAN_TENSORS),
        (with_old_pickle, MORE_THAN_TENSORS),
        (with_pickled_layer, MORE_THAN_TENSORS),
        (with_pickled_adapter, MORE_THAN_TENSORS),
        (with_module_code, "lists the layer Model in '2', which can't be read"),
        (with_setfit_head, "is a SetFit model, whose head is a pickle"),
    ],
)
def test_code_in_a_folder_is_refused_in_one_line(tmp_path, mark, make, message):
    make(tmp_path / "model", mark)
    with pytest.raises(TextError, match=message) as caught:
        TextExplainer.from_pretrained(tmp_path / "model", device="cpu")
    assert "\n" not in str(caught.value)
    assert not mark.exists()


def test_known_classes_are_used_where_a_folder_has_others(tmp_path, mark):
    with_head_code(tmp_path / "model", mark)
    edit(tmp_path / "model" / "tokenizer_config.json", auto_map=TOKENIZER)
    explainer = TextExplainer.from_pretrained(tmp_path / "model", task="text-classification")
    assert type(explainer.model).__module__.startswith("transformers.")
    assert not mark.exists()


@pytest.mark.parametrize("make", [with_model_code, with_head_code])
def test_code_runs_where_it_is_allowed(tmp_path, mark, make, monkeypatch):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    make(tmp_path / "model", mark)
    explainer = TextExplainer.from_pretrained(tmp_path / "model", task="text-classification", trust_remote_code=True)
    assert type(explainer.model).__name__ == "Model"
    assert mark.exists()


def test_code_of_a_tokenizer_that_is_named_is_refused(tmp_path, mark):
    with_tokenizer_code(tmp_path / "model", mark)
    with pytest.raises(TextError, match=f"{COMES_WITH_CODE}.*or pass the tokenizer itself"):
        TextExplainer(bert(tokenizer_of("wordpiece")), str(tmp_path / "model"))
    assert not mark.exists()


def test_the_command_runs_code_only_with_allow_code(tmp_path, mark, monkeypatch):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    with_model_code(tmp_path / "model", mark)
    arguments = ("a good film", "--model", tmp_path / "model", "--task", "text-classification", "--device", "cpu")
    result = explain(*arguments)
    assert result.exit_code == 1
    assert "--allow-code" in plain(result)
    assert not mark.exists()
    assert explain(*arguments, "--allow-code").exit_code == 0
    assert mark.exists()


@pytest.mark.parametrize("kept", [0.5, 0])
def test_damaged_weights_are_one_line(tmp_path, mark, kept):
    weights = new_folder(tmp_path / "model", mark) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: int(kept * weights.stat().st_size)])
    with pytest.raises(TextError, match="could not be loaded for text-classification"):
        TextExplainer.from_pretrained(tmp_path / "model", device="cpu")
