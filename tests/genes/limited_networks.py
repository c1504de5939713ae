"""Networks that run out of memory above a number of cells, or lack an operation in a precision."""

import torch
from torch import Tensor, nn


class OutOfMemory(nn.Module):
    """A network without memory for more than some cells."""

    def __init__(self, network: nn.Module, most: int) -> None:
        super().__init__()
        self.network, self.most, self.tried = network, most, []

    def forward(self, x: Tensor) -> Tensor:
        self.tried.append(len(x))
        if len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return self.network(x)


class WithoutHalf(nn.Linear):
    """A layer that no kernel computes in fp16."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype == torch.float16:
            raise RuntimeError("\"addmm_impl_cpu_\" not implemented for 'Half'")
        return super().forward(x)
