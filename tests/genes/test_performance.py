"""Measures of performance, against their definitions."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from lrp_domains.genes import Training, made_cohort, relevance, train
from lrp_domains.genes.training.losses import cox
from lrp_domains.genes.training.performance import concordance, of_classes


def test_accuracies_are_of_held_out_cells():
    adata = made_cohort()
    model = train(adata, "group", training=Training(folds=3, hidden=8, epochs=5, members=2))
    relevance(adata, model)
    for fold, row in model.performance.iterrows():
        held_out = adata.obs[(model.folds == fold).to_numpy()]
        assert row["held_out_accuracy"] == accuracy_score(held_out["group"], held_out["lrp_predicted"])
        assert row["held_out_balanced_accuracy"] == pytest.approx(
            balanced_accuracy_score(held_out["group"], held_out["lrp_predicted"])
        )


def test_calibration_equals_its_definition():
    random = np.random.default_rng(0)
    logits, true = random.normal(size=(80, 3)) * 2, random.integers(0, 3, 80)
    result = of_classes(logits, true)
    p = softmax(logits, axis=1)
    brier = sum(sum((p[i, c] - (c == true[i])) ** 2 for c in range(3)) for i in range(80)) / 80
    error = 0.0
    for b in range(10):
        inside = [i for i in range(80) if b / 10 < p[i].max() <= (b + 1) / 10]
        if inside:
            right = np.mean([p[i].argmax() == true[i] for i in inside])
            error += len(inside) / 80 * abs(np.mean([p[i].max() for i in inside]) - right)
    assert result["brier"] == pytest.approx(brier) and result["calibration_error"] == pytest.approx(error)
    assert result["log_loss"] == pytest.approx(-np.mean([np.log(p[i, true[i]]) for i in range(80)]))


def test_concordance_equals_its_definition():
    random = np.random.default_rng(0)
    risk, event, time = random.integers(0, 9, 60) * 1.0, random.integers(0, 2, 60), random.integers(1, 15, 60)
    pairs = good = 0.0
    for i in range(60):
        for j in range(60):
            if event[i] and (time[i] < time[j] or (time[i] == time[j] and not event[j])):
                pairs += 1
                good += 1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0
    assert concordance(risk, event, time) == pytest.approx(good / pairs)
    assert np.isnan(concordance(risk, np.zeros(60), time))


def test_the_partial_likelihood_equals_its_definition():
    random = np.random.default_rng(0)
    risk, event, time = random.normal(size=40), random.integers(0, 2, 40), random.integers(1, 12, 40)
    total = 0.0
    for i in range(40):
        if event[i]:
            total += np.log(sum(np.exp(risk[j]) for j in range(40) if time[j] >= time[i])) - risk[i]
    result = cox(*(torch.as_tensor(array, dtype=torch.float64) for array in (risk, event, time)))
    assert result.item() == pytest.approx(total / event.sum(), rel=1e-12)
    assert cox(torch.ones(3, requires_grad=True), torch.zeros(3), torch.ones(3)).item() == 0
