"""Models of transformers of any kind, from folders: loaded whole, or refused in one line."""

import json
import pickle
import sys

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

from lrp_domains.domain import DomainError, in_precision, preprocessing, pretrained

VISION = "AutoModelForImageClassification"
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
CODE = """
open({mark!r}, "w").close()
from transformers import ViTConfig, ViTForImageClassification
class Config(ViTConfig):
    model_type = "other"
class Model(ViTForImageClassification):
    config_class = Config
"""


def load(folder, auto_class=VISION, **options):
    return pretrained(auto_class, folder, purpose="image classification", device="cpu", **options)


@pytest.fixture
def vit():
    torch.manual_seed(0)
    config = transformers.ViTConfig(**SIZES, image_size=8, patch_size=4, num_labels=3)
    return transformers.ViTForImageClassification(config).eval()


@pytest.fixture
def folder(vit, tmp_path):
    vit.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def edit(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_model_of_pictures_is_loaded_as_it_was_saved(vit, folder):
    loaded = load(folder)
    pictures = torch.rand(2, 3, 8, 8)
    assert not loaded.training
    torch.testing.assert_close(loaded(pictures).logits, vit(pictures).logits)
    vit.double().save_pretrained(folder)
    assert load(folder).dtype == torch.float64 and load(folder, dtype=torch.float32).dtype == torch.float32


def test_a_model_of_sequences_may_lack_what_is_not_used(tmp_path):
    config = transformers.EsmConfig(**SIZES, vocab_size=33, pad_token_id=1, mask_token_id=32)
    model = transformers.EsmForMaskedLM(config).eval()
    model.save_pretrained(tmp_path)
    letters = torch.randint(4, 24, (2, 7))
    loaded = pretrained("AutoModelForMaskedLM", tmp_path, device="cpu")
    torch.testing.assert_close(loaded(letters).logits, model(letters).logits)
    with pytest.raises(DomainError, match=r"no weights for 'pooler.dense.bias', .* not trained for AutoModel; use"):
        pretrained("AutoModel", tmp_path, device="cpu")
    encoder = pretrained("AutoModel", tmp_path, device="cpu", may_lack=["pooler"])
    torch.testing.assert_close(encoder(letters).last_hidden_state, model.esm(letters).last_hidden_state)


def test_pictures_are_read_by_the_processor_beside_the_model(folder):
    with pytest.raises(DomainError, match=r"model' could not be loaded, the folder has no image processor: "):
        preprocessing("AutoImageProcessor", folder)
    processor = transformers.models.vit.image_processing_pil_vit.ViTImageProcessorPil(size={"height": 8, "width": 8})
    processor.save_pretrained(folder)
    picture = Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3))
    # Tests of images may have made torchvision importable, which resizes otherwise.
    loaded = preprocessing("AutoImageProcessor", folder, backend="pil")
    torch.testing.assert_close(
        loaded(picture, return_tensors="pt").pixel_values, processor(picture, return_tensors="pt").pixel_values
    )


def test_options_reach_the_configuration_the_weights_and_the_processor(folder, monkeypatch):
    calls = {}
    for name in ("AutoConfig", VISION, "AutoTokenizer"):
        auto = getattr(transformers, name)

        def spy(path, _name=name, _real=auto.from_pretrained, **options):
            calls.setdefault(_name, options)
            kept = {key: value for key, value in options.items() if key not in ("revision", "token")}
            return None if _name == "AutoTokenizer" else _real(path, **kept)

        monkeypatch.setattr(auto, "from_pretrained", spy)
    options = {"revision": "v2", "token": "secret", "subfolder": "model"}
    loaded = load(folder.parent, attn_implementation="eager", **options)
    preprocessing("AutoTokenizer", folder.parent, allow_code=True, use_fast=True, **options)
    assert loaded.config._attn_implementation == "eager"
    for name in ("AutoConfig", VISION, "AutoTokenizer"):
        assert {key: calls[name][key] for key in options} == options
        assert calls[name]["trust_remote_code"] is (name == "AutoTokenizer")
    assert "local_files_only" not in calls[VISION] and calls["AutoTokenizer"]["use_fast"] is True


# ---- Refusals


class Pickled:
    """An object that makes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


def with_code(folder, mark):
    (folder / "code.py").write_text(CODE.format(mark=str(mark)))
    edit(folder / "config.json", auto_map={"AutoConfig": "code.Config", VISION: "code.Model"}, model_type="other")


def with_head_code(folder, mark):
    """A head of another kind of model: no class of transformers has both."""
    with_code(folder, mark)
    edit(folder / "config.json", auto_map={VISION: "code.Model"}, model_type="esm")


def with_pickle(folder, mark):
    (folder / "model.safetensors").unlink()
    torch.save({"x": Pickled(mark)}, folder / "pytorch_model.bin")


def with_old_pickle(folder, mark):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Pickled(mark)))


def without_weights(folder, mark):
    (folder / "model.safetensors").unlink()


def with_damaged_weights(folder, mark):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])


def without_head(folder, mark):
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: weight for name, weight in weights.items() if "classifier" not in name}, folder / "model.safetensors"
    )


def with_other_sizes(folder, mark):
    edit(folder / "config.json", id2label={n: str(n) for n in range(4)}, label2id={str(n): n for n in range(4)})


def of_another_kind(folder, mark):
    transformers.EsmConfig(**SIZES, vocab_size=33, pad_token_id=1).save_pretrained(folder)


def without_configuration(folder, mark):
    (folder / "config.json").unlink()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (with_code, r"comes with code, which is run only with allow_code=True \(--allow-code\)"),
        (with_head_code, r"comes with code, which is run only with allow_code=True \(--allow-code\)"),
        (with_pickle, r"holds more than tensors.*save the weights as .safetensors"),
        (with_old_pickle, r"holds more than tensors.*save the weights as .safetensors"),
        (without_weights, r"could not be loaded for image classification: .*no file named"),
        (with_damaged_weights, r"could not be loaded for image classification: "),
        (without_head, r"no weights for 'classifier.bias', 'classifier.weight', which would be random: .*fine-tuned"),
        (with_other_sizes, r"of another size .* for 'classifier.bias', 'classifier.weight': .* is \(3,\), not \(4,\)"),
        (of_another_kind, r"could not be loaded for image classification: Unrecognized configuration class"),
        (
            without_configuration,
            r"could not be loaded, the folder has no model: .*; pass a folder that save_pretrained",
        ),
    ],
)
def test_a_folder_is_refused_in_one_line(folder, tmp_path, make, message):
    make(folder, tmp_path / "was_run")
    with pytest.raises(DomainError, match=message) as caught:
        load(folder)
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)
    assert not (tmp_path / "was_run").exists()


def test_code_runs_where_it_is_allowed(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    with_code(folder, tmp_path / "was_run")
    assert type(load(folder, allow_code=True)).__name__ == "Model"
    assert (tmp_path / "was_run").exists()


@pytest.mark.parametrize("name", ["no/such/folder", "nobody/nothing"])
def test_a_name_that_cannot_be_looked_up_is_refused_in_one_line(name, tmp_path):
    where = {"cache_dir": tmp_path, "local_files_only": True}
    for read in (lambda: load(name, **where), lambda: preprocessing("AutoTokenizer", name, **where)):
        with pytest.raises(DomainError, match=rf"^'{name}' could not be loaded, it is not a folder: [^\n]*$"):
            read()


def test_missing_packages_are_named(folder, monkeypatch):
    def missing(*arguments, **options):
        raise ImportError("\nTheProcessor requires the library that is missing\nInstall it")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", missing)
    with pytest.raises(DomainError, match=r"model' could not be loaded: TheProcessor requires the library that is mis"):
        preprocessing("AutoTokenizer", folder)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(DomainError, match=r"model' requires transformers, which is missing: pip install"):
        load(folder)


def test_options_that_exclude_each_other_are_refused(folder):
    with pytest.raises(DomainError, match="device= and device_map= both say where"):
        load(folder, device_map="auto")


def test_the_precision_of_a_quantised_model_is_fixed(vit):
    vit.config.quantization_config = {"quant_method": "other"}
    assert in_precision(vit, None) is vit
    with pytest.raises(DomainError, match="precision='bf16': the model is quantised, which fixes its precision"):
        in_precision(vit, "bf16")
