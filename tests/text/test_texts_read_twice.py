"""Encoder-decoders that don't generate: their decoder reads the text again, and both sides count."""

import numpy as np
import pytest
import torch
import transformers

from lrp_domains import CP_LRP, capture, relevance
from lrp_domains.text import TextError, TextExplainer
from lrp_domains.text.heads.answers import LONGEST_ANSWER
from lrp_domains.text.models.sentence_encoder import SentenceEncoder

from .small_models import bart, t5, with_random_weights
from .small_tokenizers import SENTENCES, tokenizer_of

UNIGRAM, WORDPIECE, BPE = (tokenizer_of(kind) for kind in ("unigram", "wordpiece", "bpe"))
QUESTION, CONTEXT = "what was bad", SENTENCES[3]


def by_core(model, score, **batch):
    """Return the score of one forward pass and the relevance of each token of each side, by the core alone."""
    with capture(model, "*.embed_tokens") as kept:
        value = score(model(**batch))
    parts = relevance(value, list(kept.values()), rules=CP_LRP)
    return value.item(), np.concatenate([part.sum(-1).flatten().numpy() for part in parts])


def assert_explained(result, score, tokens):
    assert result.score == pytest.approx(score)
    np.testing.assert_allclose([token.relevance for token in result.tokens], tokens, atol=1e-12)
    count = len(tokens) // 2
    assert [token.side for token in result.tokens] == ["encoder"] * count + ["decoder"] * count
    assert abs(result.ledger.residue) < 1e-9


def best_answer(outputs, inside):
    """Return the columns of the best answer within the context, by trying all."""
    starts, ends = outputs.start_logits[0], outputs.end_logits[0]
    columns = [column for column, is_inside in enumerate(inside) if is_inside]
    pairs = [(a, b) for a in columns for b in columns if a <= b < a + LONGEST_ANSWER]
    return max(pairs, key=lambda pair: (starts[pair[0]] + ends[pair[1]]).item())


@pytest.mark.parametrize("new_model", [t5, bart])
def test_an_answer_is_explained_on_both_sides(new_model):
    model = new_model(UNIGRAM, "ForQuestionAnswering")
    explainer = TextExplainer(model, UNIGRAM, rules=CP_LRP, score="logit")
    encoded = UNIGRAM(QUESTION, CONTEXT, return_offsets_mapping=True)
    inside = [number == 1 for number in encoded.sequence_ids(0)]
    offsets, batch = encoded["offset_mapping"], UNIGRAM([QUESTION], [CONTEXT], return_tensors="pt")
    with torch.no_grad():
        start, end = best_answer(model(**batch), inside)

    result = explainer((QUESTION, CONTEXT))
    assert result.prediction == CONTEXT[offsets[start][0] : offsets[end][1]].strip()
    assert_explained(result, *by_core(model, lambda o: o.start_logits[0, start] + o.end_logits[0, end], **batch))
    chosen = [n for n, (a, b) in enumerate(offsets) if inside[n] and a < 29 and b > 21]
    asked = explainer((QUESTION, CONTEXT), at="the food", target="end")
    assert asked.target == "the end of 'the food'"
    assert_explained(asked, *by_core(model, lambda o: o.end_logits[0, chosen[-1]], **batch))
    together = explainer([("who", SENTENCES[0]), (QUESTION, CONTEXT)])[1]
    assert [t.relevance for t in together.tokens] == pytest.approx([t.relevance for t in result.tokens], abs=1e-9)


@pytest.mark.parametrize("new_model", [t5, bart])
def test_the_best_window_is_explained_on_both_sides(new_model):
    model, context = new_model(UNIGRAM, "ForQuestionAnswering"), " ".join(SENTENCES)
    explainer = TextExplainer(model, UNIGRAM, rules=CP_LRP, score="logit", window=30, stride=5, batch_size=3)
    options = {"truncation": "only_second", "max_length": 30, "stride": 5, "return_overflowing_tokens": True}
    encoded = UNIGRAM(QUESTION, context, return_offsets_mapping=True, **options)
    windows = []
    for number, ids in enumerate(encoded["input_ids"]):
        with torch.no_grad():
            outputs = model(torch.tensor([ids]))
        pair = best_answer(outputs, [part == 1 for part in encoded.sequence_ids(number)])
        windows.append(((outputs.start_logits[0, pair[0]] + outputs.end_logits[0, pair[1]]).item(), number, pair))
    _, number, (start, end) = max(windows)
    offsets = encoded["offset_mapping"][number]

    result = explainer((QUESTION, context))
    assert len(windows) > 2 and f"explained is window {number + 1} of {len(windows)}, " in result.notes[-1]
    assert result.prediction == context[offsets[start][0] : offsets[end][1]].strip()
    ids = torch.tensor([encoded["input_ids"][number]])
    of_core = by_core(model, lambda o: o.start_logits[0, start] + o.end_logits[0, end], input_ids=ids)
    assert_explained(result, *of_core)
    assert sum(word.relevance for word in result.words) + result.ledger.added == pytest.approx(of_core[1].sum())
    against = TextExplainer(model, UNIGRAM, window=30, stride=5)((QUESTION, context), reference="pad")
    assert sum(w.relevance for w in against.words) + against.ledger.added == pytest.approx(against.score, abs=1e-6)


def test_no_answer_is_explained_on_both_sides():
    model = bart(WORDPIECE, "ForQuestionAnswering")
    explainer = TextExplainer(model, WORDPIECE, rules=CP_LRP, score="logit")
    ids = WORDPIECE(QUESTION, CONTEXT, return_tensors="pt")["input_ids"]
    result = explainer((QUESTION, CONTEXT), target="no answer")
    assert_explained(result, *by_core(model, lambda o: o.start_logits[0, 0] + o.end_logits[0, 0], input_ids=ids))


def test_the_word_at_a_mask_is_explained_on_both_sides():
    model, text = bart(BPE), "the <mask> was bad"
    explainer = TextExplainer(model, BPE, task="fill-mask", rules=CP_LRP, score="logit")
    batch = BPE([text], return_tensors="pt")
    column = batch["input_ids"][0].tolist().index(BPE.mask_token_id)
    assert_explained(explainer(text), *by_core(model, lambda o: o.logits[0, column].max(), **batch))
    contrast = explainer(text, target=40, against=50)
    score = by_core(model, lambda o: o.logits[0, column, 40] - o.logits[0, column, 50], **batch)
    assert_explained(contrast, *score)
    together = explainer([text, f"{text} and {text.replace('<mask>', 'food')}"], target=40, against=50)[0]
    assert [t.relevance for t in together.tokens] == pytest.approx([t.relevance for t in contrast.tokens], abs=1e-9)


def test_the_states_of_a_decoder_are_compared_on_both_sides():
    model = bart(UNIGRAM, "Model")
    explainer = TextExplainer(model, UNIGRAM, task="sentence-similarity", rules=CP_LRP)
    pair = ("the plot was bad", "a wonderful film")
    first, second = (UNIGRAM([text], return_tensors="pt") for text in pair)
    with capture(model, "*.embed_tokens") as kept:
        vectors = [model(**batch).last_hidden_state[0].mean(0) for batch in (first, second)]
    cosine = torch.cosine_similarity(*vectors, dim=0)
    (*sides,) = (part.sum(-1).flatten() for part in relevance(cosine, list(kept.values()), rules=CP_LRP))

    result = explainer(pair)
    assert result.score == pytest.approx(cosine.item())
    encoder = [token.relevance for token in result.tokens if token.side == "encoder"]
    assert encoder == pytest.approx(torch.cat([sides[0], sides[2]]).tolist())
    decoder = sum(token.relevance for token in result.tokens if token.side == "decoder")
    assert decoder == pytest.approx((sides[1].sum() + sides[3].sum()).item())
    assert abs(result.ledger.residue) < 1e-9


def test_a_decoder_that_does_not_read_the_text_is_refused():
    with pytest.raises(TextError, match=r"T5Model has a decoder, .*: load the model as transformers.T5EncoderModel"):
        TextExplainer(t5(UNIGRAM, "Model"), UNIGRAM, task="sentence-similarity")
    with pytest.raises(TextError, match=r"T5Model has a decoder, .*: load the model as transformers.T5EncoderModel"):
        TextExplainer(SentenceEncoder(t5(UNIGRAM, "Model"), ["mean"]), UNIGRAM)
    sizes = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    sizes |= {"d_model": 16, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8, "pad_token_id": 0, "decoder_start_token_id": 0}
    marian = with_random_weights(transformers.MarianModel(transformers.MarianConfig(vocab_size=len(UNIGRAM), **sizes)))
    with pytest.raises(TextError, match=r"MarianModel has a decoder, .*: pass its encoder, model.get_encoder\(\)"):
        TextExplainer(marian, UNIGRAM, task="sentence-similarity")

    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_heads": 2}
    config = transformers.MT5Config(vocab_size=len(UNIGRAM), **sizes)
    encoder = with_random_weights(transformers.MT5EncoderModel(config))
    result = TextExplainer(encoder, UNIGRAM, task="sentence-similarity", rules=CP_LRP)(("the plot", "a film"))
    assert len(result.tokens) == sum(len(UNIGRAM(text)["input_ids"]) for text in ("the plot", "a film"))


def test_a_sentence_encoder_around_a_model_with_a_decoder_is_the_model():
    model, pair = bart(UNIGRAM, "Model"), ("the plot", "a film")
    plain = TextExplainer(model, UNIGRAM, task="sentence-similarity", rules=CP_LRP)(pair)
    wrapped = TextExplainer(SentenceEncoder(model, ["mean"]), UNIGRAM, rules=CP_LRP)(pair)
    assert wrapped.score == pytest.approx(plain.score)
    assert [t.relevance for t in wrapped.tokens] == pytest.approx([t.relevance for t in plain.tokens])


def test_a_saved_encoder_of_an_encoder_decoder_is_loaded_as_an_encoder(tmp_path):
    encoder, pair = t5(UNIGRAM, "EncoderModel"), ("the plot", "a film")
    encoder.save_pretrained(tmp_path)
    UNIGRAM.save_pretrained(tmp_path)
    loaded = TextExplainer.from_pretrained(tmp_path)
    assert loaded(pair).score == pytest.approx(TextExplainer(encoder, UNIGRAM)(pair).score)


def test_a_text_is_no_longer_than_either_side_reads():
    sizes = {"max_encoder_position_embeddings": 48, "max_decoder_position_embeddings": 24, "attention_window": 8}
    sizes |= {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    sizes |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "pad_token_id": 0}
    config = transformers.LEDConfig(vocab_size=len(UNIGRAM), **sizes)
    model = with_random_weights(transformers.LEDForQuestionAnswering(config))
    with pytest.raises(TextError, match=r"together have \d+ tokens, but the model reads 24 at once"):
        TextExplainer(model, UNIGRAM, long="error")((QUESTION, " ".join(SENTENCES)))
