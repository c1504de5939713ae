"""Stability, sanity and random removal, against loops and against what must hold when nothing is there."""

import numpy as np
import pytest
import torch
from torch import nn

from lrp_domains import relevance
from lrp_domains.domain import DomainError
from lrp_domains.evaluation import agreement, jaccard, parameter_randomisation, shuffled, soft_measures, spearman
from lrp_domains.evaluation.soft import kept_probabilities


def test_jaccard_counts_units_with_their_sign():
    a, b = np.array([5.0, -4, 3, 0, 0]), np.array([5.0, 4, 0, 3, 0])
    assert jaccard(a, a, 3) == 1
    assert jaccard(a, b, 2) == pytest.approx(1 / 3)  # {0+, 1-} and {0+, 1+}
    assert jaccard(a, b, 3) == pytest.approx(1 / 5)


def test_agreement_of_noisy_copies_falls_with_the_noise():
    random = np.random.default_rng(0)
    truth = random.standard_normal(200)
    near = agreement({f"{i}": truth + 0.1 * random.standard_normal(200) for i in range(4)})
    far = agreement({f"{i}": truth + 2.0 * random.standard_normal(200) for i in range(4)})
    none = agreement({f"{i}": random.standard_normal(200) for i in range(4)})
    assert len(near) == 6
    for column in ("spearman", "jaccard", "rbo"):
        assert near[column].mean() > far[column].mean() > none[column].mean() - 0.05
    assert abs(none["spearman"].mean()) < 0.1


def test_units_must_be_aligned():
    with pytest.raises(DomainError, match="align"):
        spearman(np.ones(3), np.ones(4))


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4)]
    return nn.Sequential(*layers).eval()


def test_shuffled_weights_are_put_back():
    model = network()
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(ZeroDivisionError), shuffled(model, ["0", "4"]):
        changed = [not torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True)]
        assert changed == [True, True, False, False, True, True]
        torch.testing.assert_close(model[0].weight.sort().values.sum(), before[0].sum())
        1 / 0  # noqa: B018
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))


def test_relevance_depends_on_the_parameters_and_a_constant_does_not():
    model = network()
    x = torch.randn(16, 12)

    def explain():
        leaf = x.clone().requires_grad_()
        return list(relevance(model(leaf)[:, 0], leaf).numpy())

    of_relevance = parameter_randomisation(model, explain)
    assert of_relevance["layer"].tolist() == ["4", "2", "0"]
    assert of_relevance["similarity"].iloc[-1] < 0.5
    of_input = parameter_randomisation(model, lambda: list(x.numpy()))
    assert (of_input["similarity"] == 1).all()


def test_a_layer_is_randomised_in_all_networks_of_an_ensemble():
    networks, seen = nn.ModuleList([network(), network()]), []
    before = [p.detach().clone() for p in networks.parameters()]

    def kept():
        return [torch.equal(p, q) for p, q in zip(networks.parameters(), before, strict=True)]

    def explain():
        seen.append(kept())
        return [np.arange(5.0)]

    table = parameter_randomisation(list(networks), explain, layers=["4", "2"])
    assert table["layer"].tolist() == ["4", "2"]
    assert seen == [2 * [True] * 6, 2 * ([True] * 4 + [False] * 2), 2 * ([True] * 2 + [False] * 4)]
    assert all(kept())


def test_a_module_is_randomised_with_those_within_each_once():
    model = nn.Sequential(network(), nn.Linear(3, 3))
    before = [p.detach().clone() for p in model.parameters()]
    with shuffled(model, ["0"]):
        once = [p.detach().clone() for p in model.parameters()]
    changed = [not torch.equal(p, q) for p, q in zip(once, before, strict=True)]
    assert changed == [True] * 6 + [False] * 2
    with shuffled(model, ["0", "0.2"]):
        assert all(torch.equal(p, q) for p, q in zip(model.parameters(), once, strict=True))
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))


def test_layers_are_checked():
    with pytest.raises(DomainError, match="no module with parameters"):
        parameter_randomisation(network(), list, layers=["nine"])


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.8, 1.0])
def test_the_expected_share_of_kept_units_is_fixed(share):
    random = np.random.default_rng(0)
    for relevance_ in (random.standard_normal(17), np.r_[100.0, np.zeros(9)], np.zeros(5), np.arange(6.0)):
        chances = kept_probabilities(relevance_, share)
        assert chances.mean() == pytest.approx(share)
        assert (chances >= 0).all()
        assert (chances <= 1 + 1e-12).all()
        assert (np.diff(chances[np.argsort(relevance_)]) >= -1e-12).all()


def test_scale_is_not_rewarded_but_order_is():
    weights = [np.array([6.0, 0.1, 0.2, 0.3, 5.0, 0.1, 0.2, 0.1])] * 10

    def additive(samples, kept):
        return np.array([weights[s][mask].sum() for s, mask in zip(samples, kept, strict=True)])

    options = {"draws": 200, "share": 0.4}
    right = soft_measures(additive, weights, **options)
    larger = soft_measures(additive, [10 * w for w in weights], **options)
    wrong = soft_measures(additive, [-w for w in weights], **options)
    for name in ("Soft-NC", "Soft-NS"):
        assert right[name].mean() == pytest.approx(larger[name].mean())
        assert right[name].mean() > wrong[name].mean() + 0.3


def test_soft_measures_are_their_formula():
    weights = [np.array([3.0, 1.0, 2.0])]

    def additive(samples, kept):
        return np.array([weights[s][mask].sum() for s, mask in zip(samples, kept, strict=True)])

    # All of the second and third are kept or removed: share 2/3 gives (1, 1/3, 2/3) by weights (2, 0, 1).
    found = soft_measures(additive, weights, share=2 / 3, draws=4000)
    chances = np.array([1.0, 0.0, 1.0])
    np.testing.assert_allclose(kept_probabilities(weights[0], 2 / 3), chances)
    assert found["Soft-NS"][0] == pytest.approx(1 - 1 / 6)
    assert found["Soft-NC"][0] == pytest.approx(5 / 6)


def test_explanations_of_other_units_do_not_agree():
    with pytest.raises(DomainError, match="can't be compared: align their units"):
        agreement({"a": np.arange(3.0), "b": np.arange(2.0)})
