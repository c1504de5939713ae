"""What results show of a reference, and which references are refused."""

import pytest
from torch import nn

from lrp_domains import ATTN_LRP, SECANT
from lrp_domains.text import TextError, TextExplainer

from .bag_of_words import tokenize
from .small_models import bert, gpt2
from .small_tokenizers import SENTENCES, tokenizer_of

WORDPIECE, BYTES = (tokenizer_of(kind) for kind in ("wordpiece", "byte-level"))
TEXTS = list(SENTENCES[:3])
MASK, PAD = WORDPIECE.mask_token_id, WORDPIECE.pad_token_id


# ---- What a result shows


def test_results_show_what_they_are_against(capsys):
    explainer = TextExplainer(bert(WORDPIECE), WORDPIECE, reference="mask")
    results = explainer(TEXTS)
    page = results.to_html()
    assert page.count("against: all words masked") == len(TEXTS)
    results.print(numbers=True)
    assert "all words masked" in " ".join(capsys.readouterr().out.split())

    words, texts = results.to_frame("words"), results.to_frame("texts")
    assert set(texts["reference"]) == {"all words masked"}
    assert words["reference"].str.startswith("[MASK]").all()
    assert texts["reference_score"].tolist() == [result.reference.score for result in results]
    assert results[0].to_dict()["reference"] == {"name": "all words masked", "score": results[0].reference.score}
    ledger = results.ledger
    assert ledger.words + ledger.residue == pytest.approx(ledger.score, abs=1e-9)


def test_without_a_reference_tables_have_no_column_for_it():
    result = TextExplainer(bert(WORDPIECE), WORDPIECE)(TEXTS[0])
    assert result.reference is None and result.text_score == result.score
    assert not {"reference", "reference_score"} & {*result.to_frame("words"), *result.to_frame("texts")}


def test_a_stream_has_one_reference():
    explainer = TextExplainer(bert(WORDPIECE), WORDPIECE)
    streamed = list(explainer.stream(iter(TEXTS), reference="mask"))
    assert [s.score for s in streamed] == pytest.approx([r.score for r in explainer(TEXTS, reference="mask")])


# ---- Errors


def classifier(**options):
    return TextExplainer(bert(WORDPIECE), WORDPIECE, **options)


def causal_model(**options):
    return TextExplainer(gpt2(BYTES), BYTES, **options)


@pytest.mark.parametrize(
    "ask, message",
    [
        (lambda: causal_model()("good", reference="mask"), r"text 0: .*tokenizer has no mask token \(it has: 'pad'\)"),
        (lambda: classifier()(TEXTS, reference=["mask", TEXTS[0], "pad"]), r"text 1: .* has \d+ tokens, but its refer"),
        (lambda: classifier()("a film", reference="a"), r"'a film' has \d tokens, .*'a' has 1: .*reference='mask'"),
        (
            lambda: classifier()("a film", reference=("a", "b")),
            r"a text has a text as reference, a pair a tuple of two",
        ),
        (lambda: classifier()(("a", "b"), reference="a"), r"a text has a text as reference, a pair a tuple of two"),
        (lambda: classifier()("good", reference=[5, 6, 7, 8, 9]), r"has 5 tokens, but 'good' has 1, or 3 with those"),
        (lambda: classifier()("good", reference=[5, 6, 7]), r"reference= changes 2 added tokens"),
        (lambda: classifier()("good", reference=[-5]), r"reference= has negative numbers"),
        (lambda: classifier()("good", reference=[10**6]), r"the reference has the token 1000000, but the model's emb"),
        (lambda: classifier()("good", reference=7), r"reference=7: expected 'mask', 'pad', a text"),
        (lambda: classifier()(["good", "bad"], reference=[7, 8]), r"text 0: reference=7: expected 'mask'"),
        (lambda: classifier()(["good", "bad"], reference=["mask"]), r"reference= is a list of 1 for 2 texts"),
        (lambda: classifier(reference=2.5), r"reference=2.5: expected 'mask'"),
        (lambda: classifier(rules=ATTN_LRP, reference="mask"), r"rule set AttnLRP explains a score, .*SECANT"),
        (lambda: classifier(rules=ATTN_LRP)("good", reference="mask"), r"text 0: rule set AttnLRP explains a score"),
        (lambda: classifier(rules=SECANT)("good"), r"rule set secant explains the difference .*reference='mask'"),
        (lambda: causal_model(reference="pad").continuation("good"), r"continuation\(\) explains scores, not"),
        (lambda: causal_model(rules=SECANT).continuation("good"), r"rule set secant explains the difference"),
    ],
)
def test_an_invalid_reference_raises(ask, message):
    with pytest.raises(TextError, match=message) as caught:
        ask()
    assert "\n" not in str(caught.value)


def test_a_model_that_looks_up_other_numbers_is_refused():
    embed = nn.Embedding(9, 4)
    model = lambda ids, mask: embed(ids + 1).sum(1)[:, :2]  # noqa: E731
    explainer = TextExplainer.from_parts(tokenize, embed, model, labels=["negative", "positive"])
    with pytest.raises(TextError, match="not called with the numbers of the tokens"):
        explainer("a good film", reference="pad")


def test_a_reference_of_the_same_tokens_is_noted():
    result = classifier()("a film", reference="a film")
    assert result.score == 0 and result.notes == ("the reference has the same tokens as the text, so nothing differs",)
    assert not classifier()("a good film", reference="a bad film").notes
