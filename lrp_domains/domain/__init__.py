"""What every adapter needs: reading a model's inputs, scores, conservation per unit, resuming, progress, messages.

It knows neither texts nor genes. ``lrp_domains.domain.page`` has the parts of report pages.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
