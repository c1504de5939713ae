"""Embeddings given from outside: a model computes with them in the place of those that it looks up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from ..errors import TextError


@contextmanager
def injected(module: nn.Module, names: Sequence[str], embeddings: Sequence[Tensor]) -> Iterator[None]:
    """Temporarily let modules return these embeddings, in the order of their calls.

    A call that returns another shape, such as that of a table that is looked up once for all rows, isn't one of them.
    """
    waiting = list(embeddings)

    def hook(_module, _arguments, output):
        if waiting and isinstance(output, Tensor) and output.shape == waiting[0].shape:
            return waiting.pop(0)
        return output

    handles = [module.get_submodule(name).register_forward_hook(hook) for name in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    if waiting:
        raise TextError(
            f"the embedding {' or '.join(names)} returns no tensor of rows x tokens x features that others could "
            "replace: choose a rule set, whose explanation needs none of that"
        )
