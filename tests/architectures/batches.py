"""Batches of two rows for the arguments that a model's `forward` names."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor, nn

from .small_configs import BOS, EOS, FIRST_WORD, PAD, SIDE, VOCABULARY

TOKENS = ("input_ids", "inputs")  # Perceiver calls its tokens inputs
PIXELS = ("pixel_values", "pixels", "features")


def batch_for(
    model: nn.Module, dtype: torch.dtype, *, length: int, padded: bool, seed: int, decoder: bool
) -> dict[str, Tensor]:
    """Return tokens ending in EOS (the second row three tokens shorter if `padded`), or pictures, or features."""
    parameters = inspect.signature(model.forward).parameters
    generator = torch.Generator().manual_seed(seed)
    shapes = {"pixel_values": (2, 3, SIDE, SIDE), "pixels": (2, 3, SIDE, SIDE), "features": (2, 7, 16)}
    tokens = next((name for name in TOKENS if name in parameters), None)
    if tokens is None:
        name = next(name for name in PIXELS if name in parameters)
        return {name: torch.randn(shapes[name], generator=generator, dtype=dtype).requires_grad_(True)}

    ids = torch.randint(FIRST_WORD, VOCABULARY, (2, length), generator=generator)
    mask = torch.ones_like(ids)
    ids[:, -1] = EOS
    if padded:
        ids[1, -4:] = torch.tensor([EOS, PAD, PAD, PAD])
        mask[1, -3:] = 0
    low, high = torch.randint(30, (2, 2, length, 2), generator=generator)  # corners of boxes on the page
    batch = {tokens: ids, "attention_mask": mask, "bbox": torch.cat([low, 30 + high], dim=-1)}
    if decoder:
        batch["decoder_input_ids"] = torch.cat([torch.full((2, 1), BOS), ids[:, :4]], dim=1)
    return {name: value for name, value in batch.items() if name in parameters}
