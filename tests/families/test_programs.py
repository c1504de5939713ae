"""A model that was exported and decomposed has the same relevance as the model itself."""

from __future__ import annotations

import pytest
import torch

from lrp_domains import ATTN_LRP, CP_LRP, relevance

from .programs import NAMES, build
from .properties import CLOSE, difference, floating, is_explained

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", NAMES)
def test_a_decomposed_program_has_the_same_relevance(name: str) -> None:
    model, inputs = build(name)
    program = torch.export.export(model.eval(), inputs).run_decompositions().module()
    scores, of_program = model(*inputs), program(*inputs)
    torch.testing.assert_close(of_program, scores, rtol=1e-12, atol=1e-12)

    for rules in (ATTN_LRP, CP_LRP):
        relevances, expected = (
            relevance(values.sum(), floating(inputs), rules=rules, model=module, retain_graph=True)
            for values, module in ((of_program, program), (scores, model))
        )
        assert is_explained(expected, floating(inputs))
        assert difference(relevances, expected) < CLOSE
