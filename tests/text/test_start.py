"""What the steps of texts import: PyTorch and transformers take seconds, so only steps that use a model import them."""

from lrp_domains.demos.text import read_demo
from lrp_domains.text import TextExplainer
from lrp_domains.text.corpora import explain_corpus
from lrp_domains.text.corpora.corpus import Corpus

from ..commands.imported import imported


def test_steps_without_a_model_import_neither_torch_nor_transformers(demo_model, tmp_path):
    demo = read_demo().head(40)
    corpus = Corpus(tuple(demo["text"]), labels=tuple(demo["label"]))
    words, texts = tmp_path / "1.words.parquet", tmp_path / "1.texts.parquet"
    explain_corpus(TextExplainer.from_pretrained(str(demo_model), device="cpu"), corpus, words, texts)

    whole = tmp_path / "words.parquet", tmp_path / "texts.parquet"
    steps = [
        ["gather", words, texts, "--out", whole[0], "--out-texts", whole[1]],
        ["words", whole[0], "--texts", whole[1], "--out", tmp_path / "words.tsv"],
        ["report", tmp_path, "--out", tmp_path / "report.html"],
    ]
    for step, names in zip(steps, imported(*(["text", *step] for step in steps)), strict=True):
        assert not names & {"torch", "transformers"}, f"'text {step[0]}' imports {names}"
