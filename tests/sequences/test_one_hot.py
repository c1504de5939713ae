"""Relevance of one-hot encoded letters against plain loops in float64, and what has to hold for any network."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lrp_domains import ATTN_LRP, EPSILON_PLUS
from lrp_domains.genomics.letters import reverse_complement
from lrp_domains.sequences import Alphabet, Record, SequenceExplainer, dinucleotide_shuffle

from .small_models import BaseResolution, Recurrent, Scan, Trunk, cnn, sequences

CODES = {letter: number for number, letter in enumerate("ACGT")}


def test_a_linear_scan_has_the_relevance_of_its_matrix():
    model, (letters,) = Scan().double().eval(), sequences(1)
    weight = model.scan.weight.detach().numpy()
    result = SequenceExplainer(model, score="logit")(letters, target=1)
    expected, of_all = np.zeros(len(letters)), np.zeros((len(letters), 4))
    for start in range(len(letters) - 4):
        for step in range(5):
            expected[start + step] += weight[1, CODES[letters[start + step]], step]
            of_all[start + step] += weight[1, :, step]
    assert result.relevance == pytest.approx(expected)
    assert result.hypothetical == pytest.approx(of_all)  # of a linear model: what each letter would add
    assert result.rest == pytest.approx(float(model.scan.bias[1].detach()) * (len(letters) - 4))


def test_a_network_with_relu_by_loops():
    torch.manual_seed(1)
    conv, head = nn.Conv1d(4, 6, 5).double(), nn.Linear(6, 2).double()
    model = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), head).eval()
    (letters,) = sequences(1)
    w, b, v = (tensor.detach().numpy() for tensor in (conv.weight, conv.bias, head.weight))
    places, expected = len(letters) - 4, np.zeros(len(letters))
    for start in range(places):
        for unit in range(6):
            z = b[unit] + sum(w[unit, CODES[letters[start + step]], step] for step in range(5))
            for step in range(5):
                share = v[1, unit] * (z > 0) / places
                expected[start + step] += share * w[unit, CODES[letters[start + step]], step]
    assert SequenceExplainer(model, score="logit")(letters, target=1).relevance == pytest.approx(expected)


def test_hypothetical_contributions_of_a_linear_model_against_references():
    model, (letters,) = Scan().double().eval(), sequences(1)
    shuffles = [dinucleotide_shuffle(letters, seed) for seed in range(4)]
    result = SequenceExplainer(model, score="logit", reference="shuffle", references=4)(letters, target=0)
    weights = SequenceExplainer(model, score="logit")(letters, target=0).hypothetical
    mean = np.mean([Alphabet("ACGT").one_hot(each) for each in shuffles], 0)
    direct = weights - (mean * weights).sum(1, keepdims=True)  # of a letter, against the mean reference
    assert result.hypothetical == pytest.approx(direct)
    assert result.relevance == pytest.approx((result.one_hot * direct).sum(1))


def test_contributions_against_references_are_those_of_the_rescale_rule_by_loops():
    """DeepLIFT (Shrikumar et al. 2017): a ReLU multiplies by the share of the difference that it lets through."""
    torch.manual_seed(1)
    conv, head = nn.Conv1d(4, 6, 5).double(), nn.Linear(6, 2).double()
    model = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), head).eval()
    (letters,) = sequences(1, 25)
    shuffles = [dinucleotide_shuffle(letters, seed) for seed in range(3)]
    w, b, v = (tensor.detach().numpy() for tensor in (conv.weight, conv.bias, head.weight))
    x, places = Alphabet("ACGT").one_hot(letters), len(letters) - 4
    expected, of_all = np.zeros(len(letters)), np.zeros((len(letters), 4))
    for shuffle in shuffles:
        y, multiplier = Alphabet("ACGT").one_hot(shuffle), np.zeros((len(letters), 4))
        for start in range(places):
            for unit in range(6):
                z, z0 = (b[unit] + sum(w[unit, :, step] @ each[start + step] for step in range(5)) for each in (x, y))
                through = (max(z, 0) - max(z0, 0)) / (z - z0) if abs(z - z0) > 1e-9 else z > 0
                for step in range(5):
                    multiplier[start + step] += v[1, unit] * through / places * w[unit, :, step]
        expected += ((x - y) * multiplier).sum(1) / 3
        for letter in range(4):
            of_all[:, letter] += ((np.eye(4)[letter] - y) * multiplier).sum(1) / 3
    result = SequenceExplainer(model, score="logit", reference=shuffles)(letters, target=1)
    assert result.relevance == pytest.approx(expected) and result.hypothetical == pytest.approx(of_all)


def test_hypothetical_contributions_are_the_mean_over_references():
    """In a network that isn't linear, g depends on the reference: h[c] is the mean of g_k[c] - sum r_k g_k."""
    model, (letters,) = cnn(), sequences(1)
    shuffles = [dinucleotide_shuffle(letters, seed) for seed in range(3)]
    together = SequenceExplainer(model, reference=shuffles)(letters, target=1)
    apart = [SequenceExplainer(model, reference=each)(letters, target=1) for each in shuffles]
    assert together.hypothetical == pytest.approx(np.mean([each.hypothetical for each in apart], 0))
    assert (together.hypothetical * together.one_hot).sum(1) == pytest.approx(together.relevance)


@pytest.mark.parametrize("of", [np.array, pd.Series, lambda letters: [Record(each, "of a file") for each in letters]])
def test_references_may_be_records_and_columns(of):
    letters, *others = sequences(3)
    several = SequenceExplainer(model := cnn(), reference=of(others))(letters, target=1)
    expected = SequenceExplainer(model, reference=others)(letters, target=1)
    np.testing.assert_array_equal(several.relevance, expected.relevance)


@pytest.mark.parametrize("model", [cnn, Recurrent, lambda: Scan(classes=3)])
def test_relevance_sums_to_the_difference_from_shuffles(model):
    model, letters = model().double().eval(), sequences()
    results = SequenceExplainer(model, reference="shuffle", references=3, batch_size=3)(letters, target=1)
    for result, sequence in zip(results, letters, strict=True):
        scores = [_log_odds(model, each) for each in (sequence, *(dinucleotide_shuffle(sequence, n) for n in range(3)))]
        assert result.score == pytest.approx(scores[0]) and result.reference_score == pytest.approx(np.mean(scores[1:]))
        assert result.relevance.sum() == pytest.approx(scores[0] - np.mean(scores[1:]), abs=1e-9)
        assert result.rest == pytest.approx(0, abs=1e-9)


def _log_odds(model, letters: str) -> float:
    x = torch.from_numpy(Alphabet("ACGT").one_hot(letters)).double()[None]
    logits = model(x if isinstance(model, Recurrent) else x.transpose(1, 2)).detach()[0].numpy()
    return float(logits[1] - np.log(np.exp(np.delete(logits, 1)).sum()))


def test_layouts_are_found():
    for model, layout in ((cnn(), "channels first"), (Recurrent().double().eval(), "channels last")):
        explainer = SequenceExplainer(model)
        explainer(sequences(1), target=0)
        assert explainer.encoding.layout == layout


def test_unknown_letters_and_lower_case():
    model = Scan().double().eval()
    plain, soft, unknown, quarter = (
        SequenceExplainer(model, score="logit", unknown=code)(letters, target=0)
        for letters, code in (("ACGTACGT", 0), ("ACgtacGT", 0), ("ACGNACGT", 0), ("ACGNACGT", 0.25))
    )
    assert np.array_equal(plain.relevance, soft.relevance) and soft.sequence == "ACgtacGT"
    assert unknown.relevance[3] == 0 and unknown.score == pytest.approx(plain.score - plain.relevance[3])
    assert quarter.relevance[3] == pytest.approx(plain.hypothetical[3].mean())


def test_shorter_sequences_are_padded():
    model = nn.Sequential(nn.Conv1d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 18, 2)).double().eval()
    (letters,) = sequences(1, 13)
    explainer = SequenceExplainer(model, length=20, reference="shuffle", references=2)
    result = explainer(letters, target=1)
    whole = SequenceExplainer(model)("NNN" + letters + "NNNN", target=1, reference=lambda record: [
        f"NNN{dinucleotide_shuffle(letters, seed)}NNNN" for seed in range(2)
    ])  # fmt: skip
    assert result.relevance == pytest.approx(whole.relevance[3:16]) and result.hypothetical.shape == (13, 4)
    assert result.rest == pytest.approx(0, abs=1e-9)


def test_sequences_of_several_lengths_keep_their_order():
    letters = [*sequences(3, 20), *sequences(2, 31, seed=3), *sequences(2, 20, seed=4)]
    explainer = SequenceExplainer(cnn(), batch_size=2)
    results = explainer(letters, target=0)
    assert [result.sequence for result in results] == letters
    for result, sequence in zip(results, letters, strict=True):
        assert result.relevance == pytest.approx(explainer(sequence, target=0).relevance)


@pytest.mark.parametrize("alphabet", ["ACGT", "CATG"])
def test_both_strands_are_averaged(alphabet):
    model, letters = cnn(), sequences()
    both = SequenceExplainer(model, alphabet, reverse_complement=True)
    forward, backward = both(letters, 1), both([reverse_complement(each) for each in letters], 1)
    for one, other in zip(forward, backward, strict=True):
        turned = [alphabet.index(letter) for letter in reverse_complement(alphabet)[::-1]]
        assert one.relevance == pytest.approx(other.relevance[::-1])
        assert one.hypothetical == pytest.approx(other.hypothetical[::-1][:, turned])
    single = SequenceExplainer(model, alphabet, score="logit")
    both = SequenceExplainer(model, alphabet, score="logit", reverse_complement=True)
    pair = single(letters[0], 1), single(reverse_complement(letters[0]), 1)
    assert both(letters[0], 1).relevance == pytest.approx((pair[0].relevance + pair[1].relevance[::-1]) / 2)
    assert both(letters[0], 1).score == pytest.approx((pair[0].score + pair[1].score) / 2)

    turned = [alphabet.index(letter) for letter in reverse_complement(alphabet)[::-1]]
    shuffles = [dinucleotide_shuffle(letters[0], seed) for seed in range(2)]
    forward = single(letters[0], 1, reference=shuffles)
    backward = single(reverse_complement(letters[0]), 1, reference=[reverse_complement(each) for each in shuffles])
    both = both(letters[0], 1, reference=shuffles)
    assert both.relevance == pytest.approx((forward.relevance + backward.relevance[::-1]) / 2)
    assert both.hypothetical == pytest.approx((forward.hypothetical + backward.hypothetical[::-1][:, turned]) / 2)


def test_rules_and_classes_by_name():
    explainer = SequenceExplainer(cnn(), classes=["a", "b", "c"], rules=EPSILON_PLUS)
    result = explainer(Record("ACGTACGTACGTACGTACGT", "peak", label="b"), target="c", against="a")
    assert (result.name, result.target, result.label, result.rules) == ("peak", "c", "b", EPSILON_PLUS.name)
    assert SequenceExplainer(cnn())(sequences(1))[0].rules == ATTN_LRP.name


@pytest.mark.parametrize("model", [cnn, Recurrent, BaseResolution, Trunk, lambda: Scan(classes=3)])
def test_the_model_is_not_changed(model):
    model = model().double().eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    score = (lambda outputs: outputs[1][:, 0]) if isinstance(model, BaseResolution) else "log-odds"
    score = (lambda outputs: outputs["human"][:, :, 0].mean(1)) if isinstance(model, Trunk) else score
    layout = "channels last" if isinstance(model, Trunk | Recurrent) else "channels first"
    SequenceExplainer(model, score=score, layout=layout, reference="zeros")(sequences(2))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())
