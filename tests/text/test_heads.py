"""Every head against the core itself: the same score, the same relevance of every token."""

import numpy as np
import pytest
import torch

from lrp_domains import CP_LRP, capture, relevance
from lrp_domains.text import TextError, TextExplainer
from lrp_domains.text.heads.answers import most_probable_answer
from lrp_domains.text.tokens.encoding import encode

from .small_models import bart, bert, gpt2, t5
from .small_tokenizers import SENTENCES, tokenizer_of

WORDPIECE, BYTES, UNIGRAM = (tokenizer_of(kind) for kind in ("wordpiece", "byte-level", "unigram"))


def score_and_relevance(model, score, glob, **batch):
    """Return the score of one forward pass, and the relevance of each token of each side, by the core alone."""
    with capture(model, glob) as kept:
        outputs = model(**{name: torch.as_tensor(value) for name, value in batch.items()})
    value = score(outputs)
    parts = relevance(value, list(kept.values()), rules=CP_LRP)
    return value.item(), np.concatenate([r.sum(-1).flatten().numpy() for r in parts])


def assert_explained(result, score, tokens):
    assert result.score == pytest.approx(score)
    np.testing.assert_allclose([token.relevance for token in result.tokens], tokens, atol=1e-12)
    assert result.ledger.words + result.ledger.added == pytest.approx(tokens.sum())
    words = sum(word.relevance for word in result.words)
    assert words == pytest.approx(result.ledger.words, abs=1e-12)
    if result.ledger.residue is not None:
        assert abs(result.ledger.residue) < 1e-9


def test_token_classification_explains_the_label_of_a_word():
    model = bert(WORDPIECE, "ForTokenClassification", num_labels=3, id2label={0: "O", 1: "PER", 2: "LOC"})
    explainer = TextExplainer(model, WORDPIECE, rules=CP_LRP)
    result = explainer(SENTENCES[3], target="LOC", against="PER", at="plot")
    batch = WORDPIECE([SENTENCES[3]], return_tensors="pt")
    places = [i for i, token in enumerate(result.tokens) if 4 <= token.start < 8]

    def score(outputs):
        return (outputs.logits[0, places, 2] - outputs.logits[0, places, 1]).mean()

    assert_explained(result, *score_and_relevance(model, score, "*.word_embeddings", **batch))
    assert result.target == "LOC against PER at 'plot'"


def test_fill_mask_explains_the_word_at_the_mask():
    model = bert(WORDPIECE, "ForMaskedLM")
    explainer = TextExplainer(model, WORDPIECE, rules=CP_LRP)
    text = "the [MASK] was bad"
    result = explainer(text, target="movie", against="film")
    batch = WORDPIECE([text], return_tensors="pt")
    place = batch["input_ids"][0].tolist().index(WORDPIECE.mask_token_id)
    movie, film = WORDPIECE.convert_tokens_to_ids(["movie", "film"])

    def score(outputs):
        return outputs.logits[0, place, movie] - outputs.logits[0, place, film]

    assert_explained(result, *score_and_relevance(model, score, "*.word_embeddings", **batch))
    assert result.target == "movie against film"
    assert [word.text for word in result.words] == ["the", "[MASK]", "was", "bad"]
    assert explainer("[MASK] was [MASK]", at=11).score != explainer("[MASK] was [MASK]", at=0).score


def test_a_mask_that_is_cut_off_is_reported():
    explainer = TextExplainer(bert(WORDPIECE, "ForMaskedLM"), WORDPIECE, long="truncate", window=6)
    with pytest.warns(UserWarning, match="were cut off"):
        assert explainer("the [MASK] was bad bad bad bad", target="film").target == "film"
    with pytest.raises(TextError, match=r"the \[MASK\] of 'the .* was cut off, as 6 tokens are read at once: shorten"):
        explainer("the plot was bad bad [MASK] bad")
    with pytest.raises(TextError, match=r"has 0 masks: write \[MASK\] in place of the word"):
        explainer("the plot was bad bad bad bad")


def test_text_generation_explains_the_next_token():
    model = gpt2(BYTES)
    explainer = TextExplainer(model, BYTES, rules=CP_LRP)
    batch = BYTES(["the plot was"], return_tensors="pt")
    logits = model(**batch).logits[0, -1]
    result = explainer("the plot was")
    assert result.probability == pytest.approx(logits.softmax(0).max().item())
    others = logits[logits < logits.max()]
    assert result.score == pytest.approx((logits.max() - others.softmax(0) @ others).item())

    def score(outputs):
        return outputs.logits[0, -1, 40] - outputs.logits[0, -1, 50]

    contrast = explainer("the plot was", target=40, against=50)
    assert_explained(contrast, *score_and_relevance(model, score, "*.wte", **batch))


def test_text_generation_explains_a_phrase_token_by_token():
    model = gpt2(BYTES)
    explainer = TextExplainer(model, BYTES, rules=CP_LRP, score="logit")
    result = explainer("the plot was", target="terrible film")
    prompt, phrase = BYTES("the plot was")["input_ids"], BYTES(" terrible film")["input_ids"]
    assert len(phrase) > 1
    columns = torch.arange(len(phrase)) + len(prompt) - 1

    def score(outputs):
        return outputs.logits[0, columns, phrase].sum()

    assert_explained(result, *score_and_relevance(model, score, "*.wte", input_ids=[prompt + phrase[:-1]]))
    assert result.parts == ("text", "continuation")
    assert result.texts[1] == " terrible film"
    other = explainer("the plot was", target="wonderful movie")
    contrast = explainer("the plot was", target="terrible film", against="wonderful movie")
    assert contrast.score == pytest.approx(result.score - other.score)
    assert contrast.target == "terrible film against wonderful movie"
    first = [explained.to_frame().query("part == 'text'")["relevance"].sum() for explained in (contrast, result, other)]
    assert first[0] == pytest.approx(first[1] - first[2])


@pytest.mark.parametrize("new_model", [t5, bart])
def test_an_encoder_decoder_is_explained_on_both_sides(new_model):
    model = new_model(UNIGRAM)
    result = TextExplainer(model, UNIGRAM, rules=CP_LRP, score="logit")("the plot was bad", target="good film")
    source, answer = UNIGRAM("the plot was bad")["input_ids"], UNIGRAM("good film")["input_ids"]
    decoder = [model.config.decoder_start_token_id, *answer[:-1]]

    def score(outputs):
        return outputs.logits[0, torch.arange(len(answer) - 1), answer[:-1]].sum()  # without </s>

    inputs = {"input_ids": [source], "decoder_input_ids": [decoder]}
    assert_explained(result, *score_and_relevance(model, score, "*.embed_tokens", **inputs))
    assert result.parts == ("source", "target")
    assert [token.side for token in result.tokens] == ["encoder"] * len(source) + ["decoder"] * len(decoder)


@pytest.mark.parametrize("new_model", [t5, bart])
def test_a_classifier_that_reads_the_text_on_both_sides_counts_both(new_model):
    model = new_model(UNIGRAM, "ForSequenceClassification", num_labels=2)
    explainer = TextExplainer(model, UNIGRAM, rules=CP_LRP)
    result = explainer(SENTENCES[3])
    batch = UNIGRAM([SENTENCES[3]], return_tensors="pt")
    label = model(**batch).logits.argmax().item()

    def score(outputs):
        return outputs.logits[0, label] - outputs.logits[0, 1 - label]

    assert_explained(result, *score_and_relevance(model, score, "*.embed_tokens", **batch))
    # Of each word both copies count.
    plot = [t.relevance for t in result.tokens if t.part == "text" and t.start >= 3 and t.end <= 8]
    word = next(word for word in result.words if word.text == "plot")
    assert word.relevance == pytest.approx(sum(plot), abs=1e-9)
    assert [explainer(text).score for text in SENTENCES] == pytest.approx([r.score for r in explainer(list(SENTENCES))])


@pytest.mark.parametrize("end", [None, "start", "end"])
def test_question_answering_explains_the_ends_of_an_answer(end):
    model = bert(WORDPIECE, "ForQuestionAnswering")
    explainer = TextExplainer(model, WORDPIECE, rules=CP_LRP, score="logit")
    question, context = "what was bad?", SENTENCES[3]
    result = explainer((question, context), target=end, at="the food")
    batch = WORDPIECE([question], [context], return_tensors="pt")
    inside = [i for i, t in enumerate(result.tokens) if t.part == "context" and 21 <= t.start < 29]

    def score(outputs):
        both = outputs.start_logits[0, inside[0]], outputs.end_logits[0, inside[-1]]
        return sum(both) if end is None else both[end == "end"]

    assert_explained(result, *score_and_relevance(model, score, "*.word_embeddings", **batch))
    assert explainer((question, context)).prediction in context
    pairs = [(question, context), ("who?", SENTENCES[1])]
    explainer = TextExplainer(model, WORDPIECE, rules=CP_LRP)
    together = explainer(pairs)
    assert explainer._pipeline.padding.side == "right"  # an answer can't be in the padding
    for pair, result in zip(pairs, together, strict=True):
        assert result.score == pytest.approx(TextExplainer(model, WORDPIECE, rules=CP_LRP)(pair).score)


def test_an_answer_ends_after_its_start_and_is_not_too_long():
    encoding = encode(WORDPIECE, [("who?", SENTENCES[3] * 5)])[0]
    starts, ends = np.zeros((2, len(encoding)))
    inside = np.flatnonzero(encoding.part == 1)
    starts[[inside[5], inside[0]]] = 9, 8
    ends[[inside[3], inside[40], 0]] = 9, 5, 99
    assert most_probable_answer(encoding, starts, ends)[0] == (inside[0], inside[3])


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_sentence_similarity_explains_the_cosine(pooling):
    model = bert(WORDPIECE, "Model")
    explainer = TextExplainer(model, WORDPIECE, rules=CP_LRP, pooling=pooling)
    pairs = [(SENTENCES[0], SENTENCES[3]), ("a", SENTENCES[1])]
    for pair, result in zip(pairs, explainer(pairs), strict=True):
        vectors = []
        for text in pair:
            states = model(**WORDPIECE([text], return_tensors="pt")).last_hidden_state[0]
            vectors.append({"mean": states.mean(0), "first": states[0], "last": states[-1]}[pooling])
        assert result.score == pytest.approx(torch.cosine_similarity(*vectors, dim=0).item())
        alone = explainer(pair)
        assert [t.relevance for t in alone.tokens] == pytest.approx([t.relevance for t in result.tokens])
        assert abs(alone.ledger.residue) < 1e-9
        assert {word.part for word in result.words} == {"first", "second"}


def test_a_continuation_explains_every_token_by_those_before():
    model = gpt2(BYTES)
    explainer = TextExplainer(model, BYTES, rules=CP_LRP, score="logit")
    result = explainer.continuation("the plot was", "terrible film")
    whole = explainer("the plot was", target="terrible film")
    assert result.scores.sum() == pytest.approx(whole.score)
    np.testing.assert_allclose(result.matrix.sum(0), [token.relevance for token in whole.tokens], atol=1e-10)
    outputs, inputs = result.matrix.shape
    later = np.arange(inputs)[None, :] > np.arange(outputs)[:, None] + (inputs - outputs)
    assert (result.matrix[later] == 0).all()
    assert (result.matrix[~later] != 0).all()
    table = result.to_frame("tokens")
    assert len(table) == outputs * inputs
    assert table["relevance"].isna().to_numpy().reshape(outputs, inputs).tolist() == later.tolist()
    assert "".join(result.outputs) == result.continuation == " terrible film"
    assert len(explainer.continuation("the plot was", longest=3).outputs) <= 3


def test_a_continuation_of_an_encoder_decoder_is_its_answer():
    explainer = TextExplainer(t5(UNIGRAM), UNIGRAM, rules=CP_LRP)
    result = explainer.continuation("the plot was bad", longest=4)
    whole = explainer("the plot was bad", target=result.continuation)
    assert {token.part for token in result.inputs} >= {"source", "added"}
    if len(result.outputs) + 1 == sum(token.side == "decoder" for token in whole.tokens):
        np.testing.assert_allclose(
            result.matrix.sum(0), [token.relevance for token in whole.tokens][: result.matrix.shape[1]]
        )
