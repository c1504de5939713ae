"""Texts: which words decide a model's prediction.

>>> explainer = TextExplainer.from_pretrained("path/to/model")
>>> result = explainer("I loved every minute of it")
>>> result.print()
>>> explainer(reviews, target="POSITIVE", against="NEGATIVE").to_frame()

Each folder imports only from those before it, and all from ``errors.py`` and ``arguments.py``: ``tokens`` (texts to
tokens and back to words), ``heads`` (what a model is for), ``models`` (how it is run), ``results`` (what a user
gets). The files next to them explain texts with all four; ``corpora``, ``report`` and ``evaluation`` use those.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
