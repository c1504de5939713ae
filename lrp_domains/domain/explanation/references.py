"""References of samples that are tensors."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..messages import DomainError


def stacked_references(
    of_samples: Sequence[Sequence[Tensor]], inputs: Tensor, names: Sequence[str], remedy: str
) -> Tensor:
    """Return the references of a batch, K x B x ..., from those of each sample; raise if they don't suit it.

    Parameters
    ----------
    of_samples
        The K references of each sample.
    inputs
        The samples, B x ...
    names
        Of the samples.
    remedy
        What to do about a reference of another shape, for messages.
    """
    for name, several, x in zip(names, of_samples, inputs, strict=True):
        if wrong := [tensor for tensor in several if tensor.shape != x.shape]:
            raise DomainError(
                f"the reference of '{name}' is read as {tuple(wrong[0].shape)}, the sample as {tuple(x.shape)}: "
                f"{remedy}"
            )
    if len({len(several) for several in of_samples}) > 1:
        raise DomainError("all samples must have the same number of references")
    return torch.stack([torch.stack(several) for several in of_samples], 1)
