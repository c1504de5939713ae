"""Corpora: which rows of a file are read, and what happens to rows that can't be explained."""

import gzip

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lrp_domains.demos.text import read_demo
from lrp_domains.text import TextError, TextExplainer
from lrp_domains.text.corpora import check_corpus, explain_corpus, gather, on_disk, read_corpus, read_texts, read_words
from lrp_domains.text.corpora.corpus import Corpus
from lrp_domains.text.report import write_report

from .small_models import bert, gpt2
from .small_tokenizers import tokenizer_of


def written(path, content):
    data = content.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".txt"])
@pytest.mark.parametrize("compressed", [False, True])
def test_all_formats_are_read_with_their_blank_rows(tmp_path, suffix, compressed):
    contents = {
        ".csv": 'text\r\nfine\r\n\r\n"two\nlines, one text"\r\n\u2028x\r\n',
        ".tsv": '\ufefftext\nfine\n\n"two\nlines, one text"\n\u2028x',
        ".jsonl": '{"text": "fine"}\n{"text": ""}\n{"text": "two\\nlines, one text"}\n{"text": "\\u2028x"}\n',
        ".txt": "fine\n\ntwo lines, one text\n\u2028x\n",
    }
    path = written(tmp_path / f"x{suffix}{'.gz' * compressed}", contents[suffix])
    texts = read_corpus(path).texts
    assert texts[:2] == ("fine", "") and texts[3] == "\u2028x" and len(texts) == 4
    assert " ".join(texts[2].split()) == "two lines, one text"


def test_blank_lines_at_the_end_are_reported(tmp_path):
    with pytest.warns(UserWarning, match=r"ends in blank lines \(2\), which are not rows"):
        assert read_corpus(written(tmp_path / "x.csv", "text\nfine\n\n\n")).texts == ("fine",)


@pytest.mark.parametrize("suffix", [".jsonl", ".txt"])
def test_blank_lines_at_the_beginning_are_rows_unless_a_header_follows(tmp_path, suffix):
    content = "\n\nfine\n" if suffix == ".txt" else '\n\n{"text": "fine"}\n'
    corpus = read_corpus(written(tmp_path / f"x{suffix}", content), on_error="skip")
    assert corpus.texts == ("", "", "fine")
    assert corpus.invalid == ({} if suffix == ".txt" else dict.fromkeys((0, 1), "column 'text' is empty"))
    assert read_corpus(written(tmp_path / "x.csv", "\n\ntext\nfine\n")).texts == ("fine",)


def test_integer_labels_of_parquet_stay_integers_beside_a_missing_one(tmp_path, bare_explainer):
    labels = {
        "whole": pa.array([1, None, 0]),
        "category": pa.array([1, None, 0], pa.int8()).dictionary_encode(),
        "several": pa.array([[1, 0], None, [0]]),
        "number": pa.array([1.5, None, 0.5]),
    }
    pq.write_table(pa.table({"text": ["a", "b", "c"]} | labels), tmp_path / "x.parquet")
    expected = dict.fromkeys(("whole", "category"), ("1", "", "0"))
    expected |= {"several": ("1, 0", "", "0"), "number": ("1.5", "", "0.5")}
    for column, strings in expected.items():
        corpus = read_corpus(tmp_path / "x.parquet", label=column, on_error="skip")
        assert corpus.labels == strings and list(corpus.invalid) == [1]
    named = read_corpus(tmp_path / "x.parquet", label="whole", on_error="skip").named(bare_explainer.labels)
    assert named.labels == ("LABEL_1", "", "LABEL_0")


def test_a_blank_row_of_a_table_is_a_row(tmp_path, bare_explainer, files):
    path = written(tmp_path / "x.csv", "text\na good film\n\nbad cast\n")
    with pytest.warns(UserWarning, match=r"skipped 1 of 3 texts.*'.*x\.csv', row 1 \(from 0\): '' has no tokens"):
        explain_corpus(bare_explainer, read_corpus(path), *files, on_error="skip")
    assert read_words(files[0])["text"].unique().tolist() == [0, 2]


def test_columns_that_are_not_read_may_have_one_name(tmp_path):
    path = written(tmp_path / "x.csv", "text,note,note,,\na,b,c,d,e\n")
    assert read_corpus(path).texts == ("a",)
    path = written(tmp_path / "x.txt", "a\0b\n")
    assert read_corpus(path).texts == ("a\0b",)


def test_labels_by_number_and_corpora_of_other_formats(demo_model, tmp_path):
    corpus = read_demo().head(6)
    numbers = corpus.assign(label=(corpus["label"] == "positive").astype(int))
    numbers.to_parquet(tmp_path / "x.parquet")
    numbers.to_json(tmp_path / "x.jsonl", lines=True, orient="records")
    labels = TextExplainer.from_pretrained(str(demo_model)).labels
    for name in ("x.parquet", "x.jsonl"):
        read = read_corpus(tmp_path / name, label="label").named(labels)
        assert read.labels == tuple(corpus["label"]) and read.texts == tuple(corpus["text"])


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("x.csv", "text\na, b\nc, d\n", "x.csv': rows have more fields than the header"),
        ("x.jsonl", '{"text": "a"}\n{"text":\n', r"row 1 \(from 0\) is not valid JSON"),
        ("x.jsonl", '{"text": "a"}\n3\n', r"row 1 \(from 0\) is not an object"),
        ("x.jsonl", '{"text": "a"}\n{"text": 3}\n', r"row 1 \(from 0\): column 'text' is of type int, not a text"),
        ("x.jsonl", '{"text": "a"}\n\n{"text": "b"}\n', r"the first is row 1 \(from 0\)"),
        ("x.csv.gz", None, "could not be read as a table: Not a gzipped file"),
        ("x.xls.gz", "", "should end in .csv, .tsv, .jsonl, .txt, .parquet"),
        ("x.parquet.gz", "", "all but the last may be compressed"),
        ("x.txt", "\n", "has no rows"),
        ("x.csv", "\ntext\ngood\na\0b\n", "x.csv': line 4 contains a NUL byte: remove it"),
        ("x.tsv.gz", "text\n\0\n", "line 2 contains a NUL byte"),
        ("x.csv", "text,label,text\na,b,c\n", "x.csv': 2 columns are named 'text': rename all but one"),
    ],
)
def test_files_that_are_not_tables(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(b"no gzip") if content is None else written(path, content)
    with pytest.raises(TextError, match=message):
        read_corpus(path)


def test_invalid_rows_are_skipped_when_asked(tmp_path, bare_explainer, files):
    path = written(tmp_path / "x.jsonl", '{"text": "a good film"}\n{"text": null}\n{"text": 3}\n{"text": ""}\n{}\n')
    corpus = read_corpus(path, on_error="skip")
    summary = check_corpus(bare_explainer, corpus, on_error="skip")
    assert summary["skipped"] == 4 and "x.jsonl', row 2 (from 0): column 'text' is of type int" in summary["errors"][1]
    with pytest.warns(UserWarning, match=r"skipped 4 of 5 texts.*row 3 \(from 0\): '' has no tokens.*and 1 more"):
        explain_corpus(bare_explainer, corpus, *files, on_error="skip")

    texts, words = read_texts(files[1]), read_words(files[0])
    assert texts["text"].tolist() == [0, 1, 2, 3, 4] and texts["error"].isna().tolist() == [True] + [False] * 4
    assert texts.loc[1:, ["target", "prediction", "score", "rules"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(words, bare_explainer(["a good film"]).to_frame(), check_dtype=False)
    assert texts["score"][0] == pytest.approx(bare_explainer("a good film").score)


def test_a_report_counts_skipped_texts(tmp_path, bare_explainer):
    folder = tmp_path / "reviews"
    corpus = Corpus(("a good film", "", "bad cast"))
    with pytest.warns(UserWarning, match="skipped 1 of 3"):
        explain_corpus(bare_explainer, corpus, folder / "words.parquet", folder / "texts.parquet", on_error="skip")
    write_report([folder], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "<b>2</b><span>texts</span>" in page and "<b>1</b><span>texts that could not be explained" in page


def test_a_corpus_without_any_valid_row_is_an_error(bare_explainer, files):
    with pytest.raises(TextError, match="none of the 2 texts could be explained: text 0: '' has no tokens"):
        explain_corpus(bare_explainer, Corpus(("", "")), *files, on_error="skip")
    with pytest.raises(TextError, match="none of the 2 texts can be explained"):
        check_corpus(bare_explainer, Corpus(("", "")), on_error="skip")
    assert not files[0].exists()
    with pytest.raises(TextError, match="on_error='ignore': expected one of raise, skip"):
        explain_corpus(bare_explainer, Corpus(("a",)), *files, on_error="ignore")


def test_an_error_names_its_row_in_file_and_shard(monkeypatch, bare_explainer, files):
    monkeypatch.setattr(on_disk, "PART", 4)
    corpus = Corpus(("a good film",) * 9 + ("",) + ("bad cast",) * 4, source="reviews.csv")
    message = r"^'reviews.csv', row 9 \(from 0\): '' has no tokens.*--on-error skip"
    for rows in (corpus, corpus.shard(2, 2)):
        with pytest.raises(TextError, match=message):
            explain_corpus(bare_explainer, rows, *files)
        with pytest.raises(TextError, match=message):
            check_corpus(bare_explainer, rows)
    # What is wrong with the request, not the row, can't be skipped.
    with pytest.raises(TextError, match=r"row 0 \(from 0\): the model has no label 'X'; there are: '[^']*', '[^']*'$"):
        explain_corpus(bare_explainer, corpus, *files, target="X")


def test_an_error_of_the_model_names_its_row(bare_explainer, files):
    tokenizer = tokenizer_of("byte-level")
    model = gpt2(tokenizer, "ForSequenceClassification", num_labels=2)
    model.transformer.wte.weight.data[tokenizer("!")["input_ids"]] = float("nan")
    broken = TextExplainer(model, tokenizer, padding="right")
    corpus = Corpus(("a good film", "no!", "bad cast"), source="x.csv")
    with pytest.raises(TextError, match=r"^'x.csv', row 1 \(from 0\): the score of 'no!' is nan"):
        explain_corpus(broken, corpus, *files)
    with pytest.warns(UserWarning, match="skipped 1 of 3 texts"):
        explain_corpus(broken, corpus, *files, on_error="skip")
    assert read_texts(files[1])["error"].notna().tolist() == [False, True, False]


def broken_for(word):
    """Return an explainer whose scores are NaN for texts with a word, and the numbers of rows that its model ran."""
    tokenizer, rows = tokenizer_of("wordpiece"), []
    model = bert(tokenizer)
    model.get_input_embeddings().weight.data[tokenizer.convert_tokens_to_ids(word)] = float("nan")
    model.register_forward_hook(lambda _module, _arguments, outputs: rows.append(len(outputs.logits)))
    return TextExplainer(model, tokenizer, padding="right", long="error"), rows


def test_a_check_skips_what_the_model_cannot_explain(files):
    explainer, rows = broken_for("bad")
    good, bad = "the plot was good", "the plot was bad and the food was good"
    corpus = Corpus((good, bad, "a film", "good " * 500), source="x.csv")
    with pytest.raises(TextError, match=r"^'x.csv', row 1 \(from 0\): the score of .* is nan.*--on-error skip"):
        check_corpus(explainer, corpus.part(0, 3))
    summary = check_corpus(explainer, corpus.part(0, 3), on_error="skip")
    assert summary["skipped"] == 1 and summary["errors"][0].startswith("'x.csv', row 1 (from 0): the score of")
    assert summary["tokens_of_the_longest"] == len(explainer("a film").tokens)
    # A text that is too long is found without the model; of both others the next ones are tried.
    summary = check_corpus(explainer, Corpus((bad, "good " * 500, good, "bad")), on_error="skip")
    assert [error.partition(":")[0] for error in summary["errors"]] == ["text 0", "text 1", "text 3"]
    assert summary["tokens_of_the_longest"] == len(explainer(good).tokens)

    with pytest.raises(TextError, match="none of the 2 texts can be explained: text 0: the score of 'bad' is nan"):
        check_corpus(explainer, Corpus(("bad", bad)), on_error="skip")
    rows.clear()
    with pytest.raises(TextError, match="none of 16 texts that were tried can be explained: text 0: the score"):
        check_corpus(explainer, Corpus(("bad",) * 40), on_error="skip")
    assert sum(rows) == 32  # each in a pair and by itself


def test_a_text_that_fails_where_padding_is_tried_is_skipped(files):
    explainer, _ = broken_for("bad")
    explainer = TextExplainer(explainer.model, explainer.tokenizer)
    texts = ("the plot was good", "bad", "the food was good")  # the shortest
    with pytest.raises(TextError, match=r"^text 1: the score of 'bad' is nan"):
        explainer(list(texts))
    with pytest.warns(UserWarning, match="skipped 1 of 3 texts"):
        explain_corpus(explainer, Corpus(texts), *files, on_error="skip")
    assert read_texts(files[1])["error"].notna().tolist() == [False, True, False]


def test_a_part_with_an_error_of_the_model_runs_once_more_text_by_text(files):
    explainer, rows = broken_for("bad")
    corpus = Corpus(("good",) * 7 + ("bad",))
    with pytest.warns(UserWarning, match="skipped 1 of 8 texts"):
        explain_corpus(explainer, corpus, *files, on_error="skip")
    assert rows == [8] + [1] * 8
    # Without the texts that can't be read, the others run together.
    rows.clear()
    with pytest.warns(UserWarning, match="skipped 1 of 8 texts"):
        explain_corpus(explainer, Corpus(("good",) * 7 + ("good " * 500,)), *files, on_error="skip")
    assert rows == [7]


def test_a_cut_text_is_reported_by_its_row(files):
    tokenizer = tokenizer_of("wordpiece")
    explainer = TextExplainer(bert(tokenizer), tokenizer, long="truncate", window=5)
    with pytest.warns(UserWarning, match=r"^'x\.csv', row 1 \(from 0\): "):
        explain_corpus(explainer, Corpus(("good", "a good film and a bad cast"), source="x.csv"), *files)


def test_regression_and_skipped_parts_have_one_type(monkeypatch, files):
    monkeypatch.setattr(on_disk, "PART", 1)
    tokenizer = tokenizer_of("byte-level")
    model = gpt2(tokenizer, "ForSequenceClassification", num_labels=1)
    with pytest.warns(UserWarning, match="skipped 1"):
        explain_corpus(TextExplainer(model, tokenizer), Corpus(("", "good film")), *files, on_error="skip")
    assert read_texts(files[1])["prediction"].dtype == float


def test_a_column_of_references(tmp_path, files):
    tokenizer = tokenizer_of("wordpiece")
    explainer = TextExplainer(bert(tokenizer), tokenizer)
    path = written(tmp_path / "x.csv", "text,other\na good film,mask\na good film,a bad film\n")
    explain_corpus(explainer, read_corpus(path, reference="other"), *files)
    assert read_texts(files[1])["reference"].tolist() == ["all words masked", "a bad film"]
    alone = explainer("a good film", reference="a bad film")
    assert read_texts(files[1])["score"][1] == pytest.approx(alone.score)


def test_shards_are_gathered_once_and_in_order(tmp_path, bare_explainer):
    paths = []
    for shard in (1, 2):
        corpus = Corpus(("a good film", "bad cast", "good", "bad")).shard(shard, 2)
        paths.append(tmp_path / f"{shard}.parquet")
        explain_corpus(bare_explainer, corpus, paths[-1], tmp_path / f"{shard}.texts.parquet")
    out = tmp_path / "all.parquet"
    for wrong in ([*paths, paths[1]], paths[::-1], [paths[0], paths[0]]):
        with pytest.raises(TextError, match="pass each shard once, in order"):
            gather(wrong, out)
    with pytest.raises(TextError, match=r"x\.csv': tables of explained samples are read and written as .parquet"):
        gather([tmp_path / "x.csv"], out)
    with pytest.raises(TextError, match=r"x\.csv': tables"):
        gather(paths, tmp_path / "x.csv")
    assert not out.exists()
    gather(paths, out)
    assert read_words(out)["text"].unique().tolist() == [0, 1, 2, 3]
