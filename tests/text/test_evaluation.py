"""Words removed from texts, and methods compared on a corpus."""

import numpy as np
import pandas as pd
import pytest
import torch

from lrp_domains.demos.text import read_demo
from lrp_domains.evaluation import abpc, remove
from lrp_domains.evaluation.page import write_comparison
from lrp_domains.text import TextError, TextExplainer
from lrp_domains.text.corpora import explain_corpus, read_corpus
from lrp_domains.text.corpora.corpus import Corpus
from lrp_domains.text.evaluation import RemovableWords, compare_methods, draw, near_chance, words_among
from lrp_domains.text.report import write_report

from .bag_of_words import BagOfWords, tokenize
from .commands import plain, run_text

TEXTS = ["a good film", "bad, so bad: not one good scene", "a dull story"]


# ---- Words removed


def test_scores_of_masked_and_deleted_words_are_those_of_the_model(explainer):
    (result,) = explainer(TEXTS[:1])
    kept = np.array([word.text != "good" for word in result.words])
    tokenizer, model = explainer.tokenizer, explainer.model
    label = model.config.label2id[result.target]

    def odds(ids):
        logits = model(input_ids=ids).logits[0].detach().double()
        return float(logits[label] - torch.cat([logits[:label], logits[label + 1 :]]).logsumexp(0))

    ids = tokenizer(TEXTS[0], return_tensors="pt").input_ids
    spans = tokenizer(TEXTS[0], return_offsets_mapping=True).offset_mapping
    masked = ids.clone()
    for number, (start, end) in enumerate(spans):
        if TEXTS[0][start:end].strip() and start < 6 and end > 2:
            masked[0, number] = tokenizer.mask_token_id
    expected = {
        "mask": odds(masked),
        "delete": odds(tokenizer("a  film", return_tensors="pt").input_ids),
        "fine": odds(tokenizer("a fine film", return_tensors="pt").input_ids),
    }
    for how, score in expected.items():
        found = RemovableWords(explainer, [result], how)(np.array([0, 0]), [kept, np.ones(len(kept), bool)])
        assert found[0] == pytest.approx(score, abs=1e-5)
        assert found[1] == pytest.approx(odds(ids), abs=1e-5)


def test_relevance_finds_the_words_that_matter(explainer):
    results = list(explainer(read_demo()["text"].tolist()[:60]))
    words = RemovableWords(explainer, results, "mask")
    random = np.random.default_rng(0)
    of_relevance = abpc(
        remove(words, [np.array([w.relevance for w in r.words]) for r in results]).through(words.measured)
    )
    of_chance = abpc(remove(words, [random.random(len(r.words)) for r in results]).through(words.measured))
    assert of_relevance.mean() > of_chance.mean() + 5 * of_chance.std() / np.sqrt(60)
    assert abs(of_chance.mean()) < 4 * of_chance.std() / np.sqrt(60)


def test_what_cannot_be_removed_is_refused(explainer, bare_explainer):
    result = bare_explainer("some words")
    with pytest.raises(TextError, match="no such token"):
        RemovableWords(bare_explainer, [result], "mask")
    pair = explainer([("one text", "another")])
    with pytest.raises(TextError, match="one of a pair"):
        RemovableWords(explainer, list(pair), "mask")


# ---- Compared


def test_methods_are_compared(explainer):
    texts = read_demo()["text"].tolist()[:40]
    truth = words_among(["Good", "bad"])
    found = compare_methods(explainer, texts, methods=["attn-lrp", "secant"], truth=truth, soft=True)
    assert found.methods == ["attn-lrp", "secant", "gradient", "random"]
    assert found.costs.loc["gradient", "gradients"] == 1
    table = found.table("random").set_index(["method", "measure"])
    for measure in ("ABPC", "Soft-NC", "Soft-NS"):
        assert table.loc[("attn-lrp", measure), "difference_low"] > 0
    assert not found.warnings() or "attn-lrp" not in found.warnings()[0]
    assert {"ABPC", "AUPRC", "Gini"} <= set(found.values.columns)
    with pytest.raises(TextError, match="pass a list"):
        compare_methods(explainer, texts, methods="attn-lrp")
    with pytest.raises(TextError, match=r"how='masked'; did you mean 'mask'"):
        compare_methods(explainer, texts, how="masked")
    with pytest.raises(TextError, match=r"no method 'atn-lrp'.*attn-lrp"):
        compare_methods(explainer, texts, methods=["atn-lrp"])


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"methods": ["secant"], "reference": "neutral"}, "methods are compared against 'mask' or 'pad'"),
        ({"methods": ["attn-lrp"], "how": ""}, "how is empty"),
    ],
)
def test_what_methods_cannot_be_compared_by(explainer, settings, message):
    with pytest.raises(TextError, match=message):
        compare_methods(explainer, TEXTS, **settings)


def test_a_tokenizer_without_a_mask_token_can_have_another_reference(explainer, monkeypatch):
    special = explainer._pipeline.model.special
    monkeypatch.delitem(special.placeholders, "mask")
    with pytest.raises(TextError, match="reference='mask': the tokenizer has no such token; pass reference='pad'"):
        compare_methods(explainer, TEXTS, methods=["secant"], how="delete")
    compare_methods(explainer, TEXTS, methods=["attn-lrp"], how="delete")


def test_another_explainer_scores_texts_without_their_words(explainer, demo_model):
    rounded = TextExplainer.from_pretrained(str(demo_model), dtype="bfloat16", device="cpu")
    runs = {"methods": ["secant"], "fractions": (0.5,)}
    by_itself, by_other = (compare_methods(explainer, TEXTS, scored_by=s, **runs).values for s in (None, rounded))
    np.testing.assert_array_equal(by_itself["Gini"], by_other["Gini"])
    np.testing.assert_allclose(by_itself["ABPC"], by_other["ABPC"], atol=0.02)
    assert (by_itself["ABPC"] != by_other["ABPC"]).any()


def counting():
    """Return an explainer of a model that counts good and bad words, and texts of such words at random."""
    bag = BagOfWords().eval()
    with torch.no_grad():
        for parameter in bag.parameters():
            parameter.zero_()
        bag.embed.weight[3, 0], bag.embed.weight[4, 0], bag.linear.weight[1, 0] = 1.1, -1, 1
    explainer = TextExplainer.from_parts(tokenize, bag.embed, bag, labels=["negative", "positive"])
    random = np.random.default_rng(0)
    return explainer, [" ".join(random.choice(["film", "good", "bad", "great", "a"], 5)) for _ in range(80)]


def test_a_model_near_chance_is_a_caution():
    explainer, texts = counting()
    predicted = [result.prediction for result in explainer(texts)]
    assert 20 < predicted.count("positive") < 60
    by_chance = np.random.default_rng(1).permutation(predicted).tolist()
    assert near_chance(predicted, predicted) == near_chance((), ()) == ()
    (warning,) = near_chance(by_chance, predicted)
    right = np.mean([label == other for label, other in zip(by_chance, predicted, strict=True)])
    assert f"The model is right for {right:.0%} of these 80 texts" in warning and "near chance" in warning

    options = {"methods": ["random"], "how": "film"}
    found = compare_methods(explainer, texts, labels=by_chance, **options)
    assert found.cautions == (warning,) and found.warnings()[0] == warning
    assert compare_methods(explainer, texts, labels=predicted, **options).cautions == ()


def test_texts_are_explained_once_by_each_method(explainer, monkeypatch):
    """Predictions are known from the explanations by which words are removed."""
    explained = []

    def counted(self, texts, *arguments, **options):
        explained.append(len(texts))
        return call(self, texts, *arguments, **options)

    call = TextExplainer.__call__
    monkeypatch.setattr(TextExplainer, "__call__", counted)
    texts = read_demo()["text"].tolist()[:6]
    compare_methods(explainer, texts, methods=["attn-lrp"], labels=["positive"] * 6)
    assert sorted(explained) == [1, 1, 1, 6, 6, 6, 6]  # first the words, then a text and all texts by three methods


def test_what_rules_should_conserve_is_measured(explainer):
    texts = read_demo()["text"].tolist()[:6]
    costs = compare_methods(explainer, texts, methods=["attn-lrp", "cp-lrp", "secant", "occlusion"]).costs
    assert costs.loc[["cp-lrp", "secant"], "residue"].max() < 1e-3
    assert costs.loc[["attn-lrp", "gradient", "occlusion", "random"], "residue"].isna().all()


def test_texts_are_drawn_at_random_and_in_order(reviews):
    corpus = read_corpus(reviews, text="review")
    first, again, other = (draw(corpus, 10, seed).texts for seed in (0, 0, 1))
    assert first == again != other
    numbers = [corpus.texts.index(text) for text in first]
    assert numbers == sorted(numbers)


def test_the_command_writes_a_comparison(demo_model, reviews, tmp_path):
    out = tmp_path / "comparison"
    options = ["--text-column", "review", "--texts", "12", "--method", "attn-lrp", "--how", "delete"]
    result = run_text("compare", str(reviews), "--model", str(demo_model), "--out", str(out), *options)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(out / "comparison.tsv", sep="\t")
    assert set(table["method"]) == {"attn-lrp", "gradient", "random"}
    assert "most faithful:" in plain(result)
    assert "removed words are deleted." in (out / "comparison.html").read_text()
    wrong = run_text("compare", str(reviews), "--model", str(demo_model), "--out", str(out), "--method", "lrp")
    assert wrong.exit_code == 1
    assert "there is no method 'lrp'" in plain(wrong)
    wrong = run_text("compare", str(reviews), "--model", str(demo_model), "--out", str(out), "--seed", "-1")
    assert wrong.exit_code == 2


def test_the_report_shows_the_comparison(explainer, tmp_path):
    texts = read_demo()["text"].tolist()[:6]
    folder = tmp_path / "reviews"
    explain_corpus(explainer, Corpus(tuple(texts)), folder / "words.parquet", folder / "texts.parquet")
    write_report([folder], tmp_path / "without.html")
    found = compare_methods(explainer, texts, methods=["attn-lrp"])
    write_comparison(found, folder / "comparison", title="Compared")
    write_report([folder], tmp_path / "with.html")
    assert "Methods compared" not in (tmp_path / "without.html").read_text()
    page = (tmp_path / "with.html").read_text()
    assert "What 6 of the texts score" in page
    for method in found.methods:
        assert f'<td class="name">{method}</td>' in page
        assert f"{found.values.loc[method, 'ABPC'].mean():.3f}" in page


def test_the_report_warns(tmp_path):
    explainer, texts = counting()
    predicted = [result.prediction for result in explainer(texts)]
    by_chance = np.random.default_rng(1).permutation(predicted).tolist()
    for name, labels in (("good", predicted), ("poor", by_chance)):
        folder = tmp_path / name
        corpus = Corpus(tuple(texts), tuple(labels))
        explain_corpus(explainer, corpus, folder / "words.parquet", folder / "texts.parquet")
        found = compare_methods(explainer, texts, methods=["attn-lrp"], how="film", labels=labels)
        write_comparison(found, folder / "comparison", title="Compared")
        write_report([folder], folder / "report.html")
        page = (folder / "report.html").read_text()
        assert page.count(f"<p>{near_chance(labels, predicted)[0] if name == 'poor' else 'no'}</p>") == 2 * (
            name == "poor"
        )
        assert "Not conserved" not in page

    path = tmp_path / "good" / "texts.parquet"
    rows = pd.read_parquet(path)
    rows.loc[[3, 7], "notes"] = "read in windows; the residue is large (more than 1% of the score): a number"
    rows.to_parquet(path, row_group_size=5)
    write_report([tmp_path / "good"], tmp_path / "report.html")
    assert "Not conserved: of 2 texts" in (tmp_path / "report.html").read_text()
