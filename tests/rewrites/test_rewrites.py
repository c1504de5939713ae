"""The relevance of a function must not depend on how the function is written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from lrp_domains import ATTN_LRP, CP_LRP

from .comparison import BOTH_REFUSED, DIFFERS, REFUSED, Check, Context, Kind, compare
from .kinds import KINDS, checks
from .limits import LIMITS, MOST_THAT_ARE_REFUSED, MOST_THAT_DIFFER
from .page import page
from .tensors import draw

SAMPLE = 19  # one in that many forms is checked in every run; a prime, so that all contexts occur


def unexpected(of_a_kind: Iterable[Check]) -> list[str]:
    """Return the checks that fail and aren't known limits, one line each. A crash is never a known limit."""
    return [
        f"{check.family}: {check.form}, {check.context}, under {check.rules} {check.outcome}: "
        f"{check.size:.2g} of the largest relevance, cosine {check.cosine:.2f} {check.message}"
        for check in of_a_kind
        if not check.holds and (check.family, check.form) not in LIMITS.get(check.outcome, {})
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_of_forms_gives_the_same_relevance(kind):
    lines = unexpected(compare(KINDS[kind], every=SAMPLE))
    assert not lines, "\n".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_form_gives_the_same_relevance(kind):
    lines = unexpected(checks(kind))
    assert not lines, "\n".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize("outcome", LIMITS)
def test_known_limits_are_still_limits(outcome):
    current = {(check.family, check.form) for kind in KINDS for check in checks(kind) if check.outcome == outcome}
    stale = sorted(set(LIMITS[outcome]) - current)
    assert not stale


@pytest.mark.slow
def test_few_checks_differ_and_few_are_refused():
    outcomes = [check.outcome for kind in KINDS for check in checks(kind)]
    assert outcomes.count(DIFFERS) / len(outcomes) <= MOST_THAT_DIFFER
    refused = outcomes.count(REFUSED) + outcomes.count(BOTH_REFUSED)
    assert refused / len(outcomes) <= MOST_THAT_ARE_REFUSED


@pytest.mark.slow
def test_the_page_is_up_to_date():
    """Otherwise run `python -m tests.rewrites.page`."""
    committed = Path(__file__).parents[2] / "docs" / "invariance.md"
    assert committed.read_text(encoding="utf-8") == page()


# ---- The comparison itself -----------------------------------------------------------------------------------


def kind_of(**forms) -> Kind:
    context = Context(lambda f: f, (draw(3, 4, seed=1),))
    return Kind({"family": forms}, {"on the input": context}, {"AttnLRP": ATTN_LRP, "CP-LRP": CP_LRP})


def test_names_of_families_are_unique_and_limits_name_existing_forms():
    names = [family for kind in KINDS.values() for family in kind.families]
    assert len(names) == len(set(names))
    all_forms = {(family, form) for kind in KINDS.values() for family, forms in kind.families.items() for form in forms}
    for table in LIMITS.values():
        assert set(table) <= all_forms


def test_a_form_that_computes_another_function_raises():
    with pytest.raises(AssertionError, match=r"family.*double.*not the same function"):
        list(compare(kind_of(once=lambda x: x * 1, double=lambda x: 2 * x)))


def test_a_form_is_the_same_differs_or_is_refused():
    """In "halved" exp(x) is added and, as a constant, subtracted: the output is the same, the relevance is not."""
    forms = {
        "sum": lambda x: x + 0 * x.exp(),
        "same": lambda x: x * 1,
        "halved": lambda x: x + x.exp() - x.exp().detach(),
        "refused": lambda x: x + x.logsumexp(0) - x.logsumexp(0).detach(),
    }
    outcomes = {check.form: check for check in compare(kind_of(**forms)) if check.rules == "AttnLRP"}
    assert outcomes["sum"].holds and outcomes["same"].holds
    assert outcomes["halved"].outcome == DIFFERS and outcomes["halved"].size > 0.01
    assert outcomes["refused"].outcome == REFUSED and "logit" in outcomes["refused"].message


def test_the_default_dtype_is_restored():
    before = torch.get_default_dtype()
    seen = []
    list(compare(kind_of(once=lambda x: seen.append(torch.get_default_dtype()) or x * 1)))
    assert seen == [torch.float64]
    assert torch.get_default_dtype() == before
