"""Every kind of network under every rule set: as the core explains its score, in the dtype that models have."""

import warnings

import numpy as np
import pytest
import torch

import lrp_domains
from lrp_domains import RuleSet, relevance, relevance_against, unfused
from lrp_domains.domain import score_of
from lrp_domains.sequences import SequenceExplainer

from .small_models import BaseResolution, Recurrent, Scan, Trunk, cnn, sequences

NAMED = {name: getattr(lrp_domains, name) for name in dir(lrp_domains) if name.isupper()}
SETS = {name: rules for name, rules in NAMED.items() if isinstance(rules, RuleSet) and name != "MAMBA_LRP"}
FUNCTIONS = {Trunk: lambda outputs: outputs["human"][:, :, 0].mean(1), BaseResolution: lambda outputs: outputs[1][:, 0]}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("kind", [cnn, Recurrent, Scan, Trunk, BaseResolution])
def test_a_score_is_explained_as_the_core_explains_it(kind, name):
    torch.manual_seed(0)
    model, rules, function = kind().eval().float(), SETS[name], FUNCTIONS.get(kind)
    layout = "channels last" if kind in (Recurrent, Trunk) else "channels first"
    codes = {letter: torch.eye(4)[number] for number, letter in enumerate("ACGT")}
    x = torch.stack([torch.stack([codes[letter] for letter in each]) for each in sequences(3)])

    def score(x):
        outputs = model(x if layout == "channels last" else x.transpose(1, 2))
        return function(outputs) if function else score_of(outputs, torch.ones(3, dtype=torch.long))

    with warnings.catch_warnings(), unfused():
        warnings.simplefilter("ignore")  # rules for a first layer where there is none
        if rules.reads_reference:
            expected = relevance_against(score, x, torch.zeros_like(x), rules=rules, model=model)
        else:
            source = x.clone().requires_grad_()
            expected = relevance(score(source), source, rules=rules, model=model)

    settings = {"reference": "zeros"} if rules.reads_reference else {}
    explainer = SequenceExplainer(model, score=function or "log-odds", rules=rules, layout=layout, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = explainer(sequences(3), target=None if function else 1)
    expected = expected.sum(2).numpy()
    np.testing.assert_allclose([each.relevance for each in found], expected, atol=1e-5 * abs(expected).max())
