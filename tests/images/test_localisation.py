"""Relevance of a trained network is on the shape that is the class, not on the one that all classes have."""

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch import nn

pytest.importorskip("transformers")

from benchmarks.evidence import picture_models
from benchmarks.planted_pictures import SHAPES, shapes, tetrominoes, textures
from lrp_domains import ATTN_LRP, EPSILON_PLUS_FLAT, SECANT, relevance, relevance_against
from lrp_domains.domain import score_of
from lrp_domains.evaluation import (
    RemovablePixels,
    blurred,
    deletion,
    in_units,
    localisation,
    patches,
    remove,
    rivals,
)


def network(made):
    layers = []
    for wide, channels, size, stride in ((3, 16, 5, 2), (16, 24, 3, 2), (24, 32, 3, 1)):
        convolution = nn.Conv2d(wide, channels, size, stride, padding=size // 2, bias=False)
        layers += [convolution, nn.BatchNorm2d(channels), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, made.classes))


@pytest.fixture(scope="module")
def trained():
    torch.set_num_threads(1)
    return picture_models.train(network, shapes(1500, 0), epochs=4, rate=1e-2)


@pytest.fixture(scope="module")
def held_out(trained):
    made = shapes(64, 1)
    assert (picture_models.predicted(trained, made) == made.labels).double().mean() > 0.9
    return made


def explained(model, made, method):
    def score(pictures, samples=None, constant=False):
        samples = torch.arange(len(pictures)) % len(made) if samples is None else samples
        return score_of(model(pictures), made.labels[samples], constant=constant)

    x = made.pictures.clone().requires_grad_()
    if isinstance(method, rivals.Rival):
        (found,) = method.relevance(rivals.Problem(score, (made.pictures,), (blurred(made.pictures, 4.0),), model))
    elif method.reads_reference:
        found = relevance_against(score, made.pictures, blurred(made.pictures, 4.0), rules=method)
    else:
        found = relevance(score(x, constant=True), x, rules=method)
    return score, in_units(found, patches(32, 32))


@pytest.mark.parametrize("rules", [ATTN_LRP, EPSILON_PLUS_FLAT, SECANT])
def test_relevance_is_on_the_shape(trained, held_out, rules):
    _, found = explained(trained, held_out, rules)
    by_chance = held_out.truth.mean()
    measured = localisation([mask.ravel() for mask in held_out.truth])(found)
    assert np.mean(measured["mass accuracy (positive)"]) > 4 * by_chance
    assert np.mean(measured["rank accuracy (positive)"]) > 4 * by_chance


def test_removal_by_relevance_is_felt_sooner_than_at_random(trained, held_out):
    areas = []
    for method in (SECANT, rivals.random_relevance()):
        score, found = explained(trained, held_out, method)
        without = RemovablePixels(score, held_out.pictures, blurred(held_out.pictures, 4.0), patches(32, 32))
        removal = remove(without, found, fractions=(0.02, 0.05, 0.1, 0.3), curves=["without_most"])
        areas.append(deletion(removal.through(expit)).mean())
    assert areas[0] < 0.5 * areas[1]


def test_shapes_are_where_the_truth_says():
    made = shapes(200, 0)
    assert made.pictures.shape == (200, 3, 32, 32) and made.classes == len(SHAPES)
    assert made.pictures.min() >= 0 and made.pictures.max() <= 1
    sizes = np.array([mask.sum() for mask in made.truth])
    assert sizes.min() > 20 and sizes.max() < 110
    brightest = made.pictures.max(1).values.numpy()
    for picture, mask in zip(brightest, made.truth, strict=True):
        ring = (picture > 0.75) & ~mask  # no class has it alone, so it isn't true
        assert picture[mask].mean() > 0.75 and ring.sum() > 20


def test_stripes_are_no_brighter_than_what_is_around():
    made = textures(200, 0)
    values, truth = made.pictures[:, 0].numpy(), made.truth
    assert abs(values[truth].mean() - values[~truth].mean()) < 0.01
    # Only across the stripes of its class a disc varies as they do, which is half a period later the opposite.
    shift = np.array([np.corrcoef(v[m], np.roll(v, 2, axis=1)[m])[0, 1] for v, m in zip(values, truth, strict=True)])
    across = made.labels.numpy() == 0
    assert shift[across].mean() < -0.3 and shift[made.labels.numpy() == 2].mean() > 0


@pytest.mark.parametrize("product", [False, True])
@pytest.mark.parametrize("smooth", [False, True])
def test_tetrominoes_differ_only_where_the_truth_says(product, smooth):
    made = tetrominoes(product=product, smooth=smooth, signal=0.5)(20_000, 0)
    values, labels, truth = made.pictures[:, 0].numpy(), made.labels.numpy(), made.truth[0]
    assert (made.truth == truth).all() and truth.sum() == 8
    of = [values[labels == label] for label in (0, 1)]
    means, deviations = (np.abs(f(of[0], 0) - f(of[1], 0)) / values.std() for f in (np.mean, np.std))
    assert means[~truth].max() < 0.1 and deviations[~truth].max() < 0.1
    differ, same = (deviations, means) if product else (means, deviations)
    assert differ[truth].min() > 0.3 and same.max() < 0.1
    neighbours = np.corrcoef(values[:, 0, 6], values[:, 0, 7])[0, 1]
    assert (neighbours > 0.9) == smooth
