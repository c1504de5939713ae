"""P-values and q-values of genes compared with decoys, from given scores."""

import numpy as np
import pandas as pd
import pytest

from lrp_domains.genes.decoys.comparison import compared_with_decoys
from lrp_domains.genes.decoys.knockoffs import knockoff_q_values, q_values, scale_of
from lrp_domains.genes.decoys.null import like_genes, p_values
from lrp_domains.genes.decoys.scores import DecoyScores


@pytest.mark.parametrize("draws", [1, 4])
def test_p_values_are_those_of_a_loop_over_decoys(draws):
    random = np.random.default_rng(0)
    scores, decoys = random.normal(0.1, 1, (draws, 30)), random.normal(0, 1, (draws, 30))
    other = [random.permutation([number for number in range(30) if number != gene])[:8] for gene in range(30)]
    like = np.array([[gene, *numbers] for gene, numbers in enumerate(other)])
    others = [[other for other in row if other != gene] for gene, row in enumerate(like)]
    scale = [np.sqrt(np.mean([decoys[draw, other] ** 2 for draw in range(draws) for other in row])) for row in others]
    pool = [decoys[draw, other] / scale[other] for draw in range(draws) for other in range(30)]
    expected = []
    for gene in range(30):
        p = [(1 + sum(d >= score / scale[gene] for d in pool)) / (1 + len(pool)) for score in scores[:, gene]]
        if draws > 1:
            mean = np.mean([np.tan((0.5 - min(value, 0.99)) * np.pi) for value in p])
            p = [0.5 - np.arctan(mean) / np.pi]
        expected.append(p[0])
    np.testing.assert_allclose(p_values(scores, decoys, like), expected, rtol=1e-12)


@pytest.mark.parametrize("draws", [1, 3])
def test_p_values_of_genes_that_are_like_decoys_are_uniform(draws):
    random = np.random.default_rng(0)
    level = np.exp(random.normal(0, 1, 4000))  # the size of relevance follows the level of expression
    noise_of_networks = random.normal(0, 0.5, (2, draws, 4000))
    scores = level * (random.normal(0, 1, 4000) + noise_of_networks[0])
    decoys = level * (random.normal(0, 1, (draws, 4000)) + noise_of_networks[1])
    p = p_values(scores, decoys, like_genes(level, np.ones(4000)))
    assert abs((p < 0.05).mean() - 0.05) < 0.01 and (p < 0.005).mean() < 0.008
    top = level > np.quantile(level, 0.9)
    assert 0.02 < (p[top] < 0.05).mean() < 0.08  # also of the genes that are expressed most


def test_like_genes_are_near_in_level_and_variance():
    random = np.random.default_rng(0)
    mean, deviation = random.normal(0, 1, (2, 3000))
    like = like_genes(mean, deviation)
    assert like.shape == (3000, 60) and (like == np.arange(3000)[:, None]).any(1).all()
    assert np.abs(mean[like] - mean[:, None]).mean() < 0.4 and np.abs(deviation[like] - deviation[:, None]).mean() < 0.4
    tied = like_genes(np.zeros(3000), np.ones(3000))
    assert len(np.unique(tied)) == 3000  # not the same few genes for all
    assert like_genes(np.arange(5.0), np.arange(5.0)).shape == (5, 5)


def naive_q(scores, decoys):
    difference = scores - decoys
    q = []
    for size in difference:
        rates = [
            (1 + sum(difference <= -t)) / sum(difference >= t) for t in np.abs(difference) if 0 < t <= max(size, 0)
        ]
        q.append(min([1.0, *rates]) if size > 0 else 1.0)
    return np.array(q)


@pytest.mark.parametrize("seed", range(5))
def test_q_values_are_those_of_every_threshold(seed):
    random = np.random.default_rng(seed)
    scores, decoys = random.normal(0, 1, 60), random.normal(0, 1, 60)
    scores[:15] += 4
    if seed == 4:
        scores, decoys = scores.round(), decoys.round()  # ties, and genes that equal their decoys
    np.testing.assert_allclose(knockoff_q_values(scores, decoys), naive_q(scores, decoys), rtol=1e-12)
    draws = np.stack([scores, scores + random.normal(0, 1, 60), scores + random.normal(0, 1, 60)])
    of_decoys = np.stack([decoys] * 3)
    like = like_genes(*random.normal(0, 1, (2, 60)))
    sizes = [np.mean([*np.abs(draws[:, gene]), *np.abs(of_decoys[:, gene])]) for gene in range(60)]
    scale = np.array([np.median([sizes[other] for other in others]) for others in like])
    expected = np.median([naive_q(s / scale, d / scale) for s, d in zip(draws, of_decoys, strict=True)], axis=0)
    np.testing.assert_allclose(q_values(draws, of_decoys, like), expected, rtol=1e-12)


def test_the_scale_does_not_tell_genes_from_their_decoys():
    random = np.random.default_rng(0)
    scores, decoys = random.normal(0, 1, (2, 3, 80))
    like = like_genes(*random.normal(0, 1, (2, 80)))
    q = q_values(scores, decoys, like)
    assert (q[(scores > decoys).sum(0) < 2] == 1).all()
    # Of genes that beat their decoys in every draw, half change places with them: the order by size is the same.
    scores, decoys = np.maximum(scores, decoys), np.minimum(scores, decoys)
    swapped = np.arange(80) % 2 == 0
    others = np.where(swapped, decoys, scores), np.where(swapped, scores, decoys)
    np.testing.assert_allclose(scale_of(scores, decoys, like), scale_of(*others, like), rtol=1e-12)


def test_loud_decoys_of_some_level_hide_no_gene_of_another():
    random = np.random.default_rng(0)
    mean = np.r_[np.full(100, 10.0), np.zeros(300)]  # a quarter of the genes are expressed highly
    scores, decoys = random.normal(0, np.where(mean > 0, 30, 1), (2, 3, 400))
    scores[:, -20:] += 8
    found = q_values(scores, decoys, like_genes(mean, np.ones(400))) <= 0.1
    assert found[-20:].all() and found[:-20].sum() <= 2
    alike = np.tile(np.arange(400), (400, 1))  # all genes on one scale
    assert not (q_values(scores, decoys, alike) <= 0.1).any()


def test_no_gene_is_selected_where_as_many_decoys_win():
    scores = np.concatenate([np.full(10, 1.0), np.zeros(10)])
    assert (knockoff_q_values(scores, scores[::-1]) == 1).all()
    assert (knockoff_q_values(scores, np.zeros(20))[:10] == 0.1).all()  # ten wins: 1 / 10, no less


def test_a_draw_without_a_group_is_left_out():
    random = np.random.default_rng(0)
    scores, decoys = random.normal(0, 1, (2, 3, 2, 40))
    scores[1, 0] = decoys[1, 0] = np.nan
    scores[:, 1] = decoys[:, 1] = np.nan
    names = {
        "groups": np.array(["a", "b"], dtype=object),
        "genes": np.array([f"g{i}" for i in range(40)], dtype=object),
    }
    moments = {"mean": np.arange(40.0), "deviation": np.ones(40), "cells": np.zeros((0, 0))}
    tables = compared_with_decoys(DecoyScores(scores=scores, decoys=decoys, **names, **moments))
    expected = compared_with_decoys(DecoyScores(scores=scores[[0, 2]], decoys=decoys[[0, 2]], **names, **moments))
    pd.testing.assert_frame_equal(tables["a"], expected["a"])
    assert tables["a"].notna().all(axis=None) and tables["b"].isna().all(axis=None)
