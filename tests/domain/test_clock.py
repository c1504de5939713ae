"""Seconds per phase: phases within another one count once, and all sum to the time that passed."""

import pytest

from lrp_domains.domain import Clock
from lrp_domains.domain.runs import clock as clocks


@pytest.fixture
def ticking(monkeypatch):
    """Return a list whose first element is the time."""
    now = [0.0]
    monkeypatch.setattr(clocks.time, "perf_counter", lambda: now[0])
    return now


def test_phases_sum_to_the_time_and_inner_ones_count_once(ticking):
    clock = Clock()
    for _ in range(2):
        with clock("backward"):
            ticking[0] += 1.0
            with clock("forward"):
                ticking[0] += 2.0
            ticking[0] += 0.5
        ticking[0] += 100.0  # of no phase
        with clock("writing"):
            ticking[0] += 0.25
    assert clock.seconds == {"backward": 3.0, "forward": 4.0, "writing": 0.5}
    assert str(clock) == "backward 3.0 s, forward 4.0 s, writing 0.5 s"


def test_a_phase_that_fails_is_counted_and_ends(ticking):
    clock = Clock()
    with clock("outer"):
        with pytest.raises(ValueError), clock("inner"):
            ticking[0] += 1.0
            raise ValueError
        ticking[0] += 2.0
    assert clock.seconds == {"outer": 2.0, "inner": 1.0}
