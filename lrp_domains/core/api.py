"""The public names of the core, which are those of `lrp_domains`."""

from .capture import Captured, capture
from .checks import CheckRow, CheckTable, check
from .errors import LrpError, RelevanceError, UnknownOperation
from .explain_rules import RuleTable, explain_rules
from .ledger import Ledger, ledger
from .recurrent import unfused
from .relevance import relevance
from .relevance_against import draw_references, ledger_against, relevance_against
from .rule import Rule, constant, gradient
from .rules.layers import alpha_beta, epsilon, flat, gamma, w_squared, z_box
from .rules.rulesets import (
    ALPHA_BETA,
    ATTN_LRP,
    CP_LRP,
    EPSILON,
    EPSILON_PLUS,
    GAMMA,
    GIM,
    GRADIENT,
    MAMBA_LRP,
    RuleSet,
    deep_taylor,
)
from .rules.state_spaces import state_space
from .rules.temperature import tempered
from .secants.rulesets import SECANT, SECANT_HALF

__all__ = [
    "ALPHA_BETA",
    "ATTN_LRP",
    "CP_LRP",
    "EPSILON",
    "EPSILON_PLUS",
    "GAMMA",
    "GIM",
    "GRADIENT",
    "MAMBA_LRP",
    "SECANT",
    "SECANT_HALF",
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
    "draw_references",
    "epsilon",
    "explain_rules",
    "flat",
    "gamma",
    "gradient",
    "ledger",
    "ledger_against",
    "relevance",
    "relevance_against",
    "state_space",
    "tempered",
    "unfused",
    "w_squared",
    "z_box",
]
