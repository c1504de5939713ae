"""Batches: a text's relevance depends neither on the other texts, nor on padding, nor on the size of the batch."""

from types import SimpleNamespace

import pytest
import torch
import transformers

from lrp_domains import CP_LRP
from lrp_domains.text import TextError, TextExplainer
from lrp_domains.text.tokens.lengths import longest

from .small_models import BERT, bert, gpt2, t5, with_random_weights
from .small_tokenizers import SENTENCES, tokenizer_of

TEXTS = [*SENTENCES, "good", "a"]


def assert_same(result, expected):
    assert (result.text, result.prediction, result.target) == (expected.text, expected.prediction, expected.target)
    for units in ("tokens", "words"):
        relevance, known = ([unit.relevance for unit in getattr(r, units)] for r in (result, expected))
        assert relevance == pytest.approx(known, abs=1e-9)


@pytest.mark.parametrize("new_model, kind", [(bert, "wordpiece"), (gpt2, "byte-level")])
@pytest.mark.parametrize("embedding", ["word", "sum"])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_relevance_does_not_depend_on_the_batch_size(new_model, kind, embedding, batch_size):
    tokenizer = tokenizer_of(kind)
    model = new_model(tokenizer, "ForSequenceClassification", num_labels=3, pad_token_id=3)
    explainer = TextExplainer(model, tokenizer, embedding=embedding, batch_size=batch_size, rules=CP_LRP)
    whole = explainer(TEXTS)
    assert explainer._pipeline.padding.side == "right"  # and not one by one
    for text, result in zip(TEXTS, whole, strict=True):
        assert_same(TextExplainer(model, tokenizer, embedding=embedding, rules=CP_LRP)(text), result)
    assert whole.ledger.score == pytest.approx(sum(result.score for result in whole))
    assert abs(whole.ledger.residue) < 1e-9
    assert whole.ledger.rest == pytest.approx(sum(whole.ledger.leaves.values()), abs=1e-9)


def test_with_embedding_sum_positions_count_as_the_tokens():
    tokenizer = tokenizer_of("wordpiece")
    model = bert(tokenizer)
    word, whole = (
        TextExplainer(model, tokenizer, embedding=where, rules=CP_LRP)(TEXTS[1]).ledger for where in ("word", "sum")
    )
    added = sum(amount for name, amount in word.leaves.items() if "position_emb" in name or "token_type" in name)
    assert whole.words + whole.added == pytest.approx(word.words + word.added + added)
    assert not any("position_emb" in name for name in whole.leaves)


def xlnet(tokenizer):
    sizes = {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 24, "num_labels": 2, "pad_token_id": 0}
    return with_random_weights(
        transformers.XLNetForSequenceClassification(transformers.XLNetConfig(vocab_size=len(tokenizer), **sizes))
    )


@pytest.mark.parametrize(
    "new_model, kind, side",
    [
        (lambda t: bert(t), "wordpiece", "right"),
        (lambda t: gpt2(t, "ForSequenceClassification", pad_token_id=3), "byte-level", "right"),
        (lambda t: gpt2(t, "ForSequenceClassification", pad_token_id=None), "byte-level", None),
        (xlnet, "wordpiece", "left"),  # it reads the last column, padding or not
    ],
    ids=["bert", "gpt2", "gpt2 without padding token", "xlnet"],
)
@pytest.mark.filterwarnings("ignore:relevance changes with padding")
def test_the_side_of_padding_is_found(new_model, kind, side):
    tokenizer = tokenizer_of(kind)
    explainer = TextExplainer(new_model(tokenizer), tokenizer)
    for text, result in zip(TEXTS, explainer(TEXTS), strict=True):
        assert_same(explainer(text), result)
    assert explainer._pipeline.padding.side == side


@pytest.mark.parametrize("side", ["right", "left"])
def test_both_sides_where_positions_are_relative(side):
    tokenizer = tokenizer_of("wordpiece")
    sizes = {name: size for name, size in BERT.items() if name != "max_position_embeddings"}
    config = transformers.LlamaConfig(vocab_size=len(tokenizer), pad_token_id=0, num_labels=2, **sizes)
    model = with_random_weights(transformers.LlamaForSequenceClassification(config))
    exact = TextExplainer(model, tokenizer, batch_size=1)
    for alone, padded in zip(exact(TEXTS), TextExplainer(model, tokenizer, padding=side)(TEXTS), strict=True):
        # RMSNorm computes in float32, which leaves six digits.
        expected = [token.relevance for token in alone.tokens]
        assert [token.relevance for token in padded.tokens] == pytest.approx(expected, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_next_token_is_read_at_the_end_of_each_text(side):
    tokenizer = tokenizer_of("wordpiece")
    config = transformers.LlamaConfig(vocab_size=len(tokenizer), pad_token_id=0, **BERT)
    model = with_random_weights(transformers.LlamaForCausalLM(config))
    explainer = TextExplainer(model, tokenizer, padding=side)
    for text, result in zip(TEXTS, explainer(TEXTS), strict=True):
        alone = explainer(text)
        assert (alone.prediction, result.score) == (result.prediction, pytest.approx(alone.score, rel=1e-5))


def test_texts_of_one_length_do_not_determine_the_side():
    tokenizer = tokenizer_of("wordpiece")
    explainer = TextExplainer(xlnet(tokenizer), tokenizer)
    explainer(["good film", "bad movie"])
    for text, result in zip(TEXTS, explainer(TEXTS), strict=True):
        assert_same(explainer(text), result)
    assert explainer._pipeline.padding.side == "left"


def test_a_single_token_with_what_its_position_adds():
    tokenizer = tokenizer_of("unigram")
    explainer = TextExplainer(t5(tokenizer, "ForSequenceClassification"), tokenizer, embedding="sum", rules=CP_LRP)
    both = explainer(["", "good film"])
    assert_same(both[0], explainer(""))


def test_the_most_tokens_that_a_model_reads():
    tokenizer = tokenizer_of("wordpiece")
    roberta = transformers.RobertaConfig(vocab_size=len(tokenizer), pad_token_id=1, **BERT)
    assert longest(transformers.RobertaModel(roberta), tokenizer) == 62  # positions begin behind that of padding
    assert longest(bert(tokenizer), tokenizer) == 64
    assert longest(t5(tokenizer_of("unigram")), SimpleNamespace(model_max_length=10**30)) is None


def test_a_model_that_cannot_be_padded_warns():
    tokenizer = tokenizer_of("byte-level")
    model = gpt2(tokenizer, "ForSequenceClassification", pad_token_id=None)
    with pytest.warns(UserWarning, match="texts are explained one by one"):
        TextExplainer(model, tokenizer)(TEXTS)


def test_a_stream_yields_what_a_call_returns_and_reads_ahead_eight_batches():
    tokenizer = tokenizer_of("wordpiece")
    explainer = TextExplainer(bert(tokenizer), tokenizer, batch_size=2)
    taken = []

    def corpus():
        for number in range(100):
            taken.append(number)
            yield TEXTS[number % len(TEXTS)]

    stream = explainer.stream(corpus())
    for text, expected in zip(TEXTS, explainer(TEXTS), strict=True):
        result = next(stream)
        assert result.text == text
        assert_same(result, expected)
    assert len(taken) <= 16


def test_a_stream_has_one_contrast_for_all_and_numbers_its_texts():
    tokenizer = tokenizer_of("wordpiece")
    explainer = TextExplainer(bert(tokenizer), tokenizer, batch_size=1)
    targets = [result.target for result in explainer.stream(TEXTS, "LABEL_0", against=1)]
    assert targets == ["LABEL_0 against LABEL_1"] * len(TEXTS)
    with pytest.raises(TextError, match=r"^text 9: expected a string"):
        list(explainer.stream([*["good"] * 9, None]))


def test_one_target_per_text_and_one_step_of_progress_per_batch():
    tokenizer = tokenizer_of("wordpiece")
    explainer = TextExplainer(bert(tokenizer), tokenizer)
    seen = []

    def progress(items, description):
        seen.append((len(items), description))
        return items

    requests = {"target": ["LABEL_0", "label_1", "LABEL_0"], "against": [None, None, 1]}
    results = explainer(["good", "bad", "good"], **requests, progress=progress)
    assert [result.target for result in results] == ["LABEL_0", "LABEL_1", "LABEL_0 against LABEL_1"]
    assert seen == [(1, "Explaining")]
    assert results[0].score == pytest.approx(results[2].score)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_low_precision_is_close_to_double_precision(dtype):
    tokenizer = tokenizer_of("wordpiece")
    exact = TextExplainer(bert(tokenizer), tokenizer)(SENTENCES[1])
    rough = TextExplainer(bert(tokenizer).to(dtype), tokenizer)(list(SENTENCES))[1]
    limit = max(abs(word.relevance) for word in exact.words) * (0.1 if dtype == torch.bfloat16 else 1e-4)
    assert [w.relevance for w in rough.words] == pytest.approx([w.relevance for w in exact.words], abs=limit)
