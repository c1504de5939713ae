"""The settings of single heads on the command line: each does what it does in Python."""

import json
from typing import get_args

import pandas as pd
import pytest

from lrp_domains.text import TextError, TextExplainer, TextRelevances
from lrp_domains.text.corpora import explain_corpus, read_corpus, read_texts, read_words
from lrp_domains.text.report import write_report

from .commands import plain, run_text
from .small_models import bert, gpt2
from .small_tokenizers import tokenizer_of

TEXT = "the film was good , not bad"
MODELS = {
    "emotions": (bert, {"id2label": {0: "anger", 1: "joy", 2: "fear"}, "problem_type": "multi_label_classification"}),
    "nli": (bert, {"id2label": {0: "contradiction", 1: "neutral", 2: "entailment"}}),
    "tagger": (bert, {"kind": "ForTokenClassification", "id2label": {0: "O", 1: "B-X", 2: "I-X"}}),
    "choice": (bert, {"kind": "ForMultipleChoice"}),
    "qa": (bert, {"kind": "ForQuestionAnswering"}),
    "filler": (bert, {"kind": "ForMaskedLM"}),
    "writer": (gpt2, {}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, (make, options) in MODELS.items():
        tokenizer = tokenizer_of("byte-level" if make is gpt2 else "wordpiece")
        make(tokenizer, **options).save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder


ZERO_SHOT = {"task": "zero-shot-classification", "candidates": ["film", "food"], "template": "the {} was it ."}
ZERO_SHOT_OPTIONS = ["--task", "zero-shot-classification", "--candidate", "film", "--candidate", "food"]
ZERO_SHOT_OPTIONS += ["--template", "the {} was it ."]


@pytest.mark.parametrize(
    "name, arguments, item, settings, request_",
    [
        ("emotions", ["--target", "all"], TEXT, {}, {"target": "all"}),
        ("emotions", ["--problem-type", "regression", "--target", "1"], TEXT, {"problem_type": "regression"},
         {"target": 1}),
        ("emotions", ["--no-add-special-tokens"], TEXT, {"add_special_tokens": False}, {}),
        ("emotions", ["--second", "a bad plot", "--long", "truncate", "--window", "12", "--long-text", "second"],
         (TEXT, "a bad plot"), {"long": "truncate", "window": 12, "long_text": "second"}, {}),
        ("nli", [*ZERO_SHOT_OPTIONS, "--target", "food", "--against", "film"], TEXT, ZERO_SHOT,
         {"target": "food", "against": "film"}),
        ("nli", [*ZERO_SHOT_OPTIONS, "--multi-label"], TEXT, ZERO_SHOT | {"multi_label": True}, {}),
        ("tagger", ["--aggregation", "first", "--target", "all"], TEXT, {"aggregation": "first"}, {"target": "all"}),
        ("tagger", ["--aggregation", "simple", "--at", "good"], TEXT, {"aggregation": "simple"}, {"at": "good"}),
        ("choice", ["--choice", "a good film", "--choice", "the food", "--target", "1"],
         (TEXT, ["a good film", "the food"]), {}, {"target": 1}),
        ("qa", ["--second", TEXT, "--no-answer", "--target", "no answer"], ("was it good", TEXT), {"no_answer": True},
         {"target": "no answer"}),
        ("writer", ["--no-spaced", "--target", "film"], "the", {"spaced": False}, {"target": "film"}),
        ("writer", ["--spaced", "--target", "film"], "the", {"spaced": True}, {"target": "film"}),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:text 0. the last")
def test_an_option_is_the_setting_of_its_name(folder, tmp_path, name, arguments, item, settings, request_):
    text = item if isinstance(item, str) else item[0]
    options = ["--model", folder / name, "--device", "cpu", "--json", tmp_path / "x.json"]
    result = run_text("explain", text, *options, *arguments)
    assert result.exit_code == 0, result.output
    explainer = TextExplainer.from_pretrained(folder / name, device="cpu", **settings)
    expected = explainer([item], **request_)
    results = TextRelevances.from_dict(json.loads((tmp_path / "x.json").read_text()))
    for one, other in zip(results, expected, strict=True):
        assert (one.target, one.prediction, one.parts) == (other.target, other.prediction, other.parts)
        assert one.score == pytest.approx(other.score, abs=1e-6)
        assert [w.relevance for w in one.words] == pytest.approx([w.relevance for w in other.words], abs=1e-6)


def test_options_that_do_not_fit_are_refused(folder):
    for arguments, message in (
        (["--choice", "a", "--choice", "b", "--second", "c"], "--second and --choice exclude each other"),
        (["--choice", "a", "--choice", "b"], "comes with choices, which are for task='multiple-choice'"),
        (["--candidate", "film"], "but this model is for text-classification: pass task='zero-shot-classification'"),
        (["--no-answer"], "is for task='question-answering', but this model is for text-classification: leave it out"),
        (["--aggregation", "mean"], "'mean' is not one of 'average', 'first', 'max', 'simple'"),
    ):
        result = run_text("explain", TEXT, "--model", folder / "emotions", *arguments)
        assert result.exit_code and message in plain(result) and "Traceback" not in plain(result), plain(result)


def test_a_file_has_one_result_per_text(folder, tmp_path):
    (tmp_path / "x.txt").write_text(f"{TEXT}\na bad plot\n")
    model = ["--model", folder / "emotions"]
    out = ["--out", tmp_path / "x.parquet"]
    for command in (["explain", "--file", tmp_path / "x.txt", *out], ["check", tmp_path / "x.txt", *out]):
        result = run_text(*command, *model, "--target", "all")
        assert result.exit_code == 1 and "has any number of results per text" in plain(result), plain(result)
        assert "--choice" in plain(run_text(*command, "--model", folder / "choice"))
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]


def test_a_label_called_all_is_explained_over_a_file(tmp_path):
    tokenizer = tokenizer_of("wordpiece")
    explainer = TextExplainer(bert(tokenizer, id2label={0: "all", 1: "some"}), tokenizer)
    (tmp_path / "x.txt").write_text(f"{TEXT}\n")
    files = tmp_path / "words.parquet", tmp_path / "texts.parquet"
    explain_corpus(explainer, read_corpus(tmp_path / "x.txt"), *files, target="all")
    assert list(read_texts(files[1])["target"]) == ["all"]


def test_zero_shot_over_a_file_up_to_the_report(folder, tmp_path):
    rows = f'"{TEXT}",film\n"the food was bad , the food was good",food\n'
    (tmp_path / "x.csv").write_text(f"text,label\n{rows * 2}")
    results = tmp_path / "results"
    results.mkdir()
    options = ["--model", folder / "nli", *ZERO_SHOT_OPTIONS, "--label-column", "label"]
    checked = run_text("check", tmp_path / "x.csv", *options, "--out", tmp_path / "check.json")
    assert checked.exit_code == 0, checked.output
    assert json.loads((tmp_path / "check.json").read_text())["model_labels"] == ["film", "food"]
    out = ["--out", results / "words.parquet", "--out-texts", results / "texts.parquet"]
    explained = run_text("explain", "--file", tmp_path / "x.csv", *options, *out, "--target", "food")
    assert explained.exit_code == 0, explained.output

    words = read_words(results / "words.parquet")
    assert {"hypothesis film", "hypothesis food", "text"} == set(words["part"])
    ranked = run_text(
        "words", results / "words.parquet", "--texts", results / "texts.parquet", "--out", tmp_path / "w.tsv"
    )
    assert ranked.exit_code == 0, ranked.output
    table = pd.read_csv(tmp_path / "w.tsv", sep="\t").set_index("word")
    # "it" is a word of the template only.
    assert set(table.index) == {"the", "film", "food", "was", "good", "not", "bad"}
    assert all(f"«{word}»" in examples for word, examples in table["examples"].items())
    assert table["occurrences"]["food"] == 4
    write_report([results], tmp_path / "report.html")
    assert "«food»" in (tmp_path / "report.html").read_text()


def test_labels_of_a_multi_label_corpus_are_sets(folder, tmp_path):
    explainer = TextExplainer.from_pretrained(folder / "emotions")
    lines = [["joy", "anger"], [], "fear,0", "None", 2, [1, 2]]
    rows = (json.dumps({"text": TEXT, "label": label}) for label in lines)
    (tmp_path / "x.jsonl").write_text("\n".join(rows))
    corpus = read_corpus(tmp_path / "x.jsonl", label="label").named(explainer.labels)
    assert corpus.labels == ("anger, joy", "none", "anger, fear", "none", "fear", "joy, fear")
    files = tmp_path / "words.parquet", tmp_path / "texts.parquet"
    explain_corpus(explainer, corpus, *files)
    texts = read_texts(files[1])
    assert set(texts["prediction"]) == {explainer(TEXT).prediction} and list(texts["label"]) == list(corpus.labels)

    (tmp_path / "y.jsonl").write_text(json.dumps({"text": TEXT, "label": "joy, angr"}))
    with pytest.raises(TextError, match=r"labelled 'joy, angr' .*no label 'angr'; did you mean 'anger'\?"):
        read_corpus(tmp_path / "y.jsonl", label="label").named(explainer.labels)
    regression = TextExplainer.from_pretrained(folder / "emotions", problem_type="regression")
    with pytest.raises(TextError, match="compared with those of a classifier; leave the column out"):
        corpus.named(regression.labels)


def test_choices_of_options_are_those_of_the_library():
    from lrp_domains.commands.text import options as o
    from lrp_domains.text import settings

    for option, values in (
        (o.ProblemType, settings.PROBLEM_TYPES),
        (o.Aggregation, settings.AGGREGATIONS),
        (o.Long, settings.LONG),
        (o.LongText, settings.SIDES),
        (o.Unknown, settings.UNKNOWN),
    ):
        assert list(get_args(option)) == list(values)
