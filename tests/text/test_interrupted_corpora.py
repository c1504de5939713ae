"""Interrupted explanations of a corpus: finished parts are kept, but not those of another request."""

import pandas as pd
import pytest
import torch

import lrp_domains.text.corpora.on_disk as on_disk
from lrp_domains.text import TextError, TextExplainer
from lrp_domains.text.corpora import explain_corpus, read_corpus, read_texts, read_words
from lrp_domains.text.corpora.corpus import Corpus
from lrp_domains.text.corpora.parts import plan


def interrupted(monkeypatch, explainer, corpus, files, **options):
    """Explain a corpus, and stop before its tables are written."""
    join = on_disk.join
    monkeypatch.setattr(on_disk, "join", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        explain_corpus(explainer, corpus, *files, **options)
    monkeypatch.setattr(on_disk, "join", join)


def test_an_interrupted_file_resumes(demo_model, reviews, files, monkeypatch):
    monkeypatch.setattr(on_disk, "PART", 10)
    explainer, corpus = TextExplainer.from_pretrained(str(demo_model)), read_corpus(reviews, "review")
    written, write = [], on_disk.write

    def stopping(table, path):
        if len(written) == 5:  # in the midst of the third part
            raise KeyboardInterrupt
        written.append(path.name)
        write(table, path)

    monkeypatch.setattr(on_disk, "write", stopping)
    with pytest.raises(KeyboardInterrupt):
        explain_corpus(explainer, corpus, *files, key="one")
    assert not files[0].exists() and not files[1].exists()
    monkeypatch.setattr(on_disk, "write", write)
    assert explain_corpus(explainer, corpus, *files, key="one") == 20
    assert list(read_texts(files[1])["text"]) == list(range(40))
    pd.testing.assert_frame_equal(
        read_words(files[0]), explainer(list(corpus.texts)).to_frame("words"), check_dtype=False, atol=1e-4
    )


def test_parts_of_another_request_are_not_kept(demo_model, reviews, files, monkeypatch):
    monkeypatch.setattr(on_disk, "PART", 10)
    explainer, corpus = TextExplainer.from_pretrained(str(demo_model)), read_corpus(reviews, "review")
    interrupted(monkeypatch, explainer, corpus, files, target="positive")
    assert explain_corpus(explainer, corpus, *files, target="negative") == 0
    assert set(read_texts(files[1])["target"]) == {"negative"}


@pytest.mark.parametrize(("key", "kept"), [("", 0), ("one", 40)])
def test_without_a_key_parts_of_other_weights_are_not_kept(demo_model, reviews, files, monkeypatch, key, kept):
    monkeypatch.setattr(on_disk, "PART", 10)
    explainer, corpus = TextExplainer.from_pretrained(str(demo_model)), read_corpus(reviews, "review")
    interrupted(monkeypatch, explainer, corpus, files, key=key)
    with torch.no_grad():
        explainer._pipeline.model.network.module.classifier.bias.add_(1)
    assert explain_corpus(explainer, corpus, *files, key=key) == kept


def test_parts_with_another_reference_are_not_kept(demo_model, reviews, files, monkeypatch):
    monkeypatch.setattr(on_disk, "PART", 10)
    explainer, corpus = TextExplainer.from_pretrained(str(demo_model)), read_corpus(reviews, "review")
    interrupted(monkeypatch, explainer, corpus, files)
    monkeypatch.setattr(on_disk, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):  # nothing is resumed, so that a part is written
        explain_corpus(explainer, corpus, *files, reference="pad")


def test_finished_parts_survive_a_change_of_other_rows(monkeypatch, bare_explainer, files):
    monkeypatch.setattr(on_disk, "PART", 4)
    texts = [f"a good film {number}" for number in range(16)]
    for change in (
        lambda texts: texts[:5] + texts[6:],  # a row removed
        lambda texts: [*texts[:5], "another", *texts[6:]],  # changed
        lambda texts: [*texts[:5], "another", *texts[5:]],  # added
    ):
        interrupted(monkeypatch, bare_explainer, Corpus(tuple(texts)), files)
        changed = change(texts)
        assert explain_corpus(bare_explainer, Corpus(tuple(changed)), *files) == 12
        assert read_texts(files[1])["first"].tolist() == changed
        expected = bare_explainer(changed).to_frame()
        pd.testing.assert_frame_equal(read_words(files[0]), expected, check_dtype=False, atol=1e-6)


def test_parts_with_skipped_rows_are_kept_only_for_skipping(monkeypatch, bare_explainer, files):
    monkeypatch.setattr(on_disk, "PART", 2)
    corpus = Corpus(("a", "b", "", "d"), labels=("0", "1", "0", "1"))
    with pytest.raises(TextError, match="text 2: "):
        explain_corpus(bare_explainer, corpus, *files)
    with pytest.warns(UserWarning, match="skipped 1"):
        interrupted(monkeypatch, bare_explainer, corpus, files, on_error="skip")
    with pytest.raises(TextError, match="text 2: "):
        explain_corpus(bare_explainer, corpus, *files)
    with pytest.warns(UserWarning, match="skipped 1 of 4 texts.*: text 2: ''"):
        assert explain_corpus(bare_explainer, corpus, *files, on_error="skip") == 4
    assert read_texts(files[1])["label"].tolist() == ["LABEL_0", "LABEL_1"] * 2


def test_rows_are_planned_around_finished_parts():
    assert plan(tuple("aaaab"), [], 2) == [(0, 2), (2, 4), (4, 5)]
    assert plan(tuple("xabcab"), [("a", "b"), ("a", "b", "c")], 9) == [(0, 1), (1, 4), (4, 6)]
    assert plan(tuple("ab"), [("b", "c")], 9) == [(0, 2)]
