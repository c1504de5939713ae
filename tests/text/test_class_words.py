"""A corpus in one table: the top words of each class, with examples."""

import pandas as pd

from lrp_domains.text import TextExplainer, class_words, class_words_figure
from lrp_domains.text.results.class_words import in_context

from .small_models import bert
from .small_tokenizers import SENTENCES, tokenizer_of


def tables_of(*rows):
    """Return the tables of words and of texts from rows (text, word, relevance, target)."""
    words, texts = [], {}
    for number, word, relevance, target in rows:
        start = len(texts.setdefault(number, ""))
        texts[number] += f"{word} "
        words.append((number, "text", word, start, start + len(word), "word", relevance, target))
    columns = ["text", "part", "word", "start", "end", "kind", "relevance", "target"]
    whole = pd.DataFrame([(n, text, "") for n, text in texts.items()], columns=["text", "first", "second"])
    return pd.DataFrame(words, columns=columns), whole


ROWS = [
    (0, "Good", 2.0, "pos"), (0, "film", 0.1, "pos"), (1, "good", 1.0, "pos"), (1, "film", 0.3, "pos"),
    (2, "superb", 4.5, "pos"), (2, "good", 3.0, "pos"), (3, "bad", 2.0, "neg"), (4, "BAD", 4.0, "neg"),
    (4, "film", -0.5, "neg"), (3, "film", 0.5, "neg"),
]  # fmt: skip


def test_words_are_ranked_by_their_sum_over_occurrences_and_prior():
    words, texts = tables_of(*ROWS)
    table = class_words(words, texts, prior=1, fewest=2)
    by_word = table.set_index(["class", "word"])
    assert list(by_word.index) == [("neg", "bad"), ("neg", "film"), ("pos", "good"), ("pos", "film")]
    good = by_word.loc[("pos", "good")]
    assert (good["relevance"], good["mean"], good["occurrences"], good["texts"]) == (6 / 4, 2.0, 3, 3)
    assert good["examples"] == ("superb «good»", "«Good» film", "«good» film")
    assert by_word["rank"].tolist() == [1, 2, 1, 2]


def test_rare_words_rank_lower_or_are_left_out():
    words, texts = tables_of(*ROWS)
    for prior, first in ((0, "superb"), (9, "good")):
        table = class_words(words, texts, prior=prior, fewest=1, top=1)
        assert table.set_index("class").loc["pos", "word"] == first
    assert "superb" not in class_words(words, prior=0, fewest=2)["word"].tolist()


def test_the_order_of_shards_does_not_matter():
    words, texts = tables_of(*ROWS)
    shuffled = words.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(class_words(words, texts), class_words(shuffled, texts.iloc[::-1]))


def test_context_is_cut_on_both_sides_and_put_on_one_line():
    text = "x" * 50 + " very\ngood " + "y" * 50
    assert in_context(text, 56, 60, width=8) == "…xx very «good» yyyyyyy…"
    assert in_context("good", 0, 4) == "«good»"


def test_the_words_of_a_model_and_their_figure():
    tokenizer = tokenizer_of("wordpiece")
    results = TextExplainer(bert(tokenizer), tokenizer)([*SENTENCES, ("good $x$ film", "a bad film")] * 3)
    table = class_words(results.to_frame(), results.to_frame("texts"), top=5)
    assert set(table["class"]) <= {"LABEL_0", "LABEL_1"}
    assert (table.groupby("class").size() <= 5).all()
    assert all("«" in excerpt for excerpts in table["examples"] for excerpt in excerpts)
    figure = class_words_figure(table, top=3)
    figure.canvas.draw()
    assert len(figure.axes) == table["class"].nunique()
    assert all(len(axes.patches) <= 3 for axes in figure.axes)


def test_a_dollar_in_the_name_of_a_class_is_a_letter():
    table = pd.DataFrame({"class": ["$5 to $10"], "word": ["good"], "relevance": [1.0], "rank": [1], "texts": [3]})
    assert class_words_figure(table).axes[0].get_title() == r"\$5 to \$10"


def test_words_of_a_text_that_the_table_lacks_have_no_examples():
    words, texts = tables_of((0, "good", 1.0, "film"), (1, "good", 2.0, "film"))
    for part in ("continuation", "against"):
        table = class_words(words.assign(part=part), texts)
        assert list(table["word"]) == ["good"] and table["examples"][0] == ()
    assert class_words(words, texts)["examples"][0] == ("«good»", "«good»")
