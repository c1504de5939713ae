# The public names; __init__.py imports each when it is first used.
from .corpus import read_demo
from .train import Demo, train_demo

__all__ = ["Demo", "read_demo", "train_demo"]
