"""The core: relevance of tensors, independent of texts and genes."""

from .capture import Captured, capture
from .checks import CheckRow, CheckTable, check
from .errors import LrpError, RelevanceError, UnknownOperation
from .explain_rules import RuleTable, explain_rules
from .ledger import Ledger, ledger
from .recurrent import unfused
from .relevance import relevance
from .rule import Rule, constant, gradient
from .rules.layers import alpha_beta, epsilon, flat, gamma, w_squared, z_box
from .rules.rulesets import (
    ALPHA_BETA,
    ATTN_LRP,
    CP_LRP,
    EPSILON,
    EPSILON_PLUS,
    GAMMA,
    GRADIENT,
    MAMBA_LRP,
    RuleSet,
    deep_taylor,
)
from .rules.state_spaces import state_space

__all__ = [
    "ALPHA_BETA",
    "ATTN_LRP",
    "CP_LRP",
    "EPSILON",
    "EPSILON_PLUS",
    "GAMMA",
    "GRADIENT",
    "MAMBA_LRP",
    "Captured",
    "CheckRow",
    "CheckTable",
    "Ledger",
    "LrpError",
    "RelevanceError",
    "Rule",
    "RuleSet",
    "RuleTable",
    "UnknownOperation",
    "alpha_beta",
    "capture",
    "check",
    "constant",
    "deep_taylor",
    "epsilon",
    "explain_rules",
    "flat",
    "gamma",
    "gradient",
    "ledger",
    "relevance",
    "state_space",
    "unfused",
    "w_squared",
    "z_box",
]
