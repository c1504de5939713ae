"""Classifiers of pictures with random weights, from torchvision, timm and transformers, small where they can be."""

from __future__ import annotations

from collections.abc import Callable

import timm
import torch
import transformers
from torch import nn
from torchvision import models
from torchvision.models import swin_transformer
from torchvision.models.convnext import CNBlockConfig

Make = Callable[[], nn.Module]


def _torchvision() -> dict[str, tuple[Make, int]]:
    swin = {"patch_size": [4, 4], "embed_dim": 8, "depths": [2, 2], "num_heads": [2, 2], "window_size": [4, 4]}
    second = {"block": swin_transformer.SwinTransformerBlockV2, "downsample_layer": swin_transformer.PatchMergingV2}
    vit = {"image_size": 32, "patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32}
    convnext = [CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)]
    made = {
        "vit": lambda: models.VisionTransformer(**vit, num_classes=5),
        "swin": lambda: models.SwinTransformer(**swin, num_classes=5),
        "swin_v2": lambda: models.SwinTransformer(**swin, **second, num_classes=5),
        "convnext": lambda: models.ConvNeXt(convnext, num_classes=5),
        "maxvit": lambda: models.MaxVit((64, 64), 8, 4, [8, 16], [1, 1], 8, 0.0, num_classes=5),
    }
    sizes = {"maxvit": 64, "googlenet": 64, "inception_v3": 96, "alexnet": 64}
    whole = (
        "alexnet densenet121 efficientnet_b0 efficientnet_v2_s googlenet inception_v3 mnasnet0_5 mobilenet_v2 "
        "mobilenet_v3_small regnet_y_400mf resnext50_32x4d shufflenet_v2_x0_5 squeezenet1_1"
    )
    for name in whole.split():
        options = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
        made[name] = lambda name=name, options=options: getattr(models, name)(num_classes=5, **options)
    return {f"torchvision/{name}": (make, sizes.get(name, 32)) for name, make in made.items()}


def _timm() -> dict[str, tuple[Make, int]]:
    vit = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}
    swin = {"img_size": 32, "window_size": 4, "embed_dim": 8, "depths": (2, 2), "num_heads": (2, 2)}
    convnext = {"depths": (1, 1, 1, 1), "dims": (8, 8, 16, 16)}
    small = {
        "vit_tiny_patch16_224": vit,
        "vit_small_patch16_dinov3": vit | {"embed_dim": 32},
        "vit_base_patch16_siglip_224": vit,
        "deit3_small_patch16_224": vit,
        "deit_tiny_distilled_patch16_224": vit,
        "beit_base_patch16_224": vit,
        "eva02_tiny_patch14_224": vit,
        "cait_xxs24_224": vit,
        "convit_tiny": vit | {"local_up_to_layer": 1},
        "swin_tiny_patch4_window7_224": swin,
        "swinv2_tiny_window8_256": swin,
        "convnext_atto": convnext,
        "convnextv2_atto": convnext,
        "xcit_nano_12_p16_224": {"img_size": 32},
        "twins_svt_small": {"img_size": 32},
        "tnt_s_patch16_224": {"img_size": 32},
        "nest_tiny": {"img_size": 32},
        "levit_128s": {"img_size": 64},
        "coatnet_nano_rw_224": {"img_size": 64},
        "maxvit_nano_rw_256": {"img_size": 64},
        "visformer_tiny": {"img_size": 64},
        "mixer_s32_224": {"img_size": 64},
        "gmlp_s16_224": {"img_size": 64},
    }
    whole = (
        "edgenext_xx_small efficientnet_b0 fastvit_t8 focalnet_tiny_srf ghostnet_050 hrnet_w18_small "
        "inception_next_atto mobilevit_xxs mobilevitv2_050 nextvit_small nfnet_l0 poolformer_s12 pvt_v2_b0 regnety_002 "
        "repvgg_a0 resnest14d resnetv2_50x1_bit starnet_s1"
    )
    sizes = {"crossvit_tiny_240": 240, "efficientformer_l1": 224}
    small |= {name: {} for name in (*whole.split(), *sizes)}
    return {
        f"timm/{name}": (
            lambda name=name, options=options: timm.create_model(name, num_classes=5, **options),
            sizes.get(name, options.get("img_size", 64)),
        )
        for name, options in small.items()
    }


class Logits(nn.Module):
    """A classifier of transformers that takes pictures and returns logits."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.model(pixel_values=pictures).logits


class Contrastive(nn.Module):
    """CLIP's image side: the similarity of a picture with five texts."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self.register_buffer("texts", torch.tensor([[97, n, n + 1, 98] for n in range(5)]))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=self.texts, pixel_values=pictures).logits_per_image


def _clip() -> nn.Module:
    shared = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    text = {"vocab_size": 99, "bos_token_id": 97, "eos_token_id": 98, "pad_token_id": 0}
    configuration = transformers.CLIPConfig(
        text_config=shared | text, vision_config=shared | {"image_size": 32, "patch_size": 8}, projection_dim=8
    )
    return Contrastive(transformers.CLIPModel(configuration))


def _transformers() -> dict[str, tuple[Make, int]]:
    vit = {
        "image_size": 32, "patch_size": 8, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 32,
    }  # fmt: skip
    swin = {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [2, 2], "num_heads": [2, 2], "window_size": 4}
    stages = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]}
    heads = stages | {"num_attention_heads": [1, 1, 2, 2]}
    kinds = {
        "ViT": vit, "DeiT": vit, "Beit": vit, "Dinov2": vit, "Swin": swin, "Swinv2": swin, "ConvNext": stages,
        "ConvNextV2": stages, "PvtV2": heads, "Segformer": heads, "PoolFormer": stages, "MobileViT": {},
        "ResNet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
        "Bit": {"embedding_size": 8, "hidden_sizes": [16, 16], "depths": [1, 1], "num_groups": 4},
    }  # fmt: skip

    def make(kind: str, options: dict) -> nn.Module:
        configuration = getattr(transformers, f"{kind}Config")(**options, num_labels=5)
        return Logits(getattr(transformers, f"{kind}ForImageClassification")(configuration))

    made = {f"transformers/{kind}": (lambda k=kind, o=options: make(k, o), 32) for kind, options in kinds.items()}
    made["transformers/MobileViT"] = made["transformers/MobileViT"][0], 64
    return made | {"transformers/CLIP": (_clip, 32)}


CLASSIFIERS = _torchvision() | _timm() | _transformers()


def build(name: str) -> tuple[nn.Module, torch.Tensor, int]:
    """Return a classifier in float64, nothing of which is 0 or 1 just because it is new, two pictures and a class.

    The logits of the class aren't 0, also where the network ends with a ReLU.
    """
    make, size = CLASSIFIERS[name]
    model = make().double().eval()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_var is not None:
            module.running_mean.normal_(0.0, 0.3)
            module.running_var.uniform_(0.5, 2.0)
    for parameter in model.parameters():
        if bool((parameter == parameter.flatten()[0]).all()) or parameter.abs().max() < 1e-3:
            parameter.data.add_(0.3 * torch.randn_like(parameter))
    x = torch.rand(2, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        return model, x, int(model(x).abs().amin(0).argmax())
