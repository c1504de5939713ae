"""Batches that fit into memory: as many samples as there is room for, and half as many when it runs out."""

import gc
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from ..messages import DomainError

Result = TypeVar("Result")
SHARE = 0.8  # of the free memory that a batch may take: kernels choose other algorithms for other sizes


@dataclass
class BatchSize:
    """The number of samples that are computed at once; halved when a device's memory runs out.

    Attributes
    ----------
    size
        The number; lower than at first if memory has run out.
    unit
        What the samples are, in the plural, for the warning and the error.

    Examples
    --------
    >>> batch = BatchSize(64, "texts")
    >>> for result in batch.run(explain_texts, texts):
    ...     ...
    """

    size: int
    unit: str = "samples"

    def run(self, compute: Callable[[Sequence], Result], samples: Sequence) -> Iterator[Result]:
        """Yield what a function computes of consecutive samples, at most `size` of them at a time.

        A batch for which memory runs out is computed again in halves, so the function must change nothing before it
        succeeds. The first time is warned of.

        Raises
        ------
        DomainError
            Memory runs out with a single sample.
        """
        start = 0
        while start < len(samples):
            batch = samples[start : start + self.size]
            try:
                result = compute(batch)
            except torch.OutOfMemoryError as error:
                shortage = str(error).splitlines()[0]
            else:
                yield result
                start += len(batch)
                continue
            # Outside of the except block, because the error refers to the tensors of the batch.
            self._halve(len(batch), shortage)

    def _halve(self, tried: int, shortage: str) -> None:
        """Halve the size after a batch for which memory ran out."""
        if tried == 1:
            raise DomainError(f"memory runs out with one of the {self.unit} at a time ({shortage}); use device='cpu'")
        if not self._is_halved:
            warnings.warn(
                f"memory ran out with {tried} {self.unit} at a time; going on with {tried // 2}, and half as many "
                "whenever it runs out again: set batch_size to avoid this",
                stacklevel=3,
            )
        self._is_halved = True
        self.size = tried // 2
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    _is_halved = False


def fitting(compute: Callable[[int], object], device: torch.device, *, most: int, probe: int = 4) -> int:
    """Return how many samples fit into the free memory of a CUDA device; `most` on other devices.

    Parameters
    ----------
    compute
        Computes a number of samples. It is run for `probe` and for twice as many; the difference between the two peaks
        is what further samples take.
    device
        Where it computes.
    most
        The largest number to return.
    probe
        The number of samples to begin with.
    """
    if device.type != "cuda" or most <= 2 * probe:
        return most
    try:
        peaks = [_peak(compute, number, device) for number in (probe, 2 * probe)]
    except torch.OutOfMemoryError:
        return probe
    each = max((peaks[1] - peaks[0]) / probe, peaks[1] / (2 * probe) / 2, 1.0)
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    return int(max(1, min(most, SHARE * free // each)))


def _peak(compute: Callable[[int], object], number: int, device: torch.device) -> int:
    """Return the most memory that computing some samples takes beyond what is taken already."""
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    compute(number)
    return torch.cuda.max_memory_allocated(device) - before
