"""Batches are halved when memory runs out, said once; a device's free memory decides how large they are at first."""

import warnings

import pytest
import torch

from lrp_domains.domain import BatchSize, DomainError, fitting


def limited(most, calls):
    """Return a function that has memory for `most` samples."""

    def compute(samples):
        calls.append(len(samples))
        if len(samples) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")
        return list(samples)

    return compute


def test_halved_until_it_fits_and_said_once():
    calls, batch = [], BatchSize(16, "cells")
    with pytest.warns(UserWarning, match="memory ran out with 16 cells at a time; going on with 8") as caught:
        results = list(batch.run(limited(5, calls), range(18)))
        results += batch.run(limited(2, calls), range(18, 22))
    assert [sample for result in results for sample in result] == list(range(22))
    assert calls == [16, 8, 4, 4, 4, 4, 2, 4, 2, 2] and batch.size == 2
    assert len(caught) == 1


def test_a_last_batch_that_is_too_large_is_halved_as_such():
    calls = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        list(BatchSize(100).run(limited(3, calls), range(7)))
    assert calls == [7, 3, 3, 1]


def test_a_single_sample_that_does_not_fit_is_an_error():
    with warnings.catch_warnings(), pytest.raises(DomainError, match=r"one of the cells at a time \(CUDA out of mem"):
        warnings.simplefilter("ignore")
        list(BatchSize(4, "cells").run(limited(0, []), range(4)))


def test_other_errors_are_raised_unchanged():
    def fails(samples):
        raise RuntimeError("out of range")

    with pytest.raises(RuntimeError, match="out of range"):
        list(BatchSize(4).run(fails, range(4)))


@pytest.mark.parametrize("free, expected", [(100_000, 70), (10_000_000, 1000), (100, 1)])
def test_free_memory_decides_by_what_further_samples_take(monkeypatch, free, expected):
    memory = {"now": 500, "peak": 0}

    def compute(samples):
        memory["peak"] = memory["now"] + 4_000 + 1_130 * samples

    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: memory["now"])
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: memory["peak"])
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2 * free))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    assert fitting(compute, torch.device("cuda"), most=1000) == expected


def test_without_a_cuda_device_nothing_is_probed():
    assert fitting(lambda samples: 1 / 0, torch.device("cpu"), most=77) == 77
