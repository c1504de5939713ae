"""Classifiers of torchvision, timm and transformers, as they are, with their own transforms."""

import numpy as np
import pytest
import torch

from lrp_domains import CP_LRP
from lrp_domains.images import ImageExplainer
from tests.model_libraries import require

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


def torchvision_resnet():
    require("torchvision")
    from torchvision.models import ResNet
    from torchvision.models.resnet import BasicBlock
    from torchvision.transforms._presets import ImageClassification

    return ResNet(BasicBlock, [1, 1, 1, 1], num_classes=5, width_per_group=64), ImageClassification(
        crop_size=32, resize_size=36
    )


def torchvision_inception():
    """It returns a named tuple in training mode, and a tensor in eval mode."""
    require("torchvision")
    from torchvision.models import googlenet
    from torchvision.transforms._presets import ImageClassification

    model = googlenet(weights=None, num_classes=5, aux_logits=True, init_weights=False)
    return model, ImageClassification(crop_size=64, resize_size=64)


def timm_of(name, **options):
    def make():
        require("timm")
        import timm

        model = timm.create_model(name, pretrained=False, num_classes=5, **options)
        config = timm.data.resolve_model_data_config(model)
        return model, timm.data.create_transform(**config | {"input_size": (3, 64, 64)}, is_training=False)

    return make


def transformers_of(name, **options):
    def make():
        import transformers

        config = getattr(transformers, f"{name}Config")(num_labels=5, **options)
        processor = transformers.ViTImageProcessorPil(size={"height": 32, "width": 32})
        return getattr(transformers, f"{name}ForImageClassification")(config), processor

    return make


VIT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 32}
SWIN = {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4}
MODELS = {
    "torchvision ResNet": torchvision_resnet,
    "torchvision GoogLeNet": torchvision_inception,
    "timm ViT": timm_of("vit_tiny_patch16_224", img_size=64, depth=2),
    "timm ConvNeXt": timm_of("convnext_atto", depths=(1, 1, 1, 1), dims=(8, 16, 24, 32)),
    "timm hybrid": timm_of("levit_128s", img_size=64),
    "ViT": transformers_of("ViT", patch_size=8, **VIT),
    "Swin": transformers_of("Swin", **SWIN),
    "ResNet": transformers_of("ResNet", embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"),
    "DeiT": transformers_of("DeiT", patch_size=8, **VIT),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_a_classifier_as_it_is(name):
    torch.manual_seed(0)
    model, transform = MODELS[name]()
    model.eval()
    explainer = ImageExplainer(model, transform, rules=CP_LRP, batch_size=2)
    results = explainer([PIXELS, PIXELS[::-1]], target=3)
    _, height, width = explainer.preparation.tensor(PIXELS, "it")[0].shape
    assert results.to_array().shape == (2, height, width)
    assert results.to_array().any() and np.isfinite(results.to_array()).all()
    single = explainer(PIXELS, target=3)
    assert np.allclose(single.pixels, results[0].pixels, atol=1e-4 * np.abs(single.pixels).max())
    with torch.no_grad():
        outputs = model(explainer.preparation.tensor(PIXELS, "it")[0][None])
    logits = getattr(outputs, "logits", outputs)[0]
    assert single.prediction in (str(int(logits.argmax())), f"LABEL_{int(logits.argmax())}")

    complete = ImageExplainer(model, transform)(PIXELS, target=3, reference="blur")
    difference = complete.score - complete.reference_score
    scale = max(abs(complete.score), np.abs(complete.channels).sum())
    assert complete.units == pytest.approx(difference, abs=float(1e-4 * scale))
