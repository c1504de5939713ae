"""Explained samples that are read from files one by one, and those of overlapping windows."""

import numpy as np
import pytest

from lrp_domains.domain import DomainError, Outcome, Shard, explain_parts, read_arrays
from lrp_domains.domain.files.arrays import write_stacked
from lrp_domains.domain.results.windows import merged_outcome, merged_windows, window_starts
from lrp_domains.domain.runs.stored import stored


def test_samples_are_read_when_they_are_asked_for(tmp_path):
    outcomes = [Outcome(f"s{n}", score=n + 1.0, units=n / 2, label="x" * (n % 2) or None) for n in range(6)]
    noted = [Outcome(**vars(each) | {"notes": ("one", "other")}) if not n else each for n, each in enumerate(outcomes)]

    def explain(numbers):
        return [noted[n] for n in numbers], [np.full(n + 1, n) for n in numbers]

    explain_parts(explain, range(6), tmp_path / "a.parquet", request="", shard=Shard(2, 2), part=2)
    made = []

    def make(outcome, array):
        made.append(outcome.name)
        return outcome, array.tolist()

    with stored(tmp_path / "a.parquet", make) as samples:
        assert len(samples) == 3 and list(samples) == [3, 4, 5] and not made
        assert 4 in samples and 2 not in samples and not made
        assert samples[4] == (noted[4], [4] * 5) and made == ["s4"]
        assert [outcome for outcome, _ in samples.values()] == noted[3:]
    explain_parts(explain, range(6), tmp_path / "b.parquet", request="")
    with stored(tmp_path / "b.parquet", make) as samples:
        assert samples[0][0] == noted[0]


def test_arrays_are_stacked_one_by_one(tmp_path):
    arrays = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
    write_stacked((array for array in arrays.transpose(0, 2, 1)), (5, 3, 4), tmp_path / "a.npz")
    assert (np.load(tmp_path / "a.npz")["arr_0"] == arrays.transpose(0, 2, 1)).all()
    with pytest.raises(DomainError, match="did you mean 'arr_0'"):
        read_arrays(tmp_path / "a.npz", ["arr_1"])


@pytest.mark.parametrize("shape", [(), (2,)])
def test_windows_are_merged_by_the_distance_from_their_ends(shape):
    starts = window_starts(23, 8, 5)
    assert starts == [0, 5, 10, 15] and window_starts(6, 8, 5) == [0] and window_starts(8, 8, 5) == [0]
    windows = np.random.default_rng(0).normal(size=(4, 8, *shape))
    merged = merged_windows(windows, starts, 23)
    for place in range(23):
        covering = [
            (min(place - s, s + 7 - place) + 1, w[place - s])
            for s, w in zip(starts, windows, strict=True)
            if 0 <= place - s < 8
        ]
        expected = sum(weight * value for weight, value in covering) / sum(weight for weight, _ in covering)
        assert merged[place] == pytest.approx(expected)


def test_the_outcome_of_windows_has_their_mean_scores():
    several = [Outcome(f"w{n}", score=n, units=1.0, target="a", against="b", reference_score=3.0 * n) for n in (1, 2)]
    merged = merged_outcome(several, "whole", units=5.0)
    assert merged == Outcome("whole", 1.5, 5.0, target="a", against="b", reference_score=4.5)
    with pytest.raises(DomainError, match="the windows of 'whole' predict a, c: name a target"):
        merged_outcome([several[0], Outcome("w", 1.0, 1.0, target="c")], "whole")
