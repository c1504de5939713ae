"""Display: the original text, escaped and coloured, in notebooks, pages, terminals and tables."""

import io
import json
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from lrp_domains import CP_LRP
from lrp_domains.text import TextExplainer, frame
from lrp_domains.text.results.colours import AGAINST, FOR, colour

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
    page = ParsedPage(result.to_html())
    # Tokens that weren't read yet have no number, rather than 0.
    assert len(page.words) == (result.matrix != 0).sum() < result.matrix.size
    assert "<b>" not in result._repr_html_()
    figure = result.figure()
    figure.canvas.draw()
    assert figure.axes[0].images[0].get_array().shape == result.matrix.shape
