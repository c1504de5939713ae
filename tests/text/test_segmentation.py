"""Words of the original text: what stays together, and that spans tile it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrp_domains.text import TextError, segment


def words_of(text, words="words"):
    spans, kinds = segment(text, words)
    return [text[start:end] for (start, end), kind in zip(spans, kinds, strict=True) if kind != 2]


@pytest.mark.parametrize(
    "text, words",
    [
        ("It isn't well-acted, U.S. fans!!!", ["It", "isn't", "well-acted", ",", "U.S.", "fans", "!!!"]),
        ("don’t 5.0 1,000 10:30pm v1.0 R&B", ["don’t", "5.0", "1,000", "10:30pm", "v1.0", "R&B"]),
        ("@user #tag ... e.g. 'quoted'", ["@user", "#tag", "...", "e.g.", "'", "quoted", "'"]),
        ("🤗❤️👩‍👩‍👧!! 1️⃣ ©️ 🇨🇭🇫🇷", ["🤗", "❤️", "👩‍👩‍👧", "!!", "1️⃣", "©️", "🇨🇭", "🇫🇷"]),
        ("naïve cafe\u0301 جدًا हिन्दी क्\u200dष", ["naïve", "cafe\u0301", "جدًا", "हिन्दी", "क्\u200dष"]),
        ("这部电影很精彩, wow", ["这部电影很精彩", ",", "wow"]),
        (" \t\n", []),
        ("", []),
    ],
)
def test_letters_of_one_word_stay_together(text, words):
    assert words_of(text) == words


def test_one_word_per_character_in_scripts_without_spaces():
    assert words_of("这部电影 isn't ดี 5", "characters") == ["这", "部", "电", "影", "isn't", "ดี", "5"]


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=40), st.sampled_from(["words", "characters", str.split]))
def test_spans_tile_the_text(text, words):
    if words is str.split:

        def words(text):
            return [(i, i + 1) for i in range(0, len(text) - 1, 3)]

    spans, kinds = segment(text, words)
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(start < end for start, end in spans)
    for (start, end), kind in zip(spans, kinds, strict=True):
        assert kind != 2 or text[start:end].isspace()


def test_a_function_s_spans_are_the_words_and_gaps_are_filled():
    spans, kinds = segment("not good, really", lambda text: [(0, 8), (10, 16)])
    assert [("not good, really"[a:b], k) for (a, b), k in zip(spans.tolist(), kinds, strict=True)] == [
        ("not good", 0), (",", 1), (" ", 2), ("really", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "spans, message",
    [
        ([(0, 99)], r"the span \(0, 99\) for 'abc def', which has 7 characters"),
        ([(3, 5), (4, 6)], r"\(4, 6\) .* after a span that ends at 5: return spans in order"),
        ([(2, 2)], "not empty"),
        (["ab!"], r"returned 'ab!' .*: expected pairs"),
    ],
)
def test_a_function_s_invalid_spans_raise(spans, message):
    with pytest.raises(TextError, match=message):
        segment("abc def", lambda text: spans)


def test_an_unknown_segmentation_raises():
    with pytest.raises(TextError, match=r"words='word' is neither .*did you mean 'words'\?"):
        segment("a", "word")
