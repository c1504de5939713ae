"""Models in another precision: a copy, only where something changes, and its distance."""

import numpy as np
import pytest
import torch
from torch import nn

from lrp_domains.domain import DomainError, check_precision, in_precision, relative_distance


def test_a_copy_only_where_weights_change():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    assert in_precision(model, None) is model and in_precision(model, "fp32") is model
    half = in_precision(model, "bf16")
    assert half[0].weight.dtype == half[1].running_mean.dtype == torch.bfloat16
    assert model[0].weight.dtype == torch.float32 and half[1].num_batches_tracked.dtype == torch.int64


def test_an_unknown_precision_is_refused():
    with pytest.raises(DomainError, match="unknown precision 'bf61'; did you mean 'bf16'"):
        check_precision("bf61")
    check_precision(None)


def test_the_distance_is_relative():
    assert relative_distance(np.array([1.0, 2.0]), np.array([1.0, 4.0])) == pytest.approx(0.4)
    assert relative_distance(np.zeros(2), np.zeros(2)) == 0 and relative_distance(np.ones(2), np.zeros(2)) == 1
