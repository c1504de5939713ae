"""What was explained of samples, in tables and in words, and read back."""

import numpy as np
import pytest
import torch

from lrp_domains.domain import DomainError, Outcome, check_settings, explain_parts, outcome_table, read_outcomes
from lrp_domains.domain.explanation.hypothetical import hypothetical_contributions
from lrp_domains.domain.explanation.score_functions import averaged
from lrp_domains.domain.results.outcomes import by_explained, outcomes_by_number

OUTCOMES = [
    Outcome("s0", 1.0, 0.5, target="cat"),
    Outcome("s1", 2.0, 0.5, target="cat", against="owl"),
    Outcome("s2", 3.0, 0.5),
    Outcome("s3", 4.0, 0.5, target="cat", against="owl"),
]


def test_a_contrast_is_read_back(tmp_path):
    explain_parts(
        lambda rows: ([OUTCOMES[n] for n in rows], [np.zeros(1)] * len(rows)), range(4), tmp_path / "a.parquet",
        request="", part=3,
    )  # fmt: skip
    assert outcomes_by_number(read_outcomes(tmp_path / "a.parquet")) == dict(enumerate(OUTCOMES))


def test_samples_are_grouped_by_what_was_explained():
    assert [each.explained for each in OUTCOMES] == ["cat", "cat against owl", "the score", "cat against owl"]
    groups = {words: rows["name"].tolist() for words, rows in by_explained(outcome_table(OUTCOMES))}
    assert groups == {"cat": ["s0"], "cat against owl": ["s1", "s3"], "the score": ["s2"]}


def test_settings_are_those_of_the_adapter_and_of_tensors():
    def adapter(model, reference=None, **settings):
        """Do nothing."""

    check_settings(["reference", "batch_size", "classes"], adapter)
    for wrong, message in (
        ("referenec", "did you mean 'reference'"),
        ("presicion", "did you mean 'precision'"),
        ("model", "unknown setting 'model'"),
        ("reading", "unknown setting 'reading'"),
    ):
        with pytest.raises(DomainError, match=message):
            check_settings(["reference", wrong], adapter)


def test_a_score_of_several_outputs_is_their_mean():
    def peak(outputs):
        return outputs.amax(1)

    outputs = [torch.tensor([[1.0, 5.0]]), torch.tensor([[3.0, 2.0]])]
    assert averaged(peak)(outputs).tolist() == [4.0] and averaged(peak)(outputs[:1]).tolist() == [5.0]
    assert averaged(peak).__name__ == "peak"


def test_hypothetical_contributions_by_loops():
    random = np.random.default_rng(0)
    x, g, relevance = np.eye(4)[[2, 0, 3]], random.normal(size=(3, 4)), random.normal(size=3)
    found = hypothetical_contributions(x, g, relevance)
    for place in range(3):
        for letter in range(4):
            there = sum(x[place, other] * g[place, other] for other in range(4))
            assert found[place, letter] == pytest.approx(g[place, letter] - there + relevance[place])
