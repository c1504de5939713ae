"""Which words of a text differ from its reference and have relevance, for texts, pairs, numbers and phrases."""

import numpy as np
import pytest
import torch

from lrp_domains.text import TextExplainer

from .bag_of_words import VOCABULARY, BagOfWords, tokenize
from .small_models import bert, gpt2
from .small_tokenizers import SENTENCES, tokenizer_of

WORDPIECE, BYTES = (tokenizer_of(kind) for kind in ("wordpiece", "byte-level"))
TEXTS = list(SENTENCES[:3])
OTHER = {"good": "bad", "wonderful": "terrible"}


@pytest.fixture(scope="module")
def bag():
    torch.manual_seed(0)
    model = BagOfWords().eval()
    return TextExplainer.from_parts(tokenize, model.embed, model, labels=["negative", "positive"])


def test_only_words_that_differ_have_relevance(bag):
    model, text, other = bag.model, "a good film", "a bad film"
    result = bag(text, "positive", reference=other)
    difference = model.embed.weight[3] - model.embed.weight[4]
    expected = ((model.linear.weight[1] - model.linear.weight[0]) @ difference).item()
    assert [word.relevance for word in result.words] == pytest.approx([0, expected, 0], abs=1e-12)
    assert [word.reference for word in result.words] == ["a", "bad", "film"]
    swapped = bag(other, "positive", reference=text)
    assert [word.relevance for word in swapped.words] == pytest.approx([0, -expected, 0], abs=1e-12)


def test_a_planted_word_is_found():
    torch.manual_seed(0)
    model = BagOfWords().eval()
    with torch.no_grad():
        model.embed.weight[VOCABULARY.index("great")] *= 30
    explainer = TextExplainer.from_parts(tokenize, model.embed, model, labels=["negative", "positive"])
    for text in ("great a film", "a great film", "a film great"):
        result = explainer(text, reference="pad")
        assert max(result.words, key=lambda word: word.relevance).text == "great"


def test_swapping_text_and_reference_changes_the_sign():
    explainer = TextExplainer(bert(WORDPIECE, num_labels=3), WORDPIECE)
    text, other = SENTENCES[0], SENTENCES[0].replace("good", "bad").replace("wonderful", "terrible")
    there, back = explainer(text, 1, reference=other), explainer(other, 1, reference=text)
    assert [w.relevance for w in back.words] == pytest.approx([-w.relevance for w in there.words], abs=1e-9)
    assert {w.text: w.reference for w in there.words if w.text != w.reference} == OTHER
    assert {w.text for w in there.words if w.relevance} == set(OTHER)
    assert there.reference.score == pytest.approx(back.text_score, abs=1e-9)


def test_a_text_and_its_numbers_are_the_same_reference():
    explainer = TextExplainer(bert(WORDPIECE), WORDPIECE)
    text, other = SENTENCES[0], SENTENCES[0].replace("good", "bad")
    ids = WORDPIECE(other)["input_ids"]
    expected = [word.relevance for word in explainer(text, reference=other).words]
    for numbers in (ids, tuple(ids[1:-1]), np.array(ids), torch.tensor(ids[1:-1])):
        result = explainer(text, reference=numbers)
        assert [word.relevance for word in result.words] == expected
        assert [word.reference for word in result.words if word.text == "good"] == ["bad"]
    with_itself = explainer(text, reference=text)
    assert with_itself.score == 0 and not any(word.relevance for word in with_itself.words)


def test_pairs_have_pairs_as_reference():
    for model in (bert(WORDPIECE), bert(WORDPIECE, "Model")):
        explainer = TextExplainer(model, WORDPIECE)
        result = explainer(("the plot", SENTENCES[0]), reference=("the plot", SENTENCES[0].replace("good", "bad")))
        assert {(w.text, w.part) for w in result.words if w.relevance} == {("good", "second")}
        assert sum(w.relevance for w in result.words) == pytest.approx(result.score, abs=1e-9)


def test_a_mask_to_fill_stays():
    model = bert(WORDPIECE, "ForMaskedLM")
    result = TextExplainer(model, WORDPIECE)("a [MASK] film", reference="pad")
    by_word = {word.text: word for word in result.words}
    assert by_word["[MASK]"].relevance == 0 and by_word["[MASK]"].reference == ""
    assert by_word["film"].reference == "[PAD]" and by_word["film"].relevance != 0


def test_a_phrase_that_is_explained_stays():
    result = TextExplainer(gpt2(BYTES), BYTES)(TEXTS[0], target="good film", reference="pad")
    assert not any(word.relevance for word in result.words if word.part == "continuation")
    assert any(word.relevance for word in result.words if word.part == "text")


@pytest.mark.filterwarnings("ignore:.*were cut off")
def test_a_long_text_has_a_text_of_the_same_length_as_reference():
    text = " ".join(SENTENCES[:3])
    model = bert(WORDPIECE, num_labels=3)
    for options in ({"window": 12, "stride": 2}, {"window": 12, "long": "truncate"}):
        explainer = TextExplainer(model, WORDPIECE, **options)
        result = explainer(text, reference=text.replace("good", "bad", 1))
        assert {word.text for word in result.words if word.relevance} == {"good"}
        assert sum(word.relevance for word in result.words) == pytest.approx(result.score, abs=1e-9)
