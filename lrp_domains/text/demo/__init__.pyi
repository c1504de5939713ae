# The public names; __init__.py imports each when it is first used.
from .corpus import read_demo
from .train import DemoModel, train_demo

__all__ = ["DemoModel", "read_demo", "train_demo"]
