"""Rivals: other ways to explain the same function, in the place of a rule set."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
