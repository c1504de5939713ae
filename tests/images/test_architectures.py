"""Classifiers of pictures run unmodified under the rule sets for pictures, and relevance is conserved and complete."""

import warnings

import pytest
import torch

from lrp_domains import (
    ATTN_LRP,
    CP_LRP,
    EPSILON_PLUS_FLAT,
    SECANT,
    explain_rules,
    ledger,
    ledger_against,
)
from tests.model_libraries import require

require("torchvision", "timm")

from .classifiers import CLASSIFIERS, build  # noqa: E402

FAST = (
    "torchvision/vit torchvision/swin torchvision/swin_v2 torchvision/convnext torchvision/maxvit "
    "timm/vit_tiny_patch16_224 timm/swinv2_tiny_window8_256 timm/beit_base_patch16_224 timm/convit_tiny "
    "timm/convnextv2_atto transformers/ViT transformers/DeiT transformers/Swin transformers/Beit transformers/ResNet "
    "transformers/CLIP"
).split()
ALL = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in CLASSIFIERS]


@pytest.fixture(autouse=True)
def no_warnings():
    """No layer reads an input, a rule isn't applied, relevance isn't complete, ... would be warned of."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module="lrp_domains|tests")
        yield


@pytest.mark.parametrize("name", ALL)
def test_relevance_is_conserved_and_complete(name):
    model, x, target = build(name)
    x.requires_grad_()
    for rules in (CP_LRP, ATTN_LRP):
        account = ledger(model(x)[:, target], x, rules=rules, model=model)
        assert account.relevance[0].isfinite().all() and account.relevance[0].abs().amax((1, 2, 3)).all()
        assert account.balanced(1e-10) or rules is ATTN_LRP, account
        assert not any("closed" in leaf for leaf in account.leaves)

    black = torch.zeros_like(x)
    account = ledger_against(lambda t: model(t)[:, target], x.detach(), black, rules=SECANT)
    with torch.no_grad():
        gross = account.relevance[0].abs().sum() + model(x).abs().sum() + model(black).abs().sum()
    assert abs(account.residue) < 1e-9 * gross
    assert account.relevance[0].abs().amax((1, 2, 3)).all()


@pytest.mark.parametrize("name", ALL)
def test_the_composite_for_pictures_applies_to_the_layer_that_reads_the_picture(name):
    model, x, target = build(name)
    x.requires_grad_()
    score = model(x)[:, target]
    table = explain_rules(score, x, rules=EPSILON_PLUS_FLAT, model=model)
    account = ledger(score, x, rules=EPSILON_PLUS_FLAT, model=model)
    assert any(row.rule == "flat" for row in table.rows)
    assert account.relevance[0].isfinite().all() and account.relevance[0].abs().amax((1, 2, 3)).all()
    assert account.coefficients == (None,)
