"""Phrases, words at a mask and answers are tokenized in their context."""

import re

import numpy as np
import pytest
import torch

from lrp_domains import CP_LRP
from lrp_domains.text import TextError, TextExplainer
from lrp_domains.text.arguments import Request
from lrp_domains.text.tokens.encoding import encode
from lrp_domains.text.tokens.phrases import continuing, generated, without_end
from lrp_domains.text.tokens.spacing import with_space
from lrp_domains.text.tokens.vocabulary import readable, spell

from .small_models import bert, gpt2, t5
from .small_tokenizers import WITH_WORD_MARKS, tokenizer_of

WORDPIECE, BYTES, UNIGRAM, LEGACY = (tokenizer_of(kind) for kind in ("wordpiece", "byte-level", "unigram", "legacy"))


def phrase_after(kind, text, phrase, spaced=None):
    (encoding,) = encode(tokenizer_of(kind), [(text,)])
    return continuing(tokenizer_of(kind), phrase, without_end(tokenizer_of(kind), encoding), spaced=spaced)


@pytest.mark.parametrize("kind", [*WITH_WORD_MARKS, "byte-level", "unigram", "wordpiece"])
@pytest.mark.parametrize(
    "text, phrase, space",
    [
        ("the plot was", "terrible film", " "),
        ("the plot was bad", "!", ""),
        ("good or bad?\n", "good", ""),
        ('the plot : "', "good", ""),
        ("2+2=", "4", ""),
        ("2", "4", ""),
        ("was it good (", "too", ""),
        ("[INST] was it good [/INST]", "too", ""),
        ("the plot was", " bad", ""),
        ("the food was good .", "the", " "),
    ],
)
def test_a_phrase_has_the_tokens_that_it_has_after_its_text(kind, text, phrase, space):
    tokenizer = tokenizer_of(kind)
    if tokenizer.unk_token_id in tokenizer(text + phrase, add_special_tokens=False)["input_ids"]:
        pytest.skip("the vocabulary has no token for it")
    before, together = (tokenizer(t, add_special_tokens=False)["input_ids"] for t in (text, text + space + phrase))
    result = phrase_after(kind, text, phrase)
    kept = len(before) - result.replaces
    assert list(result.ids) == together[kept:]
    assert before[:kept] == together[:kept]
    assert (result.note is None) == (result.replaces == 0)
    assert result.text.endswith(phrase) and len(result.text) >= len(space + phrase)
    assert (result.spans[:, 0] <= result.spans[:, 1]).all() and result.spans[-1, 1] == len(result.text)


def test_no_mark_of_a_word_is_put_where_no_word_begins():
    for kind in ("legacy", "metaspace-first"):
        pieces = tokenizer_of(kind).convert_ids_to_tokens(phrase_after(kind, "a plot", "!").ids)
        assert pieces == ["!"]
        assert tokenizer_of(kind).convert_ids_to_tokens(phrase_after(kind, "the", "film").ids)[0].startswith("▁")


@pytest.mark.parametrize(
    "text, phrase, spaced, written",
    [
        ("a", "b", None, " b"), ("a", "b", False, "b"), ("a", "b", True, " b"), ("(", "b", True, " b"),
        ("a ", "b", True, "b"), ("a", " b", True, " b"), ("", "b", True, "b"), ("a", "1", None, " 1"),
        ("1", "2", None, "2"), ("e\u0301", "b", None, " b"), ("a.", "b", None, " b"), ("a”", "b", None, " b"),
        ("a'", "b", None, "b"), ("a-", "b", None, "b"), ("a $", "5", None, "5"), ("电影", "好", None, "好"),
        ("电影", "b", None, "b"), ("a", "!", None, "!"), ("क\u093f", "ख", None, " ख"), ("a 🤗", "b", None, "b"),
    ],
)  # fmt: skip
def test_a_space_is_put_where_words_would_run_together(text, phrase, spaced, written):
    assert with_space(BYTES, text, phrase, spaced) == written


@pytest.mark.parametrize(
    "text, spaced",
    [
        ('She said "no"', True), ("She said 'no'", True), ("don't say 'no'", True), ('he said "no" and "', False),
        ('"a" and "b"', True), ('{"name": "', False), ('{"name": "a", "city": "', False), ('{"name"', True),
        ("{'a': 'b', '", False), ("['", False), ("x['a']['", False), ("x['a']", True), ("l'", False),
        ("l'arte dell'", False), ("l' arte dell'", False), ('a 5"', False), ('5" by 6"', False), ('"', False),
        ('x="', False), ('a 5" film\n"bad"', True), ('he said "no"\n"', False), ("the dogs'", False), ('x=""', True),
        ("as shown [1]", True), ("[sic]", True), ("a {user}", True), ("{", False), ("[", False), ("2+2=", False),
        ("[INST] a [/INST]", False), ("[INST]", False), ("[/user]", False), ("<b>", False), ("</s>", False),
        ("<|user|>", False), ("a\n", False), ("a *", False), ("a #", False), ("a —", False), ("a/", False),
    ],
)  # fmt: skip
def test_a_space_follows_a_mark_that_closes(text, spaced):
    assert with_space(BYTES, text, "yes", None) == (" yes" if spaced else "yes")
    assert with_space(BYTES, text, "!", None) == "!"


def test_no_space_follows_a_special_token():
    tokenizer = type(LEGACY)(tokenizer_object=LEGACY.backend_tokenizer, unk_token="<unk>", bos_token="<s>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["ASSISTANT"]})
    assert with_space(tokenizer, "a ASSISTANT", "yes", None) == "yes"
    assert with_space(tokenizer, "an assistant", "yes", None) == " yes"
    tokenizer.add_special_tokens({"additional_special_tokens": ["[user]", "{turn}"]})
    assert [with_space(tokenizer, text, "yes", None) for text in ("a [user]", "a {turn}")] == ["yes", "yes"]


def test_a_token_across_the_seam_begins_what_is_explained():
    model = gpt2(BYTES)
    explainer = TextExplainer(model, BYTES, rules=CP_LRP, score="logit")
    result = explainer("the plot was ", target="terrible film")
    plain = explainer("the plot was", target=" terrible film")
    assert result.score == pytest.approx(plain.score)
    assert [t.piece for t in result.tokens] == [t.piece for t in plain.tokens]
    assert result.texts == ("the plot was ", " terrible film")
    assert "joins ' ' at the end of the text and 'terrible film'" in result.notes[0] and not plain.notes
    explainer = TextExplainer(model, BYTES, spaced=False)
    inside = explainer("the plot was terr", target="ible")  # in the vocabulary, terrible is one token
    assert inside.words[-1].text == "was" and inside.target == "terrible"
    with pytest.raises(TextError, match="joins all of ' ' with the phrase"):
        explainer(" ", target="terrible")


def test_contrasted_phrases_may_join_the_text_differently():
    explainer = TextExplainer(gpt2(BYTES), BYTES, rules=CP_LRP, score="logit")
    text = "the plot was "
    parts = [explainer(text, target=target) for target in ("terrible film", "\n\nbad")]
    contrast = explainer(text, target="terrible film", against="\n\nbad")
    assert contrast.score == pytest.approx(parts[0].score - parts[1].score)
    one = explainer(text, target="terrible", against="!")
    logits = explainer.model(**BYTES([text, "the plot was"], padding=True, return_tensors="pt")).logits
    ids = BYTES(" terrible!")["input_ids"]
    assert one.score == pytest.approx((logits[1, 4, ids[0]] - logits[0, 5, ids[1]]).item())
    assert one.target == "terrible against !"


@pytest.mark.parametrize("form", [list, tuple, np.array, torch.tensor])
def test_the_numbers_of_tokens_are_a_phrase(form):
    explainer = TextExplainer(gpt2(BYTES), BYTES, rules=CP_LRP)
    ids = BYTES(" terrible film")["input_ids"]
    expected = explainer("the plot was", target="terrible film")
    result = explainer("the plot was", target=form(ids))
    assert result.score == pytest.approx(expected.score) and result.texts == expected.texts
    assert result.words == expected.words
    both = explainer(["the plot was", "a film"], target=[form(ids), "bad"])
    assert both[0].score == pytest.approx(expected.score)
    assert explainer.continuation("the plot was", form(ids)).scores.sum() == pytest.approx(expected.score)
    assert explainer("the plot was", target=form(ids[:1])).target == expected.words[3].text
    with pytest.raises(TextError, match="999 is not a token"):
        explainer("the plot was", target=form([1, 999]))


def test_a_list_of_numbers_is_a_phrase_for_one_text_and_one_value_per_text_for_a_list():
    explainer = TextExplainer(gpt2(BYTES), BYTES)
    texts, pair, single = ["the plot was", "a film"], BYTES(" terrible!")["input_ids"], BYTES(" wonderful")["input_ids"]
    assert (len(pair), len(single)) == (2, 1)
    expected = explainer(texts[0], target=pair).score
    for target in ([pair], [tuple(pair)], tuple(pair), np.array([pair])):
        assert explainer(texts[:1], target=target)[0].score == pytest.approx(expected)
    per_text = explainer(texts, target=[tuple(pair), single])
    assert [result.target for result in per_text] == ["terrible!", "wonderful"]
    assert [result.target for result in explainer(texts, target=pair)] == ["terrible", "!"]
    assert [result.target for result in explainer(texts, target=tuple(pair))] == ["terrible!"] * 2
    for count, shown in ((1, f"[{pair}]"), (3, f"[{pair}, ...]")):
        advice = f"write target={shown}, one list per text, or target={tuple(pair)} for all"
        with pytest.raises(TextError, match=f"of 2 for {count} text.*" + re.escape(advice)):
            explainer(texts[:1] * count, target=pair)
    with pytest.raises(TextError, match=r"against= is a list of 2 for 3 texts: pass one per text, or one for all$"):
        explainer(texts[:1] * 3, target="good", against=["bad", "worse"])


@pytest.mark.parametrize("text, phrase", [("the film", "👩"), ("a film", "film ж"), ("the plot", "电影很好")])
@pytest.mark.parametrize("model", [gpt2(BYTES), t5(BYTES)], ids=["text-generation", "text2text-generation"])
def test_words_sum_to_tokens_if_the_last_character_is_read_in_part(model, text, phrase):
    result = TextExplainer(model, BYTES, rules=CP_LRP)(text, target=phrase)
    assert result.words[-1].text == phrase.split()[-1] and result.words[-1].relevance != 0
    assert sum(w.relevance for w in result.words) + result.ledger.added == pytest.approx(
        sum(t.relevance for t in result.tokens)
    )


def test_the_spacing_is_a_setting():
    text = "the plot was"
    scores = [TextExplainer(gpt2(BYTES), BYTES, spaced=s)(text, target="good film").score for s in (None, True, False)]
    assert scores[0] == scores[1] != scores[2]
    with pytest.raises(TextError, match="spaced='no': expected True, False or None"):
        TextExplainer(gpt2(BYTES), BYTES, spaced="no")


def test_a_phrase_with_an_unknown_word_is_refused():
    with pytest.raises(TextError, match=r"'a ☃☃' contains something .* no token for \('☃☃'\)"):
        phrase_after("wordpiece", "the ☃ plot", "a ☃☃")
    assert phrase_after("wordpiece", "the ☃ plot", "was").ids  # what is unknown in the text is another matter
    model = t5(UNIGRAM)
    with pytest.raises(TextError, match="'good ☃☃ film' contains something that the model's vocabulary has no token"):
        TextExplainer(model, UNIGRAM)("the plot", target="good ☃☃ film")


def test_special_tokens_of_an_answer_are_part_of_it():
    tokenizer = type(UNIGRAM)(tokenizer_object=UNIGRAM.backend_tokenizer, unk_token="<unk>", eos_token="</s>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<extra_id_0>", "<extra_id_1>"]})
    tokenizer.pad_token = "<pad>"
    model = t5(tokenizer)
    explainer = TextExplainer(model, tokenizer, rules=CP_LRP, score="logit")
    answer = "<extra_id_0> good <extra_id_1>"
    ids = tokenizer(text_target=answer)["input_ids"]
    decoder = torch.tensor([[model.config.decoder_start_token_id, *ids[:-1]]])
    logits = model(input_ids=torch.tensor([tokenizer("the plot")["input_ids"]]), decoder_input_ids=decoder).logits[0]
    result = explainer("the plot", target=answer)
    assert result.texts[1] == answer
    assert result.score == pytest.approx(sum(logits[i, n].item() for i, n in enumerate(ids[:-1])))  # without </s>
    whole = explainer("the plot", target=ids)  # as they are, so with </s>
    assert whole.score == pytest.approx(sum(logits[i, n].item() for i, n in enumerate(ids)))

    # So are those that the model generates; only what frames an answer is not.
    phrase = generated(tokenizer, [*ids, tokenizer.pad_token_id], {0}, {tokenizer.eos_token_id, tokenizer.pad_token_id})
    assert phrase.added.tolist() == [False] * (len(ids) - 1) + [True, True] and phrase.text.split() == answer.split()


def test_a_word_at_a_mask_follows_what_is_before_it():
    explainer = TextExplainer(bert(WORDPIECE, "ForMaskedLM"), WORDPIECE)
    glued = TextExplainer(explainer.model, WORDPIECE, spaced=False)
    assert explainer("the [MASK] was", target="film").target == "film"
    assert explainer("[MASK] was", target="film").target == "film"
    assert explainer("the[MASK] was", target="film").target == "film"
    assert explainer("the[MASK]", target="m").target == "m"
    assert glued("the[MASK]", target="m").target == "##m"
    with pytest.raises(TextError, match=r"joins 'ood' with what is before the mask, 'g'|'ood' is . tokens"):
        glued("g[MASK]", target="ood")
    with pytest.raises(TextError, match="a mask stands for one"):
        explainer("the [MASK] was", target="film was")
    assert explainer("the [MASK] was", target=[20]).score == explainer("the [MASK] was", target=20).score


def test_bytes_of_a_character_are_named_as_bytes():
    assert readable(BYTES, BYTES("👩")["input_ids"][0]) == "<0xF0>"
    assert [readable(BYTES, n) for n in BYTES(" \n")["input_ids"]] in (["␣", "⏎"], ["␣⏎"])


def test_tokens_that_are_part_of_a_character_have_its_place():
    text, spans = spell(BYTES, BYTES("ж👩a")["input_ids"])
    assert text == "ж👩a"
    assert spans.tolist() == [[0, 1], [0, 1], [1, 2], [1, 2], [1, 2], [1, 2], [2, 3]]
    after = spell(LEGACY, LEGACY(" bad", add_special_tokens=False)["input_ids"], LEGACY("plot")["input_ids"])
    assert after[0].endswith(" bad")


def test_requests_keep_what_they_cannot_be():
    with pytest.raises(TextError, match="is a tuple: write a contrast"):
        Request("a", target=("x", "y"))
    assert Request("a", target=[3, 4]).target == (3, 4) and Request("a", target=[3]).target == 3
