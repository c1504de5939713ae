"""Pictures without some of their pixels, patches or segments, against loops."""

import numpy as np
import pytest
import torch

from lrp_domains.domain import DomainError
from lrp_domains.evaluation import RemovablePixels, blurred, channel_means, in_units, patches, remove

PICTURES = torch.rand(3, 2, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
WEIGHTS = torch.randn(3, 2, 4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def score(pictures, samples):
    """Score pictures by weights of their own."""
    assert not torch.is_grad_enabled()
    return (pictures * WEIGHTS[torch.as_tensor(samples)]).sum((1, 2, 3))


SEGMENTS = torch.tensor([0, 0, 0, 1, 2, 2]).expand(4, 6)
OF_EACH = torch.stack([SEGMENTS, SEGMENTS.flip(1), torch.arange(24).view(4, 6) // 8])


@pytest.mark.parametrize("units", [patches(4, 6), patches(4, 6, 2), SEGMENTS, OF_EACH])
def test_removal_is_that_of_a_loop(units):
    removed = channel_means(PICTURES)
    removable = RemovablePixels(score, PICTURES, removed, units, batch_size=5)
    random = np.random.default_rng(0)
    count = int(units.max()) + 1
    samples, kept = random.integers(0, 3, 12), [random.random(count) < 0.5 for _ in range(12)]
    for found, sample, mask in zip(removable(samples, kept), samples, kept, strict=True):
        own, expected = units if units.ndim == 2 else units[sample], 0.0
        for c, y, x in np.ndindex(2, 4, 6):
            source = PICTURES if mask[own[y, x]] else removed
            expected += float(source[sample, c, y, x] * WEIGHTS[sample, c, y, x])
        assert found == pytest.approx(expected)


@pytest.mark.parametrize("units", [patches(4, 6), patches(4, 6, 2), OF_EACH])
def test_relevance_of_a_linear_score_says_what_removal_does(units):
    """Of a linear score against a reference, relevance of units is by how much it falls without them."""
    removed = blurred(PICTURES, 1.5)
    relevance = in_units((PICTURES - removed) * WEIGHTS, units)
    removal = remove(RemovablePixels(score, PICTURES, removed, units), relevance, fractions=(0.34,))
    for amounts, curve in zip(relevance, removal.without_most, strict=True):
        count = int(np.ceil(0.34 * len(amounts)))
        fall = [0, np.sort(amounts)[::-1][:count].sum(), amounts.sum()]
        np.testing.assert_allclose(curve[0] - curve, fall, atol=1e-9)


def test_patches_are_squares_and_smaller_at_the_edges():
    assert patches(3, 5, 2).tolist() == [[0, 0, 1, 1, 2], [0, 0, 1, 1, 2], [3, 3, 4, 4, 5]]
    assert patches(2, 3).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_what_removed_pixels_are_read_as():
    means = channel_means(PICTURES)
    assert means.shape == PICTURES.shape
    torch.testing.assert_close(means[1, 0, 2, 3], PICTURES[1, 0].mean())
    spot = torch.zeros(2, 2, 41, 41)
    spot[0, 0, 20, 20] = 1
    y, x = np.mgrid[-20:21, -20:21]
    bell = np.exp(-(x**2 + y**2) / (2 * 3.0**2))
    np.testing.assert_allclose(blurred(spot, 3.0)[0, 0].numpy(), bell / bell.sum(), atol=2e-5)
    assert not blurred(spot, 3.0)[1].any() and not blurred(spot, 3.0)[0, 1].any()
    assert blurred(PICTURES.bfloat16(), 1.0).dtype == torch.bfloat16

    from scipy.ndimage import gaussian_filter

    for shape, sigma in (((2, 3, 9, 14), 1.7), ((1, 1, 5, 3), 6.0), ((1, 2, 1, 8), 0.5)):  # also beyond a whole picture
        x = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        expected = torch.from_numpy(gaussian_filter(x.numpy(), (0, 0, sigma, sigma)))
        assert torch.allclose(blurred(x, sigma), expected, rtol=0, atol=1e-12)
        for dtype, atol in ((torch.float32, 1e-6), (torch.bfloat16, 5e-3)):
            assert torch.allclose(blurred(x.to(dtype), sigma).double(), expected, rtol=0, atol=atol)


def test_errors():
    with pytest.raises(DomainError, match="samples x channels x height x width"):
        RemovablePixels(score, PICTURES[0], PICTURES[0], SEGMENTS)
    with pytest.raises(DomainError, match="must agree"):
        RemovablePixels(score, PICTURES, PICTURES[:1], SEGMENTS)
    for units in (SEGMENTS.T, SEGMENTS.double(), SEGMENTS - 1):
        with pytest.raises(DomainError, match="the number of a unit from 0 for each pixel"):
            RemovablePixels(score, PICTURES, PICTURES, units)
    with pytest.raises(DomainError, match="whole numbers from 1"):
        patches(4, 6, 0)
