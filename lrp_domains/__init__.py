"""Layer-wise relevance propagation for any PyTorch model, unmodified.

The whole API of the core is here. ``lrp_domains.genes`` and ``lrp_domains.text`` are adapters, and
``lrp_domains.domain`` is what adapters are built on.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .core.api import *  # noqa: F403

__version__ = "0.1.0"


def __getattr__(name: str):
    """Return a public name of the core, or all (``__all__``); PyTorch is imported only then, not for ``--help``."""
    if name == "__all__" or not name.startswith("__"):
        from .core import api

        if name == "__all__" or name in api.__all__:
            return getattr(api, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})
