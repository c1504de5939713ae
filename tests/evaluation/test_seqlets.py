"""Seqlets against a known truth, an error rate that holds when nothing is there, motifs, and mutagenesis."""

import numpy as np
import pytest
import torch

from lrp_domains.domain import DomainError
from lrp_domains.evaluation import average_motifs, find_seqlets, motif_similarity, sites_found
from lrp_domains.evaluation.rivals import Problem, mutagenesis


def test_seqlets_are_the_strongest_parts_that_do_not_overlap():
    relevance = np.zeros(30)
    relevance[[4, 5, 6, 20, 21]] = [1, 3, 1, 2, 2]
    null = [np.full(30, 0.3) for _ in range(19)]  # parts of 3 sum to 0.9
    found = find_seqlets([np.zeros(30), relevance], null, width=3)
    assert [(s.sequence, s.start, s.relevance) for s in found] == [(1, 4, 5.0), (1, 19, 4.0)]
    assert find_seqlets([relevance], [np.full(30, 1.4)] * 19, width=3)[-1].relevance == 5.0  # 4 is below 4.2


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_error_rate_holds_where_nothing_is_there(alpha):
    random = np.random.default_rng(0)
    hits, trials = 0, 600
    for _ in range(trials):
        *null, sequence = random.standard_t(3, (41, 60))
        hits += bool(find_seqlets([sequence], list(null), width=6, alpha=alpha))
    assert hits / trials < alpha + 3 * np.sqrt(alpha * (1 - alpha) / trials)
    assert hits / trials > alpha / 2  # nor is it needlessly strict


def test_too_few_null_sequences_are_refused():
    with pytest.raises(DomainError, match="at least 19 null sequences"):
        find_seqlets([np.ones(9)], [np.zeros(9)] * 18)


def test_sites_found():
    relevance = [np.zeros(40) for _ in range(22)]
    relevance[0][5:9] = 1  # at its site
    relevance[1][12:16] = 1  # half of it is in the site
    relevance[2][30:34] = 1  # elsewhere; its two sites are missed
    sites = [[(5, 9)], [(10, 14)], [(0, 4), (10, 14)], *[[]] * 19]
    values = sites_found(sites)(relevance)
    assert values["precision"][:3].tolist() == [1, 1, 0] and values["recall"][:3].tolist() == [1, 1, 0]
    assert np.isnan(values["recall"][3:]).all() and np.isnan(values["precision"][3:]).all()


def motif(letters: str) -> np.ndarray:
    return np.eye(4)[["ACGT".index(letter) for letter in letters]]


def test_similarity_over_shifts_and_strands():
    one = motif("TGACTCAT")
    assert motif_similarity(one, one) == (pytest.approx(1), 0, False)
    assert motif_similarity(np.pad(one, ((3, 0), (0, 0))), one) == (pytest.approx(1), 3, False)
    assert motif_similarity(motif("CCGATAAG")[::-1, ::-1], motif("CCGATAAG")) == (pytest.approx(1), 0, True)
    assert motif_similarity(one, motif("CCGATAAG")).correlation < 0.8
    protein = np.eye(20)[:6]
    assert not motif_similarity(protein[::-1, ::-1], protein).is_reversed  # proteins have one strand


def test_motifs_are_recovered_by_averages():
    random, planted = np.random.default_rng(0), ("TGACTCAT", "CCGATAAG")
    contributions, relevance = [], []
    for number in range(60):
        letters, amounts = random.integers(0, 4, 50), random.normal(0, 0.05, 50)
        start, which = int(random.integers(0, 42)), number % 3 == 0
        one_hot = motif(planted[which])
        letters[start : start + 8] = (one_hot[::-1, ::-1] if number % 2 else one_hot).argmax(1)
        amounts[start : start + 8] += 1.0
        contributions.append(np.eye(4)[letters] * amounts[:, None])
        relevance.append(amounts)
    null = [random.permutation(random.normal(0, 0.05, 50)) for _ in range(40)]
    found = average_motifs(contributions, find_seqlets(relevance, null), 2)
    assert len(found) == 2
    for letters in planted:
        assert max(motif_similarity(each, motif(letters)).correlation for each in found) > 0.98


def test_mutagenesis_by_loops():
    torch.manual_seed(0)
    model, x = torch.nn.Linear(20, 1).double(), torch.eye(4, dtype=torch.float64)[torch.randint(0, 4, (3, 5))]

    def score(x):
        return model(x.flatten(1)).tanh()[:, 0]

    (relevance,) = mutagenesis().relevance(Problem(score, (x,), (torch.zeros_like(x),), model))
    for sample in range(3):
        for place in range(5):
            falls = []
            for letter in range(4):
                if x[sample, place, letter] == 0:
                    mutant = x[sample].clone()
                    mutant[place] = torch.eye(4, dtype=torch.float64)[letter]
                    falls.append((score(x[sample][None]) - score(mutant[None])).item())
            assert relevance[sample, place].sum().item() == pytest.approx(np.mean(falls))
