"""Models loaded from folders: of transformers, CLIP against texts, and declared networks."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from lrp_domains import CP_LRP
from lrp_domains.domain import DomainError
from lrp_domains.images import ImageExplainer

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
PIXELS = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    config = ViTConfig(**SMALL, image_size=16, patch_size=4, id2label={0: "cat", 1: "dog", 2: "owl"})
    ViTForImageClassification(config).save_pretrained(folder)
    processor = ViTImageProcessorPil(size={"height": 16, "width": 16}, image_mean=[0.2, 0.5, 0.4], image_std=[0.5] * 3)
    processor.save_pretrained(folder)
    return folder


def test_a_model_and_its_image_processor(vit):
    from transformers import ViTForImageClassification

    explainer = ImageExplainer.from_pretrained(vit, rules=CP_LRP, device="cpu")
    # Not the one that resizes with torchvision, where that is installed.
    assert type(explainer.preparation.transform).__name__ == "ViTImageProcessorPil"
    result = explainer(PIXELS, target="owl")
    assert explainer.classes == ("cat", "dog", "owl") == result.classes
    assert result.target == "owl" and result.pixels.shape == (16, 16)
    x = explainer.preparation.tensor(PIXELS, "it")[0]
    logits = ViTForImageClassification.from_pretrained(vit).eval()(x[None]).logits[0]
    assert result.prediction == explainer.classes[int(logits.argmax())]
    black, white = explainer.preparation.black_and_white(x)
    assert torch.allclose(black.ravel(), torch.tensor([-0.4, -1.0, -0.8]), atol=1e-6)
    assert torch.allclose(white.ravel(), torch.tensor([1.6, 1.0, 1.2]), atol=1e-6)


def test_what_cannot_be_loaded(vit, tmp_path):
    with pytest.raises(DomainError, match="missing' could not be loaded"):
        ImageExplainer.from_pretrained(tmp_path / "missing")
    config = json.loads((vit / "config.json").read_text())
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((vit / name).read_bytes())
    with pytest.raises(DomainError, match="image processor"):
        ImageExplainer.from_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_bytes((vit / "preprocessor_config.json").read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(DomainError, match=r"no weights for .* which would be random"):
        ImageExplainer.from_pretrained(tmp_path)


@pytest.mark.parametrize("kind", ["CLIP", "Siglip"])
def test_the_image_side_of_clip_against_texts(kind, tmp_path):
    import transformers

    from ..text.small_tokenizers import tokenizer_of

    torch.manual_seed(0)
    tokenizer = tokenizer_of("wordpiece")
    tokenizer.model_max_length = 16
    text = {
        **SMALL,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 16,
        "eos_token_id": tokenizer.sep_token_id,
    }
    vision = {**SMALL, "image_size": 16, "patch_size": 4}
    config = getattr(transformers, f"{kind}Config")(text_config=text, vision_config=vision, projection_dim=16)
    model = getattr(transformers, f"{kind}Model")(config).eval()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    size = {"height": 16, "width": 16}
    transformers.ViTImageProcessorPil(size=size).save_pretrained(tmp_path)

    texts = ["a good film", "a terrible plot", "words"]
    explainer = ImageExplainer.from_pretrained(tmp_path, texts=texts, rules=CP_LRP, device="cpu", score="logit")
    results = explainer([PIXELS, 255 - PIXELS], target="a terrible plot")
    assert explainer.classes == tuple(texts)
    tokens = tokenizer(texts, padding="max_length" if kind == "Siglip" else True, return_tensors="pt")
    x = torch.stack([explainer.preparation.tensor(pixels, "it")[0] for pixels in (PIXELS, 255 - PIXELS)])
    with torch.no_grad():
        logits = model(pixel_values=x, **tokens).logits_per_image
    assert [result.score for result in results] == pytest.approx(logits[:, 1].tolist(), abs=1e-5)
    assert results[0].pixels.any()
    complete = ImageExplainer.from_pretrained(tmp_path, texts=texts, device="cpu", score="logit")
    result = complete(PIXELS, target=1, reference="black")
    assert result.units == pytest.approx(result.score - result.reference_score, abs=1e-4)


def exported(folder, channels=1):
    network = nn.Sequential(nn.Conv2d(channels, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 16, 3)).eval()
    shapes = ({0: torch.export.Dim("pictures", min=1)},)
    program = torch.export.export(network, (torch.rand(2, channels, 6, 6),), dynamic_shapes=shapes)
    torch.export.save(program, folder / "network.pt2")
    return network


def test_a_declared_network(tmp_path):
    torch.manual_seed(0)
    network = exported(tmp_path)
    declaration = tmp_path / "model.yaml"
    declaration.write_text("network: network.pt2\nclasses: [cat, dog, owl]\n")
    for name in (declaration, tmp_path):
        explainer = ImageExplainer.from_pretrained(name, device="cpu")
        assert explainer.classes == ("cat", "dog", "owl")
        pixels = np.arange(36, dtype=np.uint8).reshape(6, 6)
        assert np.allclose(explainer(pixels).pixels, ImageExplainer(network)(pixels).pixels)
    declaration.write_text("network: network.pt2\nexclusive: false\n")
    of_several = ImageExplainer.from_pretrained(declaration, device="cpu")(pixels)
    assert np.allclose(of_several.pixels, ImageExplainer(network, score="logit")(pixels).pixels)


def test_a_declaration_says_how_pictures_are_resized(tmp_path):
    torch.manual_seed(0)
    exported(tmp_path, channels=3)
    (tmp_path / "net.yaml").write_text(
        "network: network.pt2\nmode: RGB\n"
        "processor: {size: {height: 6, width: 6}, image_mean: [0.5, 0.5, 0.5], image_std: [0.25, 0.25, 0.25]}\n"
    )
    explainer = ImageExplainer.from_pretrained(tmp_path / "net.yaml", device="cpu")
    assert explainer(PIXELS).pixels.shape == (6, 6)
    black, _ = explainer.preparation.black_and_white(torch.zeros(3, 6, 6))
    assert black.ravel().tolist() == [-2] * 3
    with pytest.raises(DomainError, match="texts= are for models of transformers"):
        ImageExplainer.from_pretrained(tmp_path / "net.yaml", texts=["a", "b"])
    (tmp_path / "net.yaml").write_text("network: network.pt2\nmod: L\n")
    with pytest.raises(DomainError, match="unknown key 'mod'; did you mean 'mode'"):
        ImageExplainer.from_pretrained(tmp_path / "net.yaml")
