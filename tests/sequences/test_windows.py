"""Long sequences in windows, and the effect of variants."""

import numpy as np
import pytest
import torch

from lrp_domains.domain import DomainError
from lrp_domains.sequences import Alphabet, Record, SequenceExplainer, Variant, explain_windows, variant_effect

from .small_models import Scan, cnn, sequences


def test_windows_are_merged_by_weights():
    model, (letters,) = cnn(), sequences(1, 100)
    explainer = SequenceExplainer(model)
    record = Record(letters, "long", "chr1", 50, "-")
    (merged,) = explain_windows(explainer, record, 1, window=40, stride=25)
    total, weights, scores = np.zeros(100), np.zeros(100), []
    hypothetical = np.zeros((100, 4))
    for start in (0, 25, 50, 60):
        part = explainer(letters[start : start + 40], 1)
        scores.append(part.score)
        for place in range(40):
            weight = min(place + 1, 40 - place)
            total[start + place] += weight * part.relevance[place]
            hypothetical[start + place] += weight * part.hypothetical[place]
            weights[start + place] += weight
    assert merged.relevance == pytest.approx(total / weights)
    assert merged.hypothetical == pytest.approx(hypothetical / weights[:, None])
    assert merged.score == pytest.approx(np.mean(scores)) and merged.units == pytest.approx(merged.relevance.sum())
    assert merged.record == record and merged.notes == ("read in 4 windows of 40 letters",)


def test_a_letter_of_a_linear_model_has_the_same_relevance_in_all_windows():
    model, letters = Scan().double().eval(), sequences(1, 90)[0]
    explainer = SequenceExplainer(model, score="logit")
    (merged,) = explain_windows(explainer, letters, 0, window=50, stride=20)
    whole, starts = explainer(letters, 0).relevance, (0, 20, 40)
    # At a window's ends, some positions of the matrix are missing.
    inner = [all(4 <= at - start < 46 for start in starts if start <= at < start + 50) for at in range(90)]
    assert sum(inner) > 60 and merged.relevance[inner] == pytest.approx(whole[inner])
    (short,) = explain_windows(explainer, letters[:30], 0, window=50)
    assert short.relevance == pytest.approx(explainer(letters[:30], 0).relevance) and not short.notes


def test_windows_of_several_predictions_require_a_target():
    model = Scan(width=1).eval()
    with torch.no_grad():
        model.scan.weight.copy_(torch.tensor([[0.0, 0, 1, 0], [0, 0, 0, 1]])[:, :, None])
    explainer, letters = SequenceExplainer(model), "G" * 40 + "T" * 40
    with pytest.raises(DomainError, match="name a target"):
        explain_windows(explainer, letters, window=40)
    assert len(explain_windows(explainer, letters, 1, window=40)) == 1
    with pytest.raises(DomainError, match="stride"):
        explain_windows(explainer, letters, 0, window=12, stride=13)


def test_each_sequence_has_its_own_target():
    explainer, letters = SequenceExplainer(cnn()), sequences(2, 60)
    merged = explain_windows(explainer, letters, [0, 1], window=40, stride=20)
    for result, number in zip(merged, (0, 1), strict=True):
        (alone,) = explain_windows(explainer, result.sequence, number, window=40, stride=20)
        assert result.target == str(number) and np.array_equal(result.relevance, alone.relevance)
    with pytest.raises(DomainError, match="3 targets for 2 sequences"):
        explain_windows(explainer, letters, [0, 1, 2], window=40)


def test_reference_alleles_of_one_alternative_are_told_apart():
    explainer, (one, other, alternative) = SequenceExplainer(cnn(), score="logit"), sequences(3)
    variants = [Variant(Record(each, "v"), Record(alternative, "v"), True) for each in (one, other)]
    effects = variant_effect(explainer, variants, 1)
    assert [e.reference_score for e in effects] == pytest.approx([explainer(each, 1).score for each in (one, other)])


def test_a_substitution_without_effect_is_at_its_letter_in_a_track():
    model = cnn()
    for parameter in model.parameters():
        parameter.data.zero_()
    before, after = (Record(f"ACGT{letter}CGT" * 5, "v", "chr1", 5) for letter in "AT")
    (effect,) = variant_effect(SequenceExplainer(model), [Variant(before, after, True)], 1)
    assert effect.units == 0 and effect.record.region == (9, 42)


def test_the_effect_of_a_variant_is_the_difference_of_scores():
    model, (letters,) = cnn(), sequences(1)
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}

    def variant(start: int, count: int, inserted: str = "") -> Variant:
        changed = "".join(other[letter] for letter in letters[start : start + count])
        allele = (letters[:start] + changed + inserted + letters[start + count :])[: len(letters)]
        return Variant(Record(letters, "ref"), Record(allele, f"{start}"), not inserted)

    variants = [variant(13, 1), variant(5, 3), variant(20, 1, "TT"), variant(0, 1)]
    effects = variant_effect(SequenceExplainer(model, score="logit", reference="zeros"), variants, target=2)
    for effect, (reference, alternative, is_substitution) in zip(effects, variants, strict=True):
        one_hot = [torch.from_numpy(Alphabet("ACGT").one_hot(r.letters)).double().T for r in (reference, alternative)]
        before, after = model(torch.stack(one_hot))[:, 2].tolist()
        assert (effect.score, effect.reference_score) == pytest.approx((after, before))
        assert effect.relevance.sum() == pytest.approx(after - before, abs=1e-12)
        changed = [a != b for a, b in zip(reference.letters, alternative.letters, strict=True)]
        assert not effect.relevance[np.logical_not(changed)].any() and bool(effect.notes) != is_substitution
    assert min(abs(effect.score - effect.reference_score) for effect in effects[:3]) > 1e-6
