"""Corpora: many texts in one file, explained to tables on disk, in parts and in shards."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
