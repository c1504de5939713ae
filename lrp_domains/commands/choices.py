"""Names on the command line and the values that the library takes for them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import lrp_domains

if TYPE_CHECKING:
    from ..evaluation.rivals import Rival


class Rules(StrEnum):
    """Rule sets by name, and AttnLRP averaged over points; ``.rule_set`` is what is passed as rules."""

    ATTN_LRP = "attn-lrp"
    CP_LRP = "cp-lrp"
    MAMBA_LRP = "mamba-lrp"
    GIM = "gim"
    EPSILON = "epsilon"
    EPSILON_PLUS = "epsilon-plus"
    EPSILON_PLUS_FLAT = "epsilon-plus-flat"
    EPSILON_ALPHA2_BETA1_FLAT = "epsilon-alpha2-beta1-flat"
    GAMMA = "gamma"
    ALPHA_BETA = "alpha-beta"
    GRADIENT = "gradient"
    SECANT = "secant"
    SECANT_HALF = "secant-half"
    ATTN_LRP_MIDPOINTS = "attn-lrp-midpoints"

    @property
    def rule_set(self) -> lrp_domains.RuleSet | Rival:
        """What is passed as rules."""
        if self is Rules.ATTN_LRP_MIDPOINTS:
            from ..evaluation import rivals

            return rivals.midpoints()
        return getattr(lrp_domains, self.name)


ScoreOption = Annotated[
    Literal["log-odds", "margin", "logit"] | None,
    typer.Option(
        help="log-odds: logit minus the others' probability-weighted mean; margin: minus their plain mean; logit: the "
        "logit alone (default log-odds)."
    ),
]
RulesOption = Annotated[
    Rules | None,
    typer.Option(
        help="The rule set (default: attn-lrp, or secant with a reference). attn-lrp-midpoints averages attn-lrp over "
        "4 points on the way from a reference."
    ),
]
PrecisionOption = Annotated[
    Literal["fp32", "bf16", "fp16"] | None,
    typer.Option(help="What networks compute in; relevance is written in fp32 (default: that of their weights)."),
]
CompileOption = Annotated[
    Literal["eager", "inductor", "cudagraphs"] | None,
    typer.Option(
        help="Compile explanations: eager takes a second per size of a batch, inductor up to a minute, which pays off "
        "for many batches; cudagraphs is for GPUs (default: they aren't compiled)."
    ),
]


def library_value(value: Any) -> Any:
    """Convert a value of the command line to that of the library: the name of a rule set to the rule set."""
    return value.rule_set if isinstance(value, Rules) else value
