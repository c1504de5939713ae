"""Phrases for tokenizers that don't report where their tokens are in the text."""

from dataclasses import replace

import pytest

from lrp_domains import CP_LRP
from lrp_domains.text import TextExplainer
from lrp_domains.text.tokens import encoding
from lrp_domains.text.tokens.phrases import continuing, without_end

from .small_models import gpt2
from .small_tokenizers import WITH_WORD_MARKS, tokenizer_of

BYTES = tokenizer_of("byte-level")


def phrase_after(kind, text, phrase):
    tokenizer = tokenizer_of(kind)
    (before,) = encoding.encode(tokenizer, [(text,)])
    return continuing(tokenizer, phrase, without_end(tokenizer, before), spaced=None)


@pytest.fixture
def no_places(monkeypatch):
    """Let no tokenizer report the places of its tokens."""
    with_offsets = encoding._with_offsets

    def without_offsets(*args, **options):
        return replace(with_offsets(*args, **options), spans=None)

    monkeypatch.setattr(encoding, "_with_offsets", without_offsets)


@pytest.mark.parametrize("kind", [*WITH_WORD_MARKS, "byte-level", "unigram", "wordpiece"])
def test_without_places_each_token_of_a_phrase_has_its_letters(kind, no_places):
    tokenizer = tokenizer_of(kind)
    result = phrase_after(kind, "the plot was", "good wonderful film")
    assert result.text == " good wonderful film" and result.note is None
    batch = tokenizer("the plot was good wonderful film", return_offsets_mapping=True, add_special_tokens=False)
    places = [(max(a, 12), b) for a, b in batch["offset_mapping"] if b > 12]
    expected = ["the plot was good wonderful film"[a:b].strip() for a, b in places]
    assert [result.text[a:b].strip() for a, b in result.spans] == expected and len(expected) >= 3


def test_without_places_a_joined_phrase_is_named_by_its_tokens(no_places):
    joined = phrase_after("byte-level", "the plot was ", "good")
    assert joined.replaces == 1 and joined.text == " good"
    assert joined.note == "the tokenizer joins the end of the text and 'good': the phrase is explained as ' good'"


def test_without_places_a_continuation_has_the_letters_of_each_token(no_places):
    explainer = TextExplainer(gpt2(BYTES), BYTES, rules=CP_LRP)
    result = explainer.continuation("the plot was", "good film")
    pieces = [piece.replace("Ġ", " ") for piece in BYTES.tokenize(" good film")]
    assert list(result.outputs) == pieces and result.words is None
    assert explainer("the plot was", target="good film").target == "good film"
