"""DNA with two planted motifs, and two small networks trained on it: sequences explained without any download."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
