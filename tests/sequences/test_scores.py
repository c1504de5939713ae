"""Scores of tracks, counts and profiles, and their relevance."""

import numpy as np
import pytest
import torch

from lrp_domains.domain import DomainError
from lrp_domains.sequences import Alphabet, SequenceExplainer, counts, profile, track

from .small_models import BaseResolution, Trunk, sequences


def inputs(letters: list[str]) -> torch.Tensor:
    return torch.stack([torch.from_numpy(Alphabet("ACGT").one_hot(each)) for each in letters]).double()


@pytest.mark.parametrize("bins", [None, slice(2, 5)])
def test_a_track(bins):
    model, letters = Trunk().double().eval(), sequences(3)
    explainer = SequenceExplainer(model, score=track("human", 3, bins), reference="shuffle", references=2)
    results = explainer(letters)
    expected = model(inputs(letters))["human"][:, bins or slice(None), 3].mean(1).detach().numpy()
    assert [result.score for result in results] == pytest.approx(expected)
    for result in results:
        assert result.target is None and result.probability is None
        assert result.rest == pytest.approx(0, abs=1e-9) and np.abs(result.relevance).max() > 0


def test_a_track_without_bins():
    outputs = torch.arange(6.0).reshape(2, 3)
    assert track(track=2)(outputs).tolist() == [2, 5] and track(1, 0)((None, outputs)).tolist() == [0, 3]


def test_counts_and_profile():
    model, letters = BaseResolution().double().eval(), sequences(3)
    logits, total = (output.detach().numpy() for output in model(inputs(letters).transpose(1, 2)))
    assert [r.score for r in SequenceExplainer(model, score=counts())(letters)] == pytest.approx(total[:, 0])
    z = logits.reshape(3, -1) - logits.reshape(3, -1).mean(1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    results = SequenceExplainer(model, score=profile())(letters)
    assert [r.score for r in results] == pytest.approx((p * z).sum(1))

    # Held constant, p is a weight: the gradient of the score is that of sum p z.
    x = inputs(letters).transpose(1, 2).requires_grad_()
    logits = model(x)[0].flatten(1)
    (g,) = torch.autograd.grad((torch.from_numpy(p) * (logits - logits.mean(1, keepdim=True))).sum(), x)
    assert np.stack([r.hypothetical for r in results]) == pytest.approx(g.transpose(1, 2).numpy())


@pytest.mark.parametrize("score", [counts(), profile()])
@pytest.mark.parametrize("both", [False, True])
def test_against_a_reference_scores_of_functions_are_complete(score, both):
    model, letters = BaseResolution().double().eval(), sequences(3)
    explainer = SequenceExplainer(model, score=score, reference="shuffle", references=2, reverse_complement=both)
    for result in explainer(letters):
        assert result.rest == pytest.approx(0, abs=1e-9) and result.score != result.reference_score


DECLARED = {
    "counts": (BaseResolution, counts()),
    "profile": (BaseResolution, profile()),
    "{head: human, track: 3, bins: [2, 5]}": (Trunk, track("human", 3, slice(2, 5))),
    "{head: mouse, track: 1}": (Trunk, track("mouse", 1)),
}


def declare(folder, model, text: str):
    """Export a network to a folder, with its declaration."""
    shape = (2, 40, 4) if isinstance(model, Trunk) else (2, 4, 40)
    program = torch.export.export(
        model, (torch.zeros(shape),), dynamic_shapes=({0: torch.export.Dim("sequences", min=1)},)
    )
    torch.export.save(program, folder / "network.pt2")
    layout = "channels last" if isinstance(model, Trunk) else "channels first"
    (folder / "model.yaml").write_text(f"network: network.pt2\nlayout: {layout}\n{text}\n")


@pytest.mark.parametrize("declared", DECLARED)
def test_a_declaration_names_its_score(declared, tmp_path):
    kind, score = DECLARED[declared]
    model, letters = kind().eval(), sequences(2)
    declare(tmp_path, model, f"score: {declared}")
    loaded = SequenceExplainer.from_pretrained(tmp_path, device="cpu", reference="zeros")
    expected = SequenceExplainer(model, score=score, reference="zeros")(letters)
    for result, other in zip(loaded(letters), expected, strict=True):
        assert result.score == pytest.approx(other.score) and result.rest == pytest.approx(0, abs=1e-5)
        assert result.relevance == pytest.approx(other.relevance, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("declared", ["count", "{track: -1}", "{head: human}", "{track: 0, bins: [1]}"])
def test_a_declared_score_that_there_is_not(declared, tmp_path):
    declare(tmp_path, BaseResolution().eval(), f"score: {declared}")
    with pytest.raises(DomainError, match=r"model.yaml'.*score"):
        SequenceExplainer.from_pretrained(tmp_path, device="cpu")


def test_several_outputs_without_a_score(tmp_path):
    declare(tmp_path, BaseResolution().eval(), "")
    with pytest.raises(DomainError, match=r"not samples x classes: pass a score.*score: counts"):
        SequenceExplainer.from_pretrained(tmp_path, device="cpu")(sequences(1))
