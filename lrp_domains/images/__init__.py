"""Images: which pixels decide a model's prediction.

>>> explainer = ImageExplainer(model, transform)
>>> result = explainer("cat.jpg")
>>> result.to_image().save("relevance.png")
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
