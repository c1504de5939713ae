"""The peak of memory: what was held before doesn't count, nor what was freed before."""

import numpy as np
import pytest

from lrp_domains.evaluation import memory
from lrp_domains.evaluation.memory import with_peak_memory

MIB = 2**20


@pytest.fixture(autouse=True)
def reported():
    if np.isnan(with_peak_memory(int)[1]):
        pytest.skip("the system doesn't report memory")


def blocks(mib):
    """Return many small blocks, which the allocator takes from its heap."""
    return [bytearray(2**14) for _ in range(64 * mib)]


@pytest.mark.parametrize("mib", [16, 64])
def test_the_peak_is_what_was_held_at_one_time(mib):
    held = np.ones(32 * MIB // 8)
    result, peak = with_peak_memory(lambda: [float(np.ones(mib * MIB // 8).sum()) for _ in range(3)])
    assert result == [mib * MIB / 8] * 3 and held.all()
    assert peak == pytest.approx(mib, abs=3)


def test_freed_memory_is_used_again_and_counts():
    freed = blocks(48)
    last = bytearray(2**14)  # above what is freed, which the allocator therefore keeps
    del freed
    _, peak = with_peak_memory(lambda: len(blocks(48)))
    assert peak == pytest.approx(48, abs=5) and len(last)


def test_where_memory_is_not_reported_it_is_unknown(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "PROCESS", tmp_path / "none")
    assert np.isnan(with_peak_memory(int)[1])
