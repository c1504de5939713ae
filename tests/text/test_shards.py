"""Shards of a corpus: the same results for any number of them, gathered only if all of one request are there."""

import shutil

import pandas as pd
import pyarrow.parquet as pq
import pytest

from lrp_domains.demos.text import read_demo
from lrp_domains.domain import DomainError, locked
from lrp_domains.text import TextError, TextExplainer
from lrp_domains.text.corpora import corpus as corpora
from lrp_domains.text.corpora import explain_corpus, gather, on_disk, read_texts, read_words
from lrp_domains.text.corpora.corpus import Corpus

from .commands import explain, run_text
from .small_models import bert
from .small_tokenizers import tokenizer_of

TEXTS = tuple(read_demo()["text"].head(23))


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(on_disk, "PART", 4)
    monkeypatch.setattr(corpora, "PART", 4)


@pytest.fixture(scope="module")
def model():
    tokenizer = tokenizer_of("wordpiece")
    return bert(tokenizer).float(), tokenizer


def in_shards(folder, model, of, batch_size=3, texts=TEXTS):
    """Explain a corpus in shards, each by a new explainer, and return the tables of words and texts."""
    tables = {"words": [], "texts": []}
    for number in range(1, of + 1):
        paths = [folder / f"{number}_{of}.{kind}.parquet" for kind in tables]
        explainer = TextExplainer(*model, batch_size=batch_size)
        explain_corpus(explainer, Corpus(texts).shard(number, of), *paths)
        for kind, path in zip(tables, paths, strict=True):
            tables[kind].append(path)
    return tables


def gathered(tables, folder):
    for kind, paths in tables.items():
        gather(paths, folder / f"{kind}.parquet")
    return read_words(folder / "words.parquet"), read_texts(folder / "texts.parquet")


@pytest.mark.parametrize("total", [1, 4, 23, 24])
@pytest.mark.parametrize("of", [1, 2, 3, 6])
def test_shards_end_with_parts_as_far_as_there_are_enough(small_parts, total, of):
    corpus = Corpus(("a",) * total)
    if of > total:
        return
    shards = [corpus.shard(number, of) for number in range(1, of + 1)]
    assert all(len(shard) for shard in shards)
    assert [shard.first for shard in shards] == [0, *(shard.first + len(shard) for shard in shards[:-1])]
    assert shards[-1].first + len(shards[-1]) == total and {shard.total for shard in shards} == {total}
    if of <= -(-total // 4):
        assert all(shard.first % 4 == 0 for shard in shards)


def test_results_are_bitwise_the_same_for_any_number_of_shards(small_parts, tmp_path, model):
    words, texts = gathered(in_shards(tmp_path, model, 1), tmp_path)
    for of in (2, 5, 6):
        in_parts = gathered(in_shards(tmp_path, model, of), tmp_path)
        pd.testing.assert_frame_equal(in_parts[0], words, check_exact=True)
        pd.testing.assert_frame_equal(in_parts[1], texts, check_exact=True)


@pytest.mark.parametrize(("of", "batch_size"), [(23, 3), (2, 1), (2, 16)])
def test_other_batches_give_the_same_up_to_rounding(small_parts, tmp_path, model, of, batch_size):
    double = (bert(model[1]), model[1])
    expected, _ = gathered(in_shards(tmp_path, double, 1), tmp_path)
    words, _ = gathered(in_shards(tmp_path, double, of, batch_size), tmp_path)
    pd.testing.assert_frame_equal(words, expected, rtol=1e-6, atol=1e-9)


def test_a_shard_that_is_missing_or_of_another_request_is_refused(small_parts, tmp_path, model):
    words = in_shards(tmp_path, model, 3)["words"]
    out = tmp_path / "out.parquet"
    for wrong in (words[:2], words[1:], [words[0], words[2]]):
        with pytest.raises(TextError, match="pass each shard once, in order"):
            gather(wrong, out)
    (tmp_path / "other").mkdir()
    explainer = TextExplainer(*model, score="logit")
    paths = tmp_path / "other" / "w.parquet", tmp_path / "other" / "t.parquet"
    explain_corpus(explainer, Corpus(TEXTS).shard(3, 3), *paths)
    with pytest.raises(TextError, match=r"w\.parquet' is of other data, or was explained in another way"):
        gather([*words[:2], paths[0]], out)
    pq.write_table(pq.read_table(words[0]).replace_schema_metadata({}), tmp_path / "foreign.parquet")
    with pytest.raises(TextError, match=r"foreign\.parquet' is not a table that the command .explain. wrote"):
        gather([tmp_path / "foreign.parquet"], out)
    assert not out.exists()


def test_gathering_both_kinds_at_once(demo_model, reviews, tmp_path):
    common = ("--file", reviews, "--text-column", "review", "--model", demo_model, "--device", "cpu")
    for shard in (1, 2):
        files = ("--out", tmp_path / f"{shard}.words.parquet", "--out-texts", tmp_path / f"{shard}.texts.parquet")
        result = explain(*common, "--shard", shard, "--shards", 2, *files)
        assert result.exit_code == 0, result.output
        assert "time: reading" in result.stderr and "explaining" in result.stderr
    tables = [tmp_path / f"{shard}.{kind}.parquet" for kind in ("words", "texts") for shard in (1, 2)]
    outputs = ("--out", tmp_path / "w.parquet", "--out-texts", tmp_path / "t.parquet")
    assert run_text("gather", *tables, *outputs).exit_code == 0
    assert len(read_texts(tmp_path / "t.parquet")) == read_words(tmp_path / "w.parquet")["text"].nunique() == 40


def test_a_second_run_for_the_same_output_is_refused(tmp_path, model):
    files = tmp_path / "w.parquet", tmp_path / "t.parquet"
    with locked(tmp_path / ".w.parquet.parts"), pytest.raises(DomainError, match=r"another process is using .*; wait"):
        explain_corpus(TextExplainer(*model), Corpus(TEXTS), *files)
    assert explain_corpus(TextExplainer(*model), Corpus(TEXTS), *files) == 0


@pytest.mark.parametrize("changed", ["model", "corpus"])
def test_a_change_since_the_check_is_refused(demo_model, reviews, tmp_path, changed):
    model, check = tmp_path / "model", tmp_path / "check.json"
    shutil.copytree(demo_model, model)
    common = ("--text-column", "review", "--model", model)
    assert run_text("check", reviews, *common, "--out", check).exit_code == 0
    options = ("--file", reviews, *common, "--check", check, "--device", "cpu", "--out", tmp_path / "w.parquet")
    assert explain(*options).exit_code == 0
    (tmp_path / "w.parquet").unlink()
    path = reviews if changed == "corpus" else model / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    result = explain(*options)
    assert result.exit_code == 1 and f"the {changed} '" in result.stderr, result.output
    assert "has changed since it was checked" in result.stderr and "run 'lrp-domains text check' again" in result.stderr
    assert not (tmp_path / "w.parquet").exists()


def test_a_change_while_texts_are_explained_is_refused(demo_model, reviews, tmp_path, monkeypatch):
    outcomes = on_disk.outcomes

    def changing(*arguments, **options):
        reviews.write_text(reviews.read_text() + "another,positive,9\n")
        return outcomes(*arguments, **options)

    monkeypatch.setattr(on_disk, "outcomes", changing)
    common = ("--text-column", "review", "--model", demo_model, "--device", "cpu")
    result = explain("--file", reviews, *common, "--out", tmp_path / "w.parquet")
    assert result.exit_code == 1 and "has changed since it was read" in result.stderr
    assert not (tmp_path / "w.parquet").exists()
