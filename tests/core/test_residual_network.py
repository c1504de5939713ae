"""A residual CNN needs no canonizer: its relevance is conserved and stays bounded.

The relevance of a ResNet-18 is 256 times the logit in an engine that adds relevances at every sum without dividing them
(one doubling per block), and up to 1e8 times in one that divides relevance by small activations.
"""

import pytest

from lrp_domains import ATTN_LRP, CP_LRP, EPSILON, GAMMA, ledger

from ..architectures import zoo


@pytest.mark.parametrize(
    ("rules", "rtol"),
    [(ATTN_LRP, 1e-12), (CP_LRP, 1e-12), (GAMMA, 1e-12), (EPSILON, 1e-5)],
    ids=str,
)
@pytest.mark.parametrize("seed", range(3))
def test_the_relevance_of_a_resnet18_is_conserved_and_bounded(rules, rtol, seed):
    case = zoo.build("torch/resnet18", seed=seed)
    score, (image,) = zoo.forward(case)
    account = ledger(score, image, rules=rules, model=case.model)
    assert account.balanced(rtol), account
    largest = max(abs(account.score), abs(sum(account.leaves.values())))
    assert account.relevance[0].abs().max() < largest
    assert abs(sum(account.inputs)) < 3 * largest
