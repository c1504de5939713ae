"""Tests of explanations: faithfulness, agreement with a truth, stability, sanity, complexity; and rivals.

It works on arrays and functions, and knows neither texts nor genes.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
