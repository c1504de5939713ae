"""From tokens to words: all relevance arrives, and at the word it belongs to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrp_domains.text.tokens.encoding import Encoding, encode
from lrp_domains.text.tokens.words import settle, word_sums

from .small_tokenizers import KINDS, tokenizer_of


def encoding(text, *spans):
    pieces, part = ("",) * len(spans), np.zeros(len(spans), int)
    return Encoding((text,), {}, pieces, spans=np.array(spans).reshape(-1, 2), part=part, special=part > 0)


def sums(text, spans, relevance, words="words"):
    result = word_sums(encoding(text, *spans), np.array(relevance, float), words=words)
    rows = zip(result.spans.tolist(), result.relevance.tolist(), strict=True)
    return {text[start:end]: r for (start, end), r in rows if r}


def sums_by_definition(spans, *, places, text, relevance):
    """Share each token's relevance equally among its characters other than whitespace, in loops."""
    words = np.zeros(len(spans))
    for (start, end), r in zip(places, relevance, strict=True):
        characters = [i for i in range(start, end) if not text[i].isspace()] or list(range(start, end))
        for i in characters:
            words[next(k for k, (a, b) in enumerate(spans) if a <= i < b)] += r / len(characters)
    return words


@pytest.mark.parametrize(
    "text, spans, relevance, expected",
    [
        ("unlikely", [(0, 2), (2, 8)], [1, 2], {"unlikely": 3}),  # subwords
        ("New York", [(0, 8)], [7], {"New": 3, "York": 4}),  # one token over two words, by characters
        ("a movie", [(0, 1), (1, 7)], [1, 2], {"a": 1, "movie": 2}),  # a leading space in the token
        ("é!", [(0, 1), (0, 1), (1, 2)], [1, 2, 4], {"é": 3, "!": 4}),  # bytes of one character
        ("a\n\nb", [(0, 1), (1, 3), (3, 4)], [1, 5, 2], {"a": 1, "\n\n": 5, "b": 2}),  # whitespace has tokens
        ("good film", [(0, 1), (0, 4), (4, 5), (5, 9)], [1, 2, 3, 4], {"good": 3, "film": 7}),  # marks of beginning
        ("ab cd", [(0, 0), (0, 2), (3, 3), (3, 5)], [1, 2, 3, 4], {"ab": 3, "cd": 7}),  # tokens without width
        ("ab cd", [(0, 2), (3, 5), (5, 5)], [1, 2, 4], {"ab": 1, "cd": 6}),  # one at the end
    ],
)
def test_relevance_goes_to_the_words_that_tokens_cover(text, spans, relevance, expected):
    assert sums(text, spans, relevance) == pytest.approx(expected)


@settings(deadline=None, derandomize=True)
@given(st.data())
def test_sums_are_those_of_the_definition(data):
    text = data.draw(st.text("ab c\n.", min_size=1, max_size=12))
    span = st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).map(lambda pair: tuple(sorted(pair)))
    spans = sorted(data.draw(st.lists(span, min_size=1, max_size=8)))
    relevance = data.draw(st.lists(st.integers(-9, 9), min_size=len(spans), max_size=len(spans)))
    result = word_sums(encoding(text, *spans), np.array(relevance, float))
    places = settle(np.array(spans), text)
    assert (places[:, 0] < places[:, 1]).all()
    expected = sums_by_definition(result.spans, places=places, text=text, relevance=relevance)
    np.testing.assert_allclose(result.relevance, expected, atol=1e-12)
    assert result.relevance.sum() == pytest.approx(sum(relevance), abs=1e-9)


UNICODE = st.text(st.characters(codec="utf-8"), max_size=30) | st.text(
    st.sampled_from("ab .!\n\t'-é\u0301这部🤗❤\ufe0f\u200d👩👧جدًا▁Ġ#[]<>/s")
)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, derandomize=True)
@given(text=UNICODE | st.sampled_from(["[SEP]", "a [MASK] b", "</s> x", "<|endoftext|>", "[CLS]a"]))
def test_any_text_is_tiled_by_words_with_any_tokenizer(kind, text):
    (encoded,) = encode(tokenizer_of(kind), [(text,)])
    relevance = np.random.default_rng(0).normal(size=len(encoded))
    sums = word_sums(encoded, relevance)
    assert "".join(text[start:end] for start, end in sums.spans) == text
    assert sums.relevance.sum() == pytest.approx(relevance[encoded.part == 0].sum(), abs=1e-9)
    assert (encoded.spans[encoded.part == 0] <= len(text)).all()
