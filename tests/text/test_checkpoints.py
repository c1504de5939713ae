"""Checkpoints, saved and loaded: any Unicode text can be explained with every kind of tokenizer."""

import json
import warnings

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import ByT5Tokenizer, CanineTokenizer, T5Config, T5ForSequenceClassification

from lrp_domains import CP_LRP
from lrp_domains.text import TextExplainer
from lrp_domains.text.tokens.alignment import align

from .small_models import T5, bert, gpt2, t5, with_random_weights
from .small_tokenizers import KINDS, SENTENCES, tokenizer_of
from .test_words import UNICODE


@pytest.fixture(scope="module", params=KINDS)
def loaded(request, tmp_path_factory):
    """Return an explainer from a folder on disk."""
    tokenizer = tokenizer_of(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    model = gpt2(tokenizer, "ForSequenceClassification") if request.param == "byte-level" else bert(tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return TextExplainer.from_pretrained(str(folder), rules=CP_LRP, device="cpu")


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(UNICODE, min_size=1, max_size=3))
def test_any_text_can_be_explained(loaded, texts):
    texts = [text or "." for text in texts]  # GPT-2 has no token for an empty one
    for text, result in zip(texts, loaded(texts), strict=True):
        total = sum(token.relevance for token in result.tokens)
        words = sum(word.relevance for word in result.words)
        added = sum(token.relevance for token in result.tokens if token.part == "added")
        assert words + added == pytest.approx(total, abs=1e-9)
        assert total + result.ledger.rest == pytest.approx(result.score, abs=1e-9)
        ends = 0
        for word in result.words:
            assert word.text == text[word.start : word.end]
            assert ends <= word.start < word.end <= len(text)
            assert text[ends : word.start].strip() == ""
            ends = word.end
        json.dumps(result.to_dict())
        assert result.to_html()


def test_a_loaded_model_explains_as_in_memory(loaded):
    tokenizer, model = loaded.tokenizer, loaded.model
    assert model.dtype == torch.float64
    assert loaded(SENTENCES[2]) == TextExplainer(model, tokenizer, rules=CP_LRP)(SENTENCES[2])


@pytest.mark.parametrize("precision", ["float32", torch.bfloat16, None])
def test_the_precision_is_as_stored_unless_it_is_chosen(tmp_path, precision):
    tokenizer = tokenizer_of("wordpiece")
    bert(tokenizer).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    explainer = TextExplainer.from_pretrained(str(tmp_path), dtype=precision)
    expected = {"float32": torch.float32, None: torch.float64}.get(precision, precision)
    assert explainer.model.dtype == expected
    assert explainer("good film").words


def test_the_task_is_read_from_the_checkpoint(tmp_path):
    tokenizer = tokenizer_of("wordpiece")
    tasks = {
        "ForSequenceClassification": "text-classification", "ForTokenClassification": "token-classification",
        "ForQuestionAnswering": "question-answering", "ForMaskedLM": "fill-mask", "Model": "sentence-similarity",
        "LMHeadModel": "text-generation",
    }  # fmt: skip
    for kind, task in tasks.items():
        folder = tmp_path / kind
        bert(tokenizer, kind, is_decoder=kind == "LMHeadModel").save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        assert TextExplainer.from_pretrained(str(folder)).task == task
    t5(tokenizer_of("unigram")).save_pretrained(tmp_path / "t5")
    tokenizer_of("unigram").save_pretrained(tmp_path / "t5")
    assert TextExplainer.from_pretrained(str(tmp_path / "t5")).task == "text2text-generation"


TEXT = "naïve 🤗 café, isn't it?"


def test_bytes_are_found_in_the_text_without_offsets():
    tokenizer = ByT5Tokenizer()
    model = with_random_weights(T5ForSequenceClassification(T5Config(vocab_size=384, num_labels=2, **T5)))
    result = TextExplainer(model, tokenizer, rules=CP_LRP)(TEXT)
    assert [word.text for word in result.words] == ["naïve", "🤗", "café", ",", "isn't", "it", "?"]
    emoji = [token.relevance for token in result.tokens if token.start in (5, 6)]
    assert len(emoji) == 10  # the space before and four bytes, read by encoder and decoder
    assert result.words[1].relevance == pytest.approx(sum(emoji))
    assert abs(result.ledger.residue) < 1e-9


def test_characters_are_found_in_the_text_without_offsets():
    tokenizer = CanineTokenizer()
    batch = tokenizer(TEXT)["input_ids"]
    spans = align(TEXT, tokenizer.convert_ids_to_tokens(batch[1:-1]))
    assert spans.tolist() == [[i, i + 1] for i in range(len(TEXT))]


@pytest.mark.parametrize(
    "text, pieces, spans",
    [
        ("Good Film", ["good", "film"], [[0, 4], [5, 9]]),
        ("a  b", ["a", " ", " ", "b"], [[0, 1], [1, 2], [2, 3], [3, 4]]),
        ("Straße", ["stras", "se"], [[0, 5], [4, 6]]),  # ß folds into two characters, which share it
        ("good", ["go", "##od"], [[0, 2], [2, 4]]),
        ("good film", ["go@@", "od", "film</w>"], [[0, 2], [2, 4], [5, 9]]),
        ("New York", ["▁New▁York"], [[0, 8]]),
        ("ＡＢ　Café", ["ab", "cafe"], [[0, 2], [3, 7]]),  # compatibility forms and accents
        ("a\u200b b", ["a", "b"], [[0, 1], [3, 4]]),  # what tokenizers drop
        ("é 👩", ["Ã", "©", "<0x20>", "ð", "\x9f", "\x91", "©"], [[0, 1]] * 2 + [[1, 2]] + [[2, 3]] * 4),
        ("go @bob on", ["go", "@USER", "on"], [[0, 2], [3, 7], [8, 10]]),  # what a tokenizer replaced
        ("good", ["x", "y"], None),
        ("", [], []),
    ],
)
def test_pieces_are_found_in_the_text(text, pieces, spans):
    aligned = align(text, pieces)
    assert (None if aligned is None else aligned.tolist()) == spans


@pytest.mark.parametrize(
    "text, pieces, spans",
    [
        ("a zzz film", ["a", "?", "film"], [[0, 1], [2, 5], [6, 10]]),
        ("☃a☃ a b", ["?", "a", "b"], [[0, 3], [4, 5], [6, 7]]),  # not the first a: no b follows it
        ("☃☃ x!", ["?", "?", "?"], [[0, 2], [3, 4], [4, 5]]),
        ("AJJD", ["A", "?", "?", "D"], [[0, 1], [1, 2], [2, 3], [3, 4]]),
        ("a bcd", ["a", "?", "?"], [[0, 1], [2, 5], [2, 5]]),
    ],
)
def test_unknown_pieces_lie_between_their_neighbours(text, pieces, spans):
    assert align(text, pieces, [piece == "?" for piece in pieces]).tolist() == spans


def test_tokens_that_cannot_be_found_have_no_words():
    class Slow(ByT5Tokenizer):
        def tokenize(self, text, **options):
            return [f"<{piece}>" for piece in super().tokenize(text)]

        def convert_tokens_to_ids(self, pieces):
            if isinstance(pieces, str):
                return super().convert_tokens_to_ids(pieces)
            return super().convert_tokens_to_ids([piece.removeprefix("<").removesuffix(">") for piece in pieces])

    model = with_random_weights(T5ForSequenceClassification(T5Config(vocab_size=384, num_labels=2, **T5)))
    with pytest.warns(UserWarning, match="Slow reports no character offsets, .* for tokens, not for words"):
        result = TextExplainer(model, Slow())("good film")
    assert result.words == ()
    assert len(result.tokens) > 0
    assert result.to_html()


def test_special_tokens_written_in_a_text_are_words():
    tokenizer = tokenizer_of("wordpiece")
    result = TextExplainer(bert(tokenizer), tokenizer)("good [SEP] film")
    assert [word.text for word in result.words] == ["good", "[SEP]", "film"]
    assert [token.text for token in result.tokens if token.part == "added"] == ["[CLS]", "[SEP]"]


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_empty_texts_have_no_words(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = TextExplainer(bert(tokenizer_of("wordpiece")), tokenizer_of("wordpiece"))(text)
    assert result.words == ()
    assert result.ledger.added == pytest.approx(sum(token.relevance for token in result.tokens))
