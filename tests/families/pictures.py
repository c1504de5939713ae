"""Models for pictures and films, with options that make them small, as data."""

from __future__ import annotations

from typing import Any

SIDE = 64  # of a picture, in pixels
# Names of models for `timm.create_model`.
TIMM: dict[str, dict[str, Any]] = {
    "cait_xxs24_224": {"img_size": SIDE, "depth": 2},
    "convit_tiny": {"img_size": SIDE, "depth": 3, "local_up_to_layer": 2},
    "csatv2": {},
    "densenet121": {"growth_rate": 8},
    "edgenext_xx_small": {},
    "efficientvim_m1": {},
    "efficientvit_b0": {},
    "eva02_tiny_patch14_224": {"img_size": 56, "depth": 2},
    "gmlp_ti16_224": {"img_size": SIDE},
    "levit_128s": {"img_size": SIDE},
    "mobilevit_xxs": {},
    "resnest14d": {},
    "resnetv2_50d_frn": {"layers": (1, 1, 1, 1), "channels": (32, 32, 64, 64)},
    "sequencer2d_s": {
        "img_size": SIDE, "layers": (1, 1, 1, 1), "embed_dims": (16, 24, 24, 32), "hidden_sizes": (8, 8, 8, 8),
    },
    "swinv2_tiny_window8_256": {
        "img_size": SIDE, "window_size": 4, "embed_dim": 24, "depths": (1, 2), "num_heads": (2, 4),
    },
    "test_byobnet": {},
    "test_coatnet": {"img_size": SIDE},
    "test_convnext2": {},
    "test_efficientnet_evos": {},
    "test_efficientnet_ln": {},
    "test_mambaout": {},
    "test_maxvit": {"img_size": SIDE},
    "test_nfnet": {},
    "test_vit3": {"img_size": SIDE},
    "test_vit_relpos": {"img_size": SIDE},
    "volo_d1_224": {"img_size": SIDE},
    "xcit_nano_12_p8_224": {"depth": 2},
}  # fmt: skip

# Builders and classes of `torchvision.models`.
TORCHVISION: dict[str, dict[str, Any]] = {
    "MaxVit": {
        "input_size": (SIDE, SIDE), "stem_channels": 16, "partition_size": 2, "block_channels": [16, 32],
        "block_layers": [1, 1], "head_dim": 8, "stochastic_depth_prob": 0.2,
    },
    "SwinTransformer": {
        "patch_size": [4, 4], "embed_dim": 24, "depths": [2, 2], "num_heads": [2, 4], "window_size": [4, 4],
    },
    "VisionTransformer": {
        "image_size": SIDE, "patch_size": 16, "num_layers": 2, "num_heads": 4, "hidden_dim": 32, "mlp_dim": 64,
    },
    "convnext_tiny": {},
    "densenet121": {},
    "efficientnet_b0": {},
    "googlenet": {"init_weights": False, "aux_logits": False},
    "inception_v3": {"init_weights": False, "aux_logits": False},
    "mnasnet0_5": {},
    "mobilenet_v2": {},
    "mobilenet_v3_small": {},
    "regnet_x_400mf": {},
    "regnet_y_400mf": {},
    "resnet18": {},
    "segmentation.deeplabv3_mobilenet_v3_large": {"weights_backbone": None},
    "segmentation.lraspp_mobilenet_v3_large": {"weights_backbone": None},
    "shufflenet_v2_x0_5": {},
    "squeezenet1_1": {},
    "swin_v2_t": {},
    "video.mc3_18": {},
    "video.swin3d_t": {},
}  # fmt: skip

# The shapes of inputs other than (2, 3, SIDE, SIDE).
SHAPES = {
    "timm/eva02_tiny_patch14_224": (2, 3, 56, 56),
    "torchvision/inception_v3": (2, 3, 80, 80),
    "torchvision/video.mc3_18": (2, 3, 4, 32, 32),
    "torchvision/video.swin3d_t": (2, 3, 4, 32, 32),
}
