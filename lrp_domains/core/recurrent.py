"""Recurrent layers recorded step by step instead of as one fused kernel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def unfused() -> Iterator[None]:
    """Temporarily make PyTorch record `nn.LSTM`, `nn.GRU` and `nn.RNN` step by step, so that their gates are visible.

    Run the forward pass inside; the switches of cuDNN and oneDNN are restored afterwards. On a GPU the cell is still
    one fused kernel, which `relevance` refuses: move the model to the CPU.

    >>> with unfused():
    ...     score = lstm_classifier(embeddings)[:, 1]
    >>> relevance(score, embeddings)
    """
    before = torch.backends.mkldnn.enabled, torch.backends.cudnn.enabled
    torch.backends.mkldnn.enabled, torch.backends.cudnn.enabled = False, False
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled, torch.backends.cudnn.enabled = before
