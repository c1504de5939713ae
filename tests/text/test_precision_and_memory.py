"""Half precision with its distance to single precision, and batches that are halved where memory runs out."""

import numpy as np
import pandas as pd
import pytest
import torch

from lrp_domains.text import TextError, TextExplainer
from lrp_domains.text.corpora import explain_corpus, read_texts
from lrp_domains.text.corpora.corpus import Corpus
from lrp_domains.text.report import write_report
from lrp_domains.text.results.relevance import TextRelevance
from lrp_domains.text.running.runner import Runner

from .small_models import bert
from .small_tokenizers import tokenizer_of

TEXTS = ["a good film", "the plot was bad and the food was good", "wonderful movie", "a dull cast", "it is good"]


@pytest.fixture(scope="module")
def model():
    tokenizer = tokenizer_of("wordpiece")
    return bert(tokenizer).float(), tokenizer


def test_half_precision_is_computed_and_compared_over_the_first_batch(model):
    explainer = TextExplainer(*model, precision="bf16", batch_size=2)
    assert model[0].dtype == torch.float32 and explainer.model.dtype == torch.bfloat16
    results, single = explainer(TEXTS, target=0), TextExplainer(*model)(TEXTS, target=0)
    for result, expected in zip(results[:2], single, strict=False):
        one, two = ([token.relevance for token in each.tokens] for each in (result, expected))
        distance = np.abs(np.subtract(one, two)).sum() / np.abs(two).sum()
        assert result.fp32_distance == pytest.approx(distance, rel=1e-3) and 0 < distance < 0.2
    assert [result.fp32_distance for result in results[2:]] == [None] * 3
    assert explainer(TEXTS[0], target=0).fp32_distance is None
    assert TextRelevance.from_dict(results[0].to_dict()) == results[0]


def test_single_precision_is_not_compared(model):
    half = bert(model[1]).bfloat16()
    explainer = TextExplainer(half, model[1], precision="fp32")
    assert explainer.model.dtype == torch.float32
    assert explainer(TEXTS[0]).fp32_distance is None


def test_precisions_that_cannot_be_are_refused(model):
    with pytest.raises(TextError, match="unknown precision 'bf61'; did you mean 'bf16'"):
        TextExplainer(*model, precision="bf61")
    quantised = bert(model[1]).float()
    quantised.config.quantization_config = {"quant_method": "other"}
    with pytest.raises(TextError, match="the model is quantised, which fixes its precision"):
        TextExplainer(quantised, model[1], precision="bf16")
    with pytest.raises(TextError, match="precision= is for models of transformers"):
        TextExplainer.from_parts(
            lambda text: ([], []), torch.nn.Embedding(2, 2), lambda ids, mask: ids, ["a"], precision="bf16"
        )


def test_the_distance_is_in_the_table_of_texts_and_in_the_report(model, tmp_path):
    files = tmp_path / "words.parquet", tmp_path / "texts.parquet"
    explainer = TextExplainer(*model, precision="bf16", batch_size=2)
    explain_corpus(explainer, Corpus(tuple(TEXTS)), *files)
    texts = read_texts(files[1])
    assert set(texts["precision"]) == {"bf16"}
    assert texts["fp32_distance"].notna().tolist() == [True, True, False, False, False]
    write_report([tmp_path], tmp_path / "report.html")
    assert "mean distance of relevance in bf16 from fp32" in (tmp_path / "report.html").read_text()
    explain_corpus(TextExplainer(*model), Corpus(tuple(TEXTS)), *files)
    assert "precision" not in read_texts(files[1])


def limited(monkeypatch, most, name="explained"):
    """Let memory run out in batches of more than `most` rows, and return the sizes of batches."""
    sizes, method = [], getattr(Runner, name)

    def explained(self, rows, *arguments, **options):
        sizes.append(len(rows))
        if len(rows) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return method(self, rows, *arguments, **options)

    monkeypatch.setattr(Runner, name, explained)
    return sizes


def test_batches_are_halved_where_memory_runs_out_said_once(model, monkeypatch):
    expected = TextExplainer(*model, batch_size=2, padding="right")(TEXTS).to_frame()
    sizes = limited(monkeypatch, 2)
    explainer = TextExplainer(*model, batch_size=5, padding="right")
    with pytest.warns(UserWarning, match="memory ran out with 5 texts at a time; going on with 2") as caught:
        results = explainer(TEXTS)
    pd.testing.assert_frame_equal(results.to_frame(), expected, rtol=1e-4, atol=1e-5)
    assert sizes == [5, 2, 2, 1] and len(caught) == 1
    explainer(TEXTS)
    assert sizes[4:] == [2, 2, 1]


def test_nothing_counts_twice_where_memory_runs_out_between_the_results_of_a_text(model, monkeypatch):
    expected = TextExplainer(*model, padding="right")(TEXTS, target="all").to_frame()
    method, calls = Runner._explained_from, []

    def explained_from(self, run, rows, *arguments, **options):
        calls.append(len(rows))
        if len(calls) == 2:  # the second label, when the first is done
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return method(self, run, rows, *arguments, **options)

    monkeypatch.setattr(Runner, "_explained_from", explained_from)
    with pytest.warns(UserWarning, match="memory ran out"):
        results = TextExplainer(*model, padding="right")(TEXTS, target="all")
    pd.testing.assert_frame_equal(results.to_frame(), expected, rtol=1e-4, atol=1e-5)


def test_a_single_text_that_does_not_fit_is_an_error(model, monkeypatch):
    limited(monkeypatch, 0)
    with pytest.raises(TextError, match="memory runs out with one of the texts at a time"):
        TextExplainer(*model, padding="right")(TEXTS[0])


def test_the_batch_size_of_a_cuda_device_is_found_once_with_the_longest_text(model, monkeypatch):
    from lrp_domains.text.running import rows_at_once

    asked = []

    def fitting(compute, device, *, most):
        asked.append(device)
        compute(3)
        return 7

    explainer = TextExplainer(*model, padding="right")
    sizes = limited(monkeypatch, 100)
    monkeypatch.setattr(rows_at_once, "fitting", fitting)
    explainer._pipeline.rows_at_once._is_known = False  # as on a CUDA device
    explainer(TEXTS)
    assert sizes == [5] and not asked  # too few to try
    del sizes[:]
    explainer(TEXTS * 4)
    explainer(TEXTS * 2)
    assert len(asked) == 1 and sizes == [3, 7, 7, 6, 7, 3]
