"""A small corpus of sentiment, and a transformer trained on it: texts explained without any download."""

from .corpus import read_demo
from .train import DemoModel, train_demo

__all__ = ["DemoModel", "read_demo", "train_demo"]
