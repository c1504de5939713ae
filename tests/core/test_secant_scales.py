"""Norms against references whose scale is huge: nearly constant rows, zeros."""

import pytest
import torch
from torch.nn import functional as F

from lrp_domains import relevance_against
from lrp_domains.core.secants.scales import split_by_scale

from .against import TIGHT, numbers


def centred(x):
    return x - x.mean(-1, keepdim=True)


NORMS = {
    "layer norm": (
        lambda x: F.layer_norm(x, (8,)),
        lambda x: centred(x) * (centred(x).square().mean(-1, keepdim=True) + 1e-5).rsqrt(),
        lambda x: centred(x) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt(),
    ),
    "RMS norm": (
        lambda x: F.rms_norm(x, (8,), eps=1e-6),
        lambda x: x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt(),
        lambda x: x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt(),
    ),
    "unit length": (
        lambda x: F.normalize(x, dim=-1),
        lambda x: x / x.norm(dim=-1, keepdim=True).clamp_min(1e-12),
        lambda x: x / x.square().sum(-1, keepdim=True).sqrt().clamp_min(1e-12),
    ),
}
REFERENCES = {
    "zeros": torch.zeros,
    "constant rows": lambda *shape: torch.full(shape, 0.3),
    "small": lambda *shape: 1e-3 * numbers(*shape, seed=1),
    "like the input": lambda *shape: numbers(*shape, seed=2),
}


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("name", NORMS)
def test_relevance_is_bounded_complete_and_the_same_however_a_norm_is_written(name, reference):
    x, w = numbers(4, 8, seed=0), numbers(8, seed=3)
    b = REFERENCES[reference](4, 8).double()
    fused, *by_hand = (relevance_against(lambda x, f=f: f(x) @ w, x, b) for f in NORMS[name])
    scores = [(NORMS[name][0](t) @ w) for t in (x, b)]
    torch.testing.assert_close(fused.sum(1), scores[0] - scores[1], **TIGHT)
    assert fused.abs().max() < 30  # the symmetric split yields up to 1e12
    for other in by_hand:
        torch.testing.assert_close(other, fused, **TIGHT)


@pytest.mark.parametrize("ratio", [1.0, 1.5, 6.9, 7.1, 1e3, 1e12])
def test_the_split_is_exact_antisymmetric_and_symmetric_for_like_scales(ratio):
    c = numbers(5, seed=0), numbers(5, seed=1)
    r = torch.full((5,), 2.0).double(), torch.full((5,), 2.0 * ratio).double()
    of_c, of_r = split_by_scale(c, r)
    rise = c[0] * r[0] - c[1] * r[1]
    torch.testing.assert_close(of_c * (c[0] - c[1]) + of_r * (r[0] - r[1]), rise, rtol=1e-12, atol=1e-12 * ratio)

    swapped = split_by_scale(c[::-1], r[::-1])
    torch.testing.assert_close(swapped, (of_c, of_r), **TIGHT)
    assert (of_c <= 4 * torch.minimum(*r)).all()
    if ratio < 7:
        torch.testing.assert_close((of_c, of_r), ((r[0] + r[1]) / 2, (c[0] + c[1]) / 2), **TIGHT)
