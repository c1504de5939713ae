"""Layer-wise relevance propagation for any PyTorch model, unmodified.

The whole API of the core is here. ``lrp_domains.genes`` and ``lrp_domains.text`` are adapters, and
``lrp_domains.domain`` is what adapters are built on.

The names of these four packages are in ``__init__.pyi``, and each is imported when it is first used: commands that
don't compute start without PyTorch.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
