"""Fifty odd strings with six kinds of tokenizers: words tile, their sums are the tokens', a batch is its texts."""

import numpy as np
import pytest

from lrp_domains import CP_LRP
from lrp_domains.text import TextExplainer, segment

from .small_models import bert, gpt2
from .small_tokenizers import python_tokenizer, tokenizer_of

ODD = (
    "👩‍👩‍👧‍👦 family", "👍🏽👍🏿", "🇫🇷🇩🇪 flags", "❤️ good", "1️⃣2️⃣", "🤷🏻‍♀️", "a🤗b", "☃☃☃☃",
    "e\u0301e\u0301", "a\u0301\u0302\u0303 zalgo", "\u0301 lone mark", "ñ vs n\u0303", "ﬁlm ﬂight", "Straße İstanbul",
    "جدًا فيلم رائع", "שלום עולם", "a\u200fb\u202eabc\u202c", "हिन्दी फ़िल्म", "தமிழ் படம்", "한국어 영화", "ㅎㅎㅎ",
    "这部电影很好看", "日本語の映画、良い。", "ＡＢＣ　１２３", "ภาพยนตร์ดีมาก", "ខ្មែរ", "မြန်မာ", "བོད་སྐད",
    "a\u00a0b\u00a0c", "a\u200bb\u200b", "\ufeffbom", "soft\u00adhyphen", "a\u2028b\u2029c",
    "a \t\n\r\n  b", "   lead", "trail   ",
    "bell\x07 and\x00null\x1b[31m", "\x7f\x80\x9f", "<script>alert('x')</script>", "[MASK] <s> </s> [SEP] <unk>",
    "<|endoftext|> a", "[CLS] a [SEP]", "&amp; &lt; \"q\" 'q'", "\ue000\uf8ff private", "\U000f0000", "\ufffd\ufffd",
    "a" * 150, "good" * 12 + " film", "!!!???...;;;", "▁Ġ##@@</w>", "10:30pm 5.0 U.S. isn't well-acted #tag @user",
)  # fmt: skip
KINDS = ("wordpiece", "byte-level", "unigram", "metaspace-first", "legacy", "python")


@pytest.fixture(scope="module", params=KINDS)
def explainer(request):
    tokenizer = python_tokenizer() if request.param == "python" else tokenizer_of(request.param)
    if request.param == "byte-level":
        model = gpt2(tokenizer, "ForSequenceClassification", n_layer=1, n_positions=256)
    else:
        sizes = {"num_hidden_layers": 1, "max_position_embeddings": 256, "pad_token_id": tokenizer.pad_token_id}
        model = bert(tokenizer, **sizes)
    limit, tokenizer.model_max_length = tokenizer.model_max_length, 256
    yield TextExplainer(model, tokenizer, rules=CP_LRP, batch_size=64)
    tokenizer.model_max_length = limit


def test_odd_strings(explainer):
    assert len(ODD) >= 50
    results = explainer(list(ODD))
    for text, result in zip(ODD, results, strict=True):
        alone = explainer(text)
        assert alone.score == pytest.approx(result.score, abs=1e-8)
        np.testing.assert_allclose([t.relevance for t in alone.tokens], [t.relevance for t in result.tokens], atol=1e-8)
        words, tokens = (sum(item.relevance for item in items) for items in (result.words, result.tokens))
        added = sum(token.relevance for token in result.tokens if token.part == "added")
        assert words + added == pytest.approx(tokens, abs=1e-9)
        assert tokens + result.ledger.rest == pytest.approx(result.score, abs=1e-9)

        # The words tile the text, except for whitespace without a token.
        spans, end = segment(text)[0].tolist(), 0
        for word in result.words:
            assert word.text == text[word.start : word.end] and not text[end : word.start].strip()
            end = word.end
        assert not text[end:].strip() and result.words
        assert len(result.words) <= len(spans)
        assert all(token.text for token in result.tokens)


@pytest.mark.parametrize("kind", ["byte-level", "legacy", "metaspace-first"])
def test_a_continuation_of_odd_strings(kind):
    tokenizer = tokenizer_of(kind)
    explainer = TextExplainer(gpt2(tokenizer, n_layer=1, n_positions=400), tokenizer)
    for text in ODD[::3]:
        result = explainer.continuation(text, longest=3)
        assert result.words.relevance.sum() == pytest.approx(result.matrix.sum())
        assert all(token.text in text + result.continuation or token.start < 0 for token in result.inputs if token.text)
        assert "".join(result.words.outputs).split() == "".join(result.continuation.split(" ")).split() or result.words
        phrase = explainer(text, target=" good")
        assert phrase.texts[0] == text and phrase.target.endswith("good")
