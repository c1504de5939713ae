# The public names; __init__.py imports each when it is first used.
from .core.capture import Captured, capture
from .core.checks import CheckRow, CheckTable, check
from .core.compiled.archive import SavedExplanation, load_compiled
from .core.compiled.compile import Compiled, compile
from .core.errors import LrpError, RelevanceError, UnknownOperation
from .core.explain_rules import RuleTable, explain_rules
from .core.ledger import Ledger, ledger
from .core.recurrent import unfused
from .core.relevance import relevance
from .core.relevance_against import draw_references, ledger_against, relevance_against
from .core.rule import Rule, constant, gradient
from .core.rules.first_layers import flat, w_squared, z_box
from .core.rules.layers import alpha_beta, epsilon, gamma
from .core.rules.rulesets import (
    ALPHA_BETA,
    ATTN_LRP,
    CP_LRP,
    EPSILON,
    EPSILON_ALPHA2_BETA1_FLAT,
    EPSILON_GAMMA_BOX,
    EPSILON_PLUS,
    EPSILON_PLUS_FLAT,
    GAMMA,
    GIM,
    GRADIENT,
    MAMBA_LRP,
    RuleSet,
    deep_taylor,
)
from .core.rules.state_spaces import state_space
from .core.rules.temperature import tempered
from .core.secants.rulesets import SECANT, SECANT_HALF
from .core.warn import LrpWarning

__version__: str

__all__ = [
    "ALPHA_BETA",
    "ATTN_LRP",
    "CP_LRP",
    "EPSILON",
    "EPSILON_ALPHA2_BETA1_FLAT",
    "EPSILON_GAMMA_BOX",
    "EPSILON_PLUS",
    "EPSILON_PLUS_FLAT",
    "GAMMA",
    "GIM",
    "GRADIENT",
    "MAMBA_LRP",
    "SECANT",
    "SECANT_HALF",
    "Captured",
    "CheckRow",
    "CheckTable",
    "Compiled",
    "Ledger",
    "LrpError",
    "LrpWarning",
    "RelevanceError",
    "Rule",
    "RuleSet",
    "RuleTable",
    "SavedExplanation",
    "UnknownOperation",
    "alpha_beta",
    "capture",
    "check",
    "compile",
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
    "load_compiled",
    "relevance",
    "relevance_against",
    "state_space",
    "tempered",
    "unfused",
    "w_squared",
    "z_box",
]
