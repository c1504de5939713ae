"""Models of diffusers with tiny sizes, and the shapes of their inputs, as data."""

from __future__ import annotations

from typing import Any, NamedTuple


class Diffuser(NamedTuple):
    """A class of diffusers, its configuration, and the shapes of its floating inputs, in order.

    If ``timed``, the second input is the time step, one number per row. With ``labels`` the last input are classes.
    """

    kind: str
    options: dict[str, Any]
    shapes: tuple[tuple[int, ...], ...]
    timed: bool = True
    labels: bool = False


PICTURE, LATENT, WORDS = (2, 3, 16, 16), (2, 4, 8, 8), (2, 5, 12)
UNET = {
    "sample_size": 16, "block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4,
    "attention_head_dim": 4,
}  # fmt: skip
CONDITION = UNET | {"sample_size": 8, "cross_attention_dim": 12, "attention_head_dim": 2}
ENCODER = {
    "block_out_channels": (8, 16), "norm_num_groups": 4,
    "down_block_types": ("DownEncoderBlock2D", "DownEncoderBlock2D"),
    "up_block_types": ("UpDecoderBlock2D", "UpDecoderBlock2D"),
}  # fmt: skip
TRANSFORMER = {
    "num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 2, "in_channels": 4, "sample_size": 8,
    "patch_size": 2, "norm_num_groups": 4,
}  # fmt: skip

DIFFUSERS: dict[str, Diffuser] = {
    "unet": Diffuser(
        "UNet2DModel",
        UNET | {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
                "up_block_types": ("AttnUpBlock2D", "UpBlock2D")},
        (PICTURE,),
    ),
    "unet-of-resnets": Diffuser(
        "UNet2DModel",
        UNET | {"down_block_types": ("ResnetDownsampleBlock2D", "AttnDownBlock2D"), "act_fn": "mish",
                "up_block_types": ("AttnUpBlock2D", "ResnetUpsampleBlock2D"), "downsample_type": "resnet",
                "upsample_type": "resnet", "resnet_time_scale_shift": "scale_shift"},
        (PICTURE,),
    ),
    "unet-with-skips": Diffuser(
        "UNet2DModel",
        {"sample_size": 32, "block_out_channels": (32, 32), "layers_per_block": 1, "attention_head_dim": 8,
         "down_block_types": ("SkipDownBlock2D", "AttnSkipDownBlock2D"), "time_embedding_type": "fourier",
         "up_block_types": ("AttnSkipUpBlock2D", "SkipUpBlock2D")},
        ((2, 3, 32, 32),),
    ),
    "condition": Diffuser(
        "UNet2DConditionModel",
        CONDITION | {"down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
                     "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D")},
        (LATENT, WORDS),
    ),
    "condition-by-linear-layers": Diffuser(
        "UNet2DConditionModel",
        CONDITION | {"down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "act_fn": "gelu",
                     "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"), "use_linear_projection": True,
                     "only_cross_attention": True, "resnet_time_scale_shift": "scale_shift"},
        (LATENT, WORDS),
    ),
    "condition-by-added-keys": Diffuser(
        "UNet2DConditionModel",
        CONDITION | {"down_block_types": ("SimpleCrossAttnDownBlock2D", "ResnetDownsampleBlock2D"),
                     "up_block_types": ("ResnetUpsampleBlock2D", "SimpleCrossAttnUpBlock2D"),
                     "mid_block_type": "UNetMidBlock2DSimpleCrossAttn"},
        (LATENT, WORDS),
    ),
    "condition-of-k-blocks": Diffuser(
        "UNet2DConditionModel",
        CONDITION | {"down_block_types": ("KCrossAttnDownBlock2D", "KDownBlock2D"), "mid_block_type": None,
                     "up_block_types": ("KUpBlock2D", "KCrossAttnUpBlock2D"), "block_out_channels": (32, 64),
                     "layers_per_block": 2, "conv_in_kernel": 1, "conv_out_kernel": 1, "norm_num_groups": None,
                     "resnet_time_scale_shift": "scale_shift", "time_embedding_type": "fourier", "act_fn": "gelu",
                     "timestep_post_act": "silu", "attention_head_dim": 16},
        (LATENT, WORDS),
    ),
    "film": Diffuser(
        "UNet3DConditionModel",
        CONDITION | {"down_block_types": ("CrossAttnDownBlock3D", "DownBlock3D"), "attention_head_dim": 4,
                     "up_block_types": ("UpBlock3D", "CrossAttnUpBlock3D")},
        ((2, 4, 3, 8, 8), WORDS),
    ),
    "autoencoder": Diffuser("AutoencoderKL", ENCODER, (PICTURE,), timed=False),
    "quantised": Diffuser("VQModel", ENCODER | {"num_vq_embeddings": 16}, (PICTURE,), timed=False),
    "transformer": Diffuser(
        "DiTTransformer2DModel", TRANSFORMER | {"num_embeds_ada_norm": 10}, (LATENT,), labels=True,
    ),
    "prior": Diffuser(
        "PriorTransformer",
        {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 2, "embedding_dim": 16,
         "num_embeddings": 5, "additional_embeddings": 4},
        ((2, 16), (2, 16), (2, 5, 16)),
    ),
}  # fmt: skip
