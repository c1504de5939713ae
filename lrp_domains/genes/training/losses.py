"""The losses that training minimises: one per task."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from .target import Target

# From outputs of some rows, and the numbers of these rows, to a number.
Loss = Callable[[Tensor, np.ndarray], Tensor]


def loss_of(target: Target, learn: np.ndarray, *, balanced: bool, like: Tensor) -> Loss:
    """Return the loss of a target.

    ========= =========================================================================================
    classes   cross entropy; if `balanced`, a class has weight 1 / (its number of cells in `learn`)
    value     squared error of the value, standardised by mean and deviation of `learn`
    survival  `cox`
    ========= =========================================================================================

    Parameters
    ----------
    target
        Of all rows.
    learn
        The numbers of the rows to learn from; each class must be among them.
    balanced
        Whether classes have equal weight.
    like
        A tensor of the network's dtype and device.
    """
    if target.task == "classes":
        labels = torch.as_tensor(target.values, device=like.device)
        counts = np.bincount(target.values[learn], minlength=len(target.names))
        weight = torch.as_tensor(len(learn) / (len(counts) * counts)).to(like) if balanced else None
        return lambda outputs, rows: nn.functional.cross_entropy(outputs, labels[rows], weight=weight)
    if target.task == "value":
        mean, deviation = scale_of(target, learn)
        standardised = torch.as_tensor((target.values - mean) / deviation).to(like)
        return lambda outputs, rows: nn.functional.mse_loss(outputs[:, 0], standardised[rows])
    events, times = torch.as_tensor(target.values).to(like), torch.as_tensor(target.time).to(like.device)
    return lambda outputs, rows: cox(outputs[:, 0], events[rows], times[rows])


def scale_of(target: Target, learn: np.ndarray) -> tuple[float, float]:
    """Compute mean and standard deviation of a value over some rows; a deviation of 1 if it is the same in all."""
    values = target.values[learn]
    return float(values.mean()), float(values.std()) or 1.0


def cox(risk: Tensor, event: Tensor, time: Tensor) -> Tensor:
    """Compute the negative log partial likelihood of Cox (1972), per event, with ties as in Breslow (1974).

    ``- 1/E sum_i d_i (f_i - log sum_{j: t_j >= t_i} exp f_j)`` *where* ``f`` is the log risk, ``d`` whether the event
    was seen, ``t`` the time of it or of the last follow-up, and ``E = sum d``. Breslow: all who have their event at the
    same time are at risk until then.

    Without an event among the rows it is 0.
    """
    order = time.argsort(descending=True)
    risk, event, time = risk[order], event[order], time[order]
    # Those at risk at a time are all rows up to the last one with this time.
    last = torch.searchsorted(-time, -time, right=True) - 1
    at_risk = risk.logcumsumexp(0)[last]
    return ((at_risk - risk) * event).sum() / event.sum().clamp(min=1)
