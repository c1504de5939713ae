"""Fixtures of several files: a trained model, an explainer, a corpus, and the tables that it is explained into."""

import pytest
import torch

from lrp_domains.demos.text import read_demo, train_demo
from lrp_domains.text import TextExplainer

from .small_models import gpt2
from .small_tokenizers import tokenizer_of


@pytest.fixture(scope="session")
def demo_model(tmp_path_factory):
    """Return a model of two epochs: it need not be good to be explained."""
    folder = tmp_path_factory.mktemp("demo") / "model"
    folder.mkdir()
    torch.set_num_threads(1)
    train_demo(epochs=2).save(folder)
    return folder


@pytest.fixture
def reviews(tmp_path):
    """Write 40 texts of the demo, whose column is named otherwise, and return the path."""
    corpus = read_demo().head(40).rename(columns={"text": "review"})
    corpus.to_csv(tmp_path / "reviews.csv", index=False)
    return tmp_path / "reviews.csv"


@pytest.fixture(scope="session")
def bare_explainer():
    """Return an explainer whose tokenizer adds no tokens: an empty text has none and can't be explained."""
    tokenizer = tokenizer_of("byte-level")
    return TextExplainer(gpt2(tokenizer, "ForSequenceClassification", num_labels=2), tokenizer, padding="right")


@pytest.fixture
def files(tmp_path):
    """Return the paths of the tables of words and texts."""
    return tmp_path / "w.parquet", tmp_path / "t.parquet"


@pytest.fixture(scope="module")
def explainer(demo_model):
    """Return an explainer of the demo's model."""
    return TextExplainer.from_pretrained(str(demo_model), device="cpu")
