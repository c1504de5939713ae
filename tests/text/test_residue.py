"""A large residue under a rule set that conserves relevance is explained in the notes of a result."""

import pytest
import torch

from lrp_domains import ATTN_LRP, CP_LRP
from lrp_domains.text import TextExplainer

from .small_models import bart, bert, marian
from .small_tokenizers import tokenizer_of

TOKENIZER = tokenizer_of("wordpiece")


@torch.no_grad()
def marian_with_strong_positions():
    """Return a Marian whose scores are mostly those of its frozen positions: without biases they have no rival."""
    model = marian(TOKENIZER)
    for name, parameter in model.named_parameters():
        parameter.mul_(0 if name.endswith("bias") else 10 if "embed_positions" in name else 1)
    return model


def test_frozen_positions_are_noted():
    explainer = TextExplainer(marian_with_strong_positions(), TOKENIZER, rules=CP_LRP)
    alone = explainer("a good film", target="not bad")
    assert abs(alone.ledger.residue) > 0.01 * abs(alone.score)
    results = [alone, *explainer(["a good film", "bad"], target="not bad"), *explainer.stream(["bad"], target="good")]
    results.append(explainer.continuation("a good film", "not bad"))
    for result in results:
        (note,) = result.notes
        assert note.startswith("the residue is large (more than 1% of the score): 2 parameters are frozen, such as")


@pytest.mark.parametrize("make, rules", [(bart, CP_LRP), (bart, ATTN_LRP), (bert, CP_LRP)])
def test_no_note_where_nothing_is_hidden_or_the_rules_leave_a_remainder(make, rules):
    explainer = TextExplainer(make(TOKENIZER), TOKENIZER, rules=rules)
    target = {"target": "not bad"} if make is bart else {}
    assert explainer("a good film", **target).notes == ()
