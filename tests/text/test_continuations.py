"""Continuations: words and tokens are those of the text, and long texts leave room."""

import numpy as np
import pytest
import torch

from lrp_domains import CP_LRP
from lrp_domains.text import TextError, TextExplainer
from lrp_domains.text.tokens.vocabulary import spell

from .small_models import gpt2, t5
from .small_tokenizers import tokenizer_of

BYTES, UNIGRAM, LEGACY = (tokenizer_of(kind) for kind in ("byte-level", "unigram", "legacy"))


@pytest.mark.parametrize("tokenizer", [BYTES, LEGACY], ids=["byte-level", "legacy"])
def test_words_sum_tokens_in_rows_and_columns(tokenizer):
    explainer = TextExplainer(gpt2(tokenizer), tokenizer, rules=CP_LRP)
    result = explainer.continuation("the plot was bad", "wonderful terrible film")
    assert result.words.relevance.sum() == pytest.approx(result.matrix.sum())
    assert result.words.scores.sum() == pytest.approx(result.scores.sum())
    assert result.words.outputs == ("wonderful", "terrible", "film")
    read = [word.text for word in result.words.inputs if word.part == "text"]
    assert read == ["the", "plot", "was", "bad"]
    # By hand: the rows of "terrible" and the columns of "plot".
    ends = np.cumsum([len(text) for text in result.outputs])
    rows = np.flatnonzero((ends > len(" wonderful")) & (ends <= len(" wonderful terrible")))
    columns = [i for i, t in enumerate(result.inputs) if t.part == "text" and t.start >= 3 and t.end <= 8]
    number = [word.text for word in result.words.inputs].index("plot")
    assert result.words.relevance[1, number] == pytest.approx(result.matrix[np.ix_(rows, columns)].sum())
    table = result.to_frame()
    assert table["relevance"].sum() == pytest.approx(result.matrix.sum())
    unread = table.query("said == 'wonderful' and read == 'terrible'")
    assert unread["relevance"].isna().all() and len(unread) == 1
    with pytest.raises(TextError, match="of='word' is not a matrix; did you mean 'words'"):
        result.to_frame("word")


@pytest.mark.parametrize("continuation", ["good 👩‍👩‍👧 naïve", None])
def test_tokens_are_slices_of_the_text(continuation):
    explainer = TextExplainer(gpt2(BYTES), BYTES)
    text = "a 👩‍👧 \n\n film"
    result = explainer.continuation(text, continuation, longest=4)
    shown = [*result.outputs, *(token.text for token in result.inputs)]
    pieces = result.text + result.continuation
    assert all(piece in pieces for piece in shown)
    if continuation is not None:
        assert result.continuation == continuation or result.continuation == " " + continuation
        assert not any(letter in piece for piece in shown for letter in "\ufffdĠâĢ")
        assert "👩‍👩‍👧" in result.words.outputs


def test_generated_tokens_are_spelled_as_they_follow_the_text():
    explainer = TextExplainer(gpt2(LEGACY), LEGACY)
    result = explainer.continuation("the plot was", longest=5)
    ids = LEGACY(result.text + result.continuation)["input_ids"]
    assert LEGACY.decode(ids, skip_special_tokens=True) == result.text + result.continuation
    assert "".join(result.outputs) == result.continuation


def test_a_text_that_is_cut_leaves_room_for_what_follows():
    text, phrase = " ".join(["the plot was bad ."] * 30), "wonderful terrible film"
    model = gpt2(BYTES)
    explainer = TextExplainer(model, BYTES, long="truncate", score="logit")
    with pytest.warns(UserWarning, match="tokens were cut off"):
        result = explainer(text, target=phrase)
    phrases = sum(token.part == "continuation" for token in result.tokens)
    assert len(result.tokens) == 64 and phrases >= 2
    kept = text[min(token.start for token in result.tokens if token.part == "text") :]
    assert result.score == pytest.approx(TextExplainer(model, BYTES, score="logit")(kept, target=phrase).score)
    with pytest.warns(UserWarning, match="tokens were cut off"):
        given = explainer.continuation(text, phrase)
    assert given.matrix.shape[1] == 64 and "cut off" in given.notes[0]
    assert given.scores.sum() == pytest.approx(result.score)
    with pytest.warns(UserWarning, match="tokens were cut off"):
        generated = explainer.continuation(text, longest=6)
    assert len(generated.outputs) == 6 or generated.outputs[-1] == "<|endoftext|>"
    assert generated.matrix.shape[1] <= 64

    full = " ".join(text.split()[:25])
    length = len(BYTES(full)["input_ids"])
    rest = TextExplainer(model, BYTES).continuation(full, longest=200)  # as many as the model can read
    assert len(rest.outputs) == 64 - length + 1 or rest.outputs[-1] == "<|endoftext|>"
    with pytest.raises(TextError, match=r"with its continuation .* or pass long='truncate'"):
        TextExplainer(model, BYTES)(full, target=phrase * 9)
    with pytest.raises(TextError, match="leaves no room for a text in the 64"):
        explainer(text, target=phrase * 40)


def test_an_answer_in_words():
    explainer = TextExplainer(t5(UNIGRAM), UNIGRAM, rules=CP_LRP)
    result = explainer.continuation("the plot was bad", "good wonderful film")
    assert result.words.outputs == ("good", "wonderful", "film")
    assert result.words.relevance.sum() == pytest.approx(result.matrix.sum())
    assert {word.part for word in result.words.inputs} == {"source", "target", "added"}
    source = [word.part == "source" for word in result.words.inputs]
    assert result.words.read[:, source].all()


@pytest.mark.parametrize("kind", ["byte-level", "legacy"])
def test_a_predicted_number_without_a_token_is_shown_as_its_number(kind):
    tokenizer = tokenizer_of(kind)
    model, number = gpt2(tokenizer, vocab_size=len(tokenizer) + 8, tie_word_embeddings=False), len(tokenizer) + 3
    model.lm_head = torch.nn.Linear(model.config.n_embd, len(tokenizer) + 8).to(model.dtype)
    with torch.no_grad():
        model.lm_head.bias[number] = 1e3
    explainer = TextExplainer(model, tokenizer, rules=CP_LRP)
    result, plain = explainer.continuation("the plot was", longest=3), explainer("the plot was")
    assert plain.target == plain.prediction == f"<{number}>"
    assert result.outputs == (f"<{number}>",) * 3 and result.continuation == f"<{number}>" * 3
    assert result.inputs[-1].piece == result.inputs[-1].text == f"<{number}>"
    assert result.words.relevance.sum() == pytest.approx(result.matrix.sum())
    assert (
        spell(tokenizer, [*tokenizer("bad", add_special_tokens=False)["input_ids"], number])[0].strip()
        == f"bad<{number}>"
    )


def test_a_tokenizer_that_raises_for_a_number_without_a_token():
    tokenizer = tokenizer_of("byte-level")

    class Raising(type(tokenizer)):
        def convert_ids_to_tokens(self, ids, **options):
            if max(ids) >= len(self):
                raise IndexError("piece id is out of range.")
            return super().convert_ids_to_tokens(ids, **options)

    raising = Raising(tokenizer_object=tokenizer.backend_tokenizer)
    assert spell(raising, [*tokenizer("bad")["input_ids"], 9999])[0] == "bad<9999>"
