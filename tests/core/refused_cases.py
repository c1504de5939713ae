"""Cases that `relevance` and `ledger` refuse: an output, its inputs and perhaps options, from a function."""

from collections.abc import Callable

import pytest
import torch


def leaf(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, requires_grad=True)


def batch_statistics():
    x = leaf(5, 3)
    return torch.nn.BatchNorm1d(3)(x).sum(), x


def assert_refused(function: Callable, case: Callable, error: type[Exception], words: str) -> None:
    """Check that a function of the output and the inputs of a case raises an error with these words."""
    output, inputs, *options = case()
    with pytest.raises(error, match=f"(?s){words}"):
        function(output, inputs, **(options[0] if options else {}))
