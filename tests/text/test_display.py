"""Display: the original text, escaped and coloured, in notebooks, pages, terminals and tables."""

import io
import json
import re
from copy import deepcopy
from html.parser import HTMLParser

import pytest
from rich.console import Console

from lrp_domains import CP_LRP
from lrp_domains.domain.page import rgb
from lrp_domains.text import (
    TextError,
    TextExplainer,
    TextRelevance,
    TextRelevances,
    class_words,
    class_words_figure,
    difference,
    frame,
)
from lrp_domains.text.results.colours import AGAINST, BLACK, FOR, INK, NOTE, QUIET, WHITE, colour, contrast

from .small_models import bert, gpt2
from .small_tokenizers import SENTENCES, tokenizer_of

NASTY = "a <script>alert('x')</script> & \"good\"  film\nجدًا 🤗"


@pytest.fixture(scope="module")
def explainer():
    return TextExplainer(bert(tokenizer_of("wordpiece")), tokenizer_of("wordpiece"), rules=CP_LRP)


class ParsedPage(HTMLParser):
    """The text of a page, and its coloured words with their relevance."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.words = [], "", []
        self.inside = None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        attributes = dict(attributes)
        self.inside = float(attributes["title"]) if "title" in attributes else None

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        self.text += data
        if self.inside is not None:
            self.words.append((data, self.inside))


def test_a_page_contains_the_text_unchanged(explainer):
    result = explainer(NASTY)
    page = ParsedPage(result.to_html())
    assert NASTY in page.text
    assert "script" not in page.tags
    assert page.words == [(word.text, pytest.approx(word.relevance, abs=1e-4)) for word in result.words]
    assert 'dir="auto"' in result.to_html()
    assert "<!doctype html>" in result.to_html()
    assert "<!doctype" not in result._repr_html_()
    assert NASTY in ParsedPage(result._repr_html_()).text


def test_nothing_of_a_text_is_markup(explainer):
    whole = TextExplainer(explainer.model, explainer.tokenizer, words=lambda text: [(0, len(text))])
    page = whole(NASTY).to_html()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert ParsedPage(page).words == [(NASTY, pytest.approx(whole(NASTY).words[0].relevance, abs=1e-4))]


def test_a_page_of_many_texts_contains_all(explainer):
    results = explainer([*SENTENCES, ("first text", "second text")])
    page = ParsedPage(results.to_html(title="Reviews <2>"))
    assert all(text in page.text for text in (*SENTENCES, "second text", "Reviews <2>"))
    assert all(text in ParsedPage(results._repr_html_()).text for text in SENTENCES)


def test_a_terminal_shows_the_text_in_colours(explainer):
    result = explainer(NASTY)
    console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=200)
    console.print(result)
    raw = console.file.getvalue()
    assert NASTY in re.sub(r"\x1b\[[0-9;]*m", "", raw)
    strongest = max(result.words, key=lambda word: abs(word.relevance))
    red, green, blue = FOR if strongest.relevance > 0 else AGAINST
    assert f"48;2;{red};{green};{blue}m{strongest.text}" in raw


def test_numbers_are_printed_on_demand(explainer, capsys):
    explainer(SENTENCES[0]).print(numbers=True)
    shown = capsys.readouterr().out
    assert all(word in shown for word in SENTENCES[0].split())
    assert "added tokens" in shown
    explainer(list(SENTENCES[:2])).print()
    assert SENTENCES[1] in capsys.readouterr().out


def test_markup_of_the_terminal_is_printed_literally(explainer, capsys):
    explainer("[red]good[/red] [bold]").print()
    assert "[red]good[/red] [bold]" in capsys.readouterr().out
    whole = TextExplainer(explainer.model, explainer.tokenizer, words=lambda text: [(0, len(text))])
    for text, reference in (("a good [/i] film", "a bad [/b] film"), ("a good [i] film", "a bad [b] film")):
        whole(text, reference=reference).print(numbers=True)
        table = capsys.readouterr().out.partition("relevance")[2]
        assert text in table and reference in table


def test_colours_are_symmetric_and_show_the_sign():
    assert colour(0, 0)[0] == colour(0, 3)[0] == (255, 255, 255)
    assert colour(3, 3) == (FOR, True)
    assert colour(-3, 3) == (AGAINST, True)
    assert colour(1, 3)[0] != colour(-1, 3)[0]


def test_tables_are_joined_by_the_number_of_the_text(explainer):
    results = explainer([SENTENCES[0], ("who?", "nobody")])
    words, tokens, texts = (results.to_frame(of) for of in ("words", "tokens", "texts"))
    assert words.groupby("text")["relevance"].sum().tolist() == pytest.approx(texts["words"].tolist())
    assert tokens.groupby("text")["relevance"].sum().tolist() == pytest.approx(
        (texts["words"] + texts["added"]).tolist()
    )
    assert (texts["words"] + texts["added"] + texts["rest"]).tolist() == pytest.approx(texts["score"].tolist())
    assert texts["second"].tolist() == ["", "nobody"]
    assert set(words.query("text == 1")["part"]) == {"first", "second"}
    for row in words.itertuples():
        both = texts.set_index("text").loc[row.text]
        assert both["second" if row.part == "second" else "first"][row.start : row.end] == row.word
    shifted = frame(results, "words", first=7)
    assert (shifted["text"] - words["text"] == 7).all()
    assert explainer("").to_frame().columns.tolist() == words.columns.tolist()


def test_plain_values_can_be_written_as_json(explainer):
    results = explainer(list(SENTENCES))
    plain = json.loads(json.dumps(results.to_dict()))
    for values, result in zip(plain, results, strict=True):
        assert values["score"] == result.score
        assert values["words"][0] == result.words[0]._asdict()
        assert values["ledger"]["words"] == result.ledger.words
    assert "leaves" in json.loads(json.dumps(explainer("good").to_dict()))["ledger"]


def test_a_ledger_is_readable(explainer):
    single, total = explainer("good film").ledger, explainer(list(SENTENCES)).ledger
    assert "residue" in str(single)
    assert "residue" in str(total)
    assert "rest (biases, residue)" in str(explainer(list(SENTENCES))[0].ledger)
    assert len(explainer(list(SENTENCES))[1:3]) == 2


def test_a_continuation_as_a_table_and_a_figure():
    tokenizer = tokenizer_of("byte-level")
    result = TextExplainer(gpt2(tokenizer), tokenizer).continuation("a <b> $x$", "good film\n")
    assert "<b>" not in result._repr_html_()
    for of, pairs in (("words", result.words), ("tokens", result.tokens)):
        # What a row can't have read is empty.
        assert len(ParsedPage(result.to_html(of)).words) == pairs.read.sum() < pairs.read.size
        figure = result.figure(of)
        figure.canvas.draw()
        shown = figure.axes[0].images[0].get_array()
        assert (shown.mask == ~pairs.read).all()


def test_a_long_continuation_is_short_in_a_page_and_printed():
    tokenizer = deepcopy(tokenizer_of("byte-level"))
    tokenizer.model_max_length = 400
    explainer = TextExplainer(gpt2(tokenizer, n_positions=400), tokenizer)
    result = explainer.continuation("a good film and a bad cast " * 30, "good film")
    page = result.to_html()
    inputs = result.words.relevance.shape[1]
    assert inputs > 200 and len(page) < 12_000
    assert f"{inputs - 60} others" in page
    for row, relevance in zip(page.split("<tr>")[2:], result.words.relevance, strict=True):
        assert sum(amount for _, amount in ParsedPage(row).words) == pytest.approx(relevance.sum(), abs=1e-2)
    figure = result.figure()
    shown = figure.axes[0].images[0].get_array()
    assert shown.shape == (len(result.words.outputs), 61) and figure.get_figwidth() < 25
    assert figure.axes[0].get_xticklabels()[-1].get_text() == f"{inputs - 60} others"
    assert shown.filled(0).sum(1) == pytest.approx(result.words.relevance.sum(1))
    assert len(repr(result)) < 120 and "a good film" in Shown(result).text
    assert "comes from" in Shown(result).text


class Shown:
    """What a terminal of 100 columns shows, without colours."""

    def __init__(self, result):
        console = Console(file=io.StringIO(), width=100)
        console.print(result)
        self.text = console.file.getvalue()


def test_letters_have_enough_contrast_on_every_colour():
    for share in range(-1000, 1001):
        background, white = colour(share, 1000)
        assert contrast(background, WHITE if white else BLACK) >= 4.5, share
    white = rgb("#ffffff")
    assert all(contrast(rgb(one), white) >= 4.5 for one in (INK, QUIET, NOTE, "#2166ac"))
    assert contrast(rgb("#777777"), white) == pytest.approx(4.48, abs=0.01)  # as published


def test_every_style_of_a_page_has_enough_contrast(explainer):
    """Letters have at least 4.5 on their own ground; where none is named, on that of the result."""
    results = explainer(list(SENTENCES))
    for page in (results._repr_html_(), difference(results[0], results[1]).to_html()):
        styles = re.findall(r'style="([^"]*)"', page) + re.findall(r"\{([^}]*)\}", page)
        inks = [re.search(r"(?<![-\w])color:(#[0-9a-f]+)", style) for style in styles]
        grounds = [re.search(r"background:(#[0-9a-f]+)", style) for style in styles]
        pairs = {(ink[1], ground[1] if ground else "#fff") for ink, ground in zip(inks, grounds, strict=True) if ink}
        assert len(pairs) > 4
        assert all(contrast(rgb(_long(ink)), rgb(_long(ground))) >= 4.5 for ink, ground in pairs)


def _long(colour):
    """Return a colour with six digits."""
    return colour if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:])


def test_a_result_follows_the_page_that_it_is_shown_in(explainer):
    body = explainer("good " + 300 * "x")._repr_html_()
    assert "rem" not in re.findall(r'style="([^"]*)"', body)[0] and "rem;" not in body
    outer = re.search(r'<div class="lrp-texts" style="([^"]*)"', body)[1]
    assert "font-size:1em" in outer and "overflow-wrap:anywhere" in outer
    # A dark page must not shine through, with letters for a light one.
    assert "background:#fff" in outer and f"color:{INK}" in outer


def test_numbers_can_be_reached_without_a_mouse(explainer):
    result = explainer("a good film")
    body = result._repr_html_()
    assert len(re.findall(r'<span[^>]*title="[^"]*" tabindex="0"', body)) == 3
    table = body[body.index("<details") : body.index("</details>")]
    assert [float(value) for value in re.findall(r"<td>([^<]*)</td>", table)] == pytest.approx(
        [word.relevance for word in result.words if word.text.strip()]
        + [token.relevance for token in result.tokens if token.part == "added"]
        + [result.ledger.rest, result.score],
        abs=1e-4,
    )
    assert "added token [CLS]" in table and 'scope="row"' in table


def test_long_results_are_folded(explainer):
    many = explainer(["good film"] * 300)
    body, page = many._repr_html_(), many.to_html()
    assert ">180 more texts</summary>" in body and "100 more texts are not shown" in body
    assert "280 more texts" in page and "not shown" not in page
    long = " ".join(["good"] * 400)
    windowed = TextExplainer(explainer.model, explainer.tokenizer, long="windows")
    assert "text of " in windowed([long, "film"]).to_html() and "text of " not in windowed(long).to_html()


def test_results_print_on_one_line(explainer):
    for shown in (repr(explainer("good film").ledger), repr(explainer(list(SENTENCES)).ledger)):
        assert shown.startswith("TextLedger(score=") and len(shown) < 120 and "\n" not in shown


def test_a_figure_displays_itself_in_a_notebook(explainer):
    results = explainer(["good film", "bad film", "good bad film"])
    figure = class_words_figure(class_words(results.to_frame(), fewest=1))
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert difference(results[0], results[1]).figure()._repr_png_().startswith(b"\x89PNG")


def test_results_are_read_back(explainer):
    for result in (explainer("good film"), explainer(("who?", "nobody")), explainer("")):
        again = TextRelevance.from_dict(json.loads(json.dumps(result.to_dict())))
        assert again == result and again.to_html() == result.to_html()
    results = explainer(list(SENTENCES))
    again = TextRelevances.from_dict(results.to_dict())
    assert again.items == results.items and again.ledger.score == results.ledger.score
    with pytest.raises(TextError, match="the values of an explained text lack 'ledger': pass what to_dict"):
        TextRelevance.from_dict({name: value for name, value in results[0].to_dict().items() if name != "ledger"})
    with pytest.raises(TextError, match="are a list"):
        TextRelevance.from_dict(results.to_dict())


def test_a_reference_is_read_back(explainer):
    result = TextExplainer(explainer.model, explainer.tokenizer)("good film", reference="mask")
    assert TextRelevance.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_the_stream_of_one_text_is_that_text(explainer):
    for text in ("good film", ("good", "film")):
        (result,) = explainer.stream(text)
        assert result == explainer(text)
    with pytest.raises(TextError, match="expected a text, a pair of texts, or a list of these, got int"):
        list(explainer.stream(3))
