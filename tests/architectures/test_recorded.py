"""Compiled explanations of the zoo are the usual ones to the last bit, also for other tokens and other padding."""

from __future__ import annotations

import pytest

from .known_exceptions import BRANCHES
from .recorded import recorded
from .test_architectures import EXPLAINED

# A few of each kind; the others are slow.
FAST = (
    "albert bert distilbert fnet jetmoe llama causal/bloom causal/gpt2 masked/roberta image/convnext "
    "torch/transformer-gelu torch/mlp-smooth"
).split()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in EXPLAINED]
)
def test_it_is_recorded(name: str) -> None:
    result = recorded(name)
    assert not result.refused
    assert set(result.differences.values()) == {0.0}
    assert "same" not in result.anew
    assert ("other" in result.anew) == (name in BRANCHES)
