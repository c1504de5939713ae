"""Which bases or residues decide a model's prediction: DNA and protein sequences."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
