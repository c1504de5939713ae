"""Two explanations compared word by word."""

import io
import re

import numpy as np
import pytest
from rich.console import Console

from lrp_domains import CP_LRP
from lrp_domains.text import TextError, TextExplainer, difference
from lrp_domains.text.results.colours import AGAINST, FOR
from lrp_domains.text.results.html import FOCUSABLE

from .small_models import bert
from .small_tokenizers import tokenizer_of


@pytest.fixture(scope="module")
def explainer():
    return TextExplainer(bert(tokenizer_of("wordpiece")), tokenizer_of("wordpiece"), rules=CP_LRP)


def test_two_targets_of_one_text_differ_in_every_word(explainer):
    a, b = explainer("a good film", "LABEL_0"), explainer("a good film", "LABEL_1")
    result = difference(a, b)
    expected = [x.relevance - y.relevance for x, y in zip(a.words, b.words, strict=True)]
    assert [word.difference for word in result.words] == pytest.approx(expected)
    total = sum(word.difference for word in result.words) + result.added + result.rest
    assert total == pytest.approx(result.score) and result.score == pytest.approx(a.score - b.score)


def test_words_that_only_one_text_has_are_kept(explainer):
    a, b = explainer("not a good film"), explainer("a good bad film!")
    result = difference(a, b)
    table = result.to_frame()
    table = table[table["kind"] != "space"]
    assert table["word"].tolist() == ["not", "a", "good", "bad", "film", "!"]
    assert np.isnan(table["b"].iloc[0]) and table["difference"].iloc[0] == a.words[0].relevance
    bad = table[table["word"] == "bad"].iloc[0]
    assert np.isnan(bad["a"]) and bad["difference"] == -bad["b"] and bad["start_a"] == -1
    assert b.text[bad["start_b"] : bad["end_b"]] == "bad"
    total = sum(word.difference for word in result.words) + result.added + result.rest
    assert total == pytest.approx(result.score)


def test_halves_of_pairs_are_aligned_with_each_other(explainer):
    a, b = explainer(("good film", "bad cast")), explainer(("film", "good bad cast"))
    words = {(word.part_a, word.part_b) for word in difference(a, b).words}
    assert words == {("first", "first"), ("second", "second"), ("first", ""), ("", "second")}


def test_a_frequent_word_is_aligned_in_long_texts(explainer):
    long = TextExplainer(explainer.model, explainer.tokenizer, long="windows")
    text = "good film " * 150
    result = difference(long(text), long("bad " + text))
    assert sum(not word.part_a for word in result.words if word.text.strip()) == 1


def test_a_difference_is_shown(explainer):
    result = difference(explainer("a <b> film"), explainer("a <b> cast", "LABEL_0"), names=("[new]", "<old>"))
    page = result.to_html()
    assert "<b> " not in page and "&lt;old&gt;" in page and "<!doctype html>" in page
    assert "<!doctype" not in result._repr_html_()
    console = Console(file=io.StringIO(), width=100)
    console.print(result)
    assert all(part in console.file.getvalue() for part in ("[new]: ", "<old>: ", "a <b> film", "a <b> cast"))
    figure = result.figure(top=3)
    figure.canvas.draw()
    assert len(figure.axes[0].get_yticks()) == 3


def test_numbers_of_a_difference_are_printed(explainer, capsys):
    difference(explainer("good film"), explainer("film"), names=("[new]", ":smile:")).print(numbers=True)
    header = next(line for line in capsys.readouterr().out.split("\n") if line.startswith(" word"))
    assert header.split() == ["word", "[new]", ":smile:", "difference"]


def test_dollars_and_underscores_in_the_names_of_a_figure_are_letters(explainer):
    names = ("$x", "_y$")
    figure = difference(explainer("good film"), explainer("film"), names=names).figure()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [r"\$x", r"_y\$"]


def test_words_of_a_long_difference_are_skipped_by_the_tab_key(explainer):
    long = TextExplainer(explainer.model, explainer.tokenizer, long="windows")
    for count in (FOCUSABLE, FOCUSABLE + 1):
        one = long(" ".join(["good"] * count))
        assert len(one.words) == count
        assert ("tabindex" in difference(one, one).to_html()) == (count == FOCUSABLE)


def test_the_strongest_colour_is_the_largest_difference(explainer):
    result = difference(explainer("not a good film"), explainer("a good bad film"))
    strongest = max(result.words, key=lambda word: abs(word.difference))
    end = FOR if strongest.difference > 0 else AGAINST
    styled = "background:#" + "".join(f"{channel:02x}" for channel in end)
    words = re.findall(r'style="([^"]*)[^>]*title="[^>]*>([^<]*)<', result.to_html())
    assert {word for style, word in words if style.startswith(styled)} == {strongest.text}
    console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=200)
    console.print(result)
    assert f"48;2;{end[0]};{end[1]};{end[2]}m{strongest.text}" in console.file.getvalue()


def test_what_cannot_be_compared(explainer):
    one, results = explainer("good film"), explainer(["good", "film"])
    with pytest.raises(TextError, match="expected two explained texts, got TextRelevances"):
        difference(results, results)
    with pytest.raises(TextError, match="one is a text and the other a pair"):
        difference(one, explainer(("good", "film")))
    with pytest.raises(TextError, match="names='ab': expected two names"):
        difference(one, one, names="ab")
    with pytest.raises(TextError, match="don't differ in any word"):
        difference(one, one).figure()
    other = TextExplainer(explainer.model, explainer.tokenizer)("good film")
    assert difference(one, other).notes == ("explained under different rule sets, CP-LRP and AttnLRP",)
