"""A small corpus of sentiment, and a transformer trained on it: texts explained without any download."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
