"""Layer-wise relevance propagation for any PyTorch model, unmodified.

The whole API of the core is here; ``lrp_domains.genes`` and ``lrp_domains.text`` are its adapters.
"""

from .core import *  # noqa: F403
from .core import __all__  # noqa: F401

__version__ = "0.1.0"
