"""Encoder-decoders: what their decoder reads, and how much of it."""

import pytest
import torch
import transformers

from lrp_domains import CP_LRP
from lrp_domains.text import TextError, TextExplainer
from lrp_domains.text.tokens.lengths import longest, longest_answer

from .small_models import BERT, bart, t5, with_random_weights
from .small_tokenizers import SENTENCES, tokenizer_of

UNIGRAM, WORDPIECE = tokenizer_of("unigram"), tokenizer_of("wordpiece")
LONG = " ".join(SENTENCES)


def bert_twice(**decoder):
    """Return an encoder-decoder made of two BERTs of different lengths."""
    sizes = BERT | {"vocab_size": len(WORDPIECE)}
    decoder = transformers.BertConfig(**(sizes | {"is_decoder": True, "add_cross_attention": True} | decoder))
    config = transformers.EncoderDecoderConfig(
        encoder=transformers.BertConfig(**sizes).to_dict(), decoder=decoder.to_dict()
    )
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 2, 0, 3
    return with_random_weights(transformers.EncoderDecoderModel(config))


@pytest.mark.parametrize("options", [{"target": LONG}, {"target": "film", "against": LONG}])
def test_an_answer_that_the_decoder_cannot_read_raises(options):
    count = len(UNIGRAM(LONG)["input_ids"])
    explainer = TextExplainer(bart(UNIGRAM), UNIGRAM)
    message = rf"text 0: the answer 'not a good .*' has {count} tokens, but the model's decoder reads 64 at once: short"
    with pytest.raises(TextError, match=message):
        explainer("the plot", **options)
    with pytest.raises(TextError, match=message.removeprefix("text 0: ")):
        explainer.continuation("the plot", LONG)


def test_an_answer_as_long_as_the_decoder_reads_is_explained():
    count = len(UNIGRAM("good film")["input_ids"])
    model = bart(UNIGRAM, max_position_embeddings=count)
    explainer = TextExplainer(model, UNIGRAM, score="logit", rules=CP_LRP)
    (ids,) = UNIGRAM("good film", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        read = torch.cat([torch.tensor([1]), ids[:-1]])[None]
        logits = model(UNIGRAM("a", return_tensors="pt")["input_ids"], decoder_input_ids=read).logits[0]
    score = logits[torch.arange(count - 1), ids[:-1]].sum().item()  # </s> is not explained
    assert explainer("a", target="good film").score == pytest.approx(score)


def test_the_decoder_generates_no_more_than_it_reads():
    for positions in (5, 20):
        model = bart(UNIGRAM, max_position_embeddings=positions, forced_eos_token_id=None)
        explainer = TextExplainer(model, UNIGRAM, score="logit")
        ids, read = UNIGRAM("a film", return_tensors="pt")["input_ids"], [1]
        with torch.no_grad():
            for _ in range(positions):
                read.append(model(ids, decoder_input_ids=torch.tensor([read])).logits[0, -1].argmax().item())
        assert UNIGRAM.eos_token_id not in read[1:]
        answer = UNIGRAM.decode(read[1:])
        assert explainer.continuation("a film", longest=100).continuation == answer
        assert explainer("a film").texts == ("a film", answer)


def test_each_side_of_a_model_has_its_limit():
    model = bert_twice(max_position_embeddings=8)
    assert (longest(model, WORDPIECE), longest_answer(model)) == (64, 8)
    sizes = {"max_encoder_position_embeddings": 48, "max_decoder_position_embeddings": 16, "attention_window": 8}
    sizes |= {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    led = transformers.LEDForConditionalGeneration(transformers.LEDConfig(vocab_size=len(UNIGRAM), **sizes, **heads))
    assert (longest(led, UNIGRAM), longest_answer(led)) == (48, 16)
    relative = t5(UNIGRAM, n_positions=16)
    assert (longest(relative, UNIGRAM), longest_answer(relative)) == (16, None)

    explainer = TextExplainer(model, WORDPIECE, embedding="*.word_embeddings", rules=CP_LRP)
    assert abs(explainer("the plot was bad", target="good film").ledger.residue) < 1e-9
    with pytest.raises(TextError, match="the model's decoder reads 8 at once"):
        explainer("the plot was bad", target=LONG)
    with pytest.raises(TextError, match=r"has \d+ tokens, but the model reads 64 at once"):
        explainer(LONG, target="good film")
