"""Special tokens are added once, chats are read as their template writes them, and what is unknown is reported."""

import numpy as np
import pytest
import torch

from lrp_domains import CP_LRP
from lrp_domains.text import TextError, TextExplainer
from lrp_domains.text.arguments import Request
from lrp_domains.text.chats import written
from lrp_domains.text.tokens.encoding import encode

from .small_models import bert, gpt2
from .small_tokenizers import SENTENCES, python_tokenizer, tokenizer_of

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}{{ m.content + eos_token }}"
    "{% else %}{{ '[INST] ' + m.content + ' [/INST]' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ ' so : ' }}{% endif %}"
)
CHAT = [{"role": "user", "content": "was the plot good"}]
MORE = [*CHAT, {"role": "assistant", "content": "it was bad"}, {"role": "user", "content": "was the food good"}]


def chat_tokenizer(kind="legacy"):
    kind = tokenizer_of(kind)
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<unk>"}
    return type(kind)(tokenizer_object=kind.backend_tokenizer, chat_template=TEMPLATE, model_max_length=64, **names)


def ids_of(result, tokenizer):
    return tokenizer.convert_tokens_to_ids([token.piece for token in result.tokens])


@pytest.mark.parametrize("chat", [CHAT, MORE])
def test_a_chat_is_read_as_the_template_writes_it(chat):
    tokenizer = chat_tokenizer()
    explainer = TextExplainer(gpt2(tokenizer), tokenizer, rules=CP_LRP)
    result = explainer(chat)
    expected = tokenizer.apply_chat_template(chat, add_generation_prompt=True)["input_ids"]
    assert ids_of(result, tokenizer) == expected
    assert result.text == tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    assert not result.notes and not any(token.part == "added" for token in result.tokens)

    roles = {}
    for word in result.words:
        roles.setdefault(word.role, []).append(word.text)
    assert roles["user"] == "was the plot good".split() + ("was the food good".split() if chat is MORE else [])
    assert roles.get("assistant", []) == ("it was bad".split() if chat is MORE else [])
    assert {"<s>", "so"} <= set(roles[""])

    # The same as a text, which already has its special tokens.
    text = explainer(result.text)
    assert [token[:5] for token in text.tokens] == [token[:5] for token in result.tokens]
    assert "has special tokens (<s> ...), so the tokenizer added none" in text.notes[0]
    batch = explainer([chat, SENTENCES[0], CHAT])
    assert batch[0].score == pytest.approx(result.score) and batch[2].words[-2].text == ":"
    phrase = explainer(chat, target="good")
    assert explainer.continuation(chat, "good").scores.sum() == pytest.approx(phrase.score)


def test_a_chat_that_ends_with_an_answer_continues_it():
    tokenizer = chat_tokenizer()
    result = TextExplainer(gpt2(tokenizer), tokenizer)(MORE[:2])
    assert result.text.endswith("it was bad")
    classifier = TextExplainer(gpt2(tokenizer, "ForSequenceClassification", num_labels=2), tokenizer)
    assert classifier(MORE[:2]).text.endswith("it was bad</s>")
    assert classifier(CHAT).text.endswith("[/INST]")


NAMED = (
    "{% for m in messages %}<{{ m.role }}>\n{{ m.content | trim if trims else m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.mark.parametrize("trims", ["true", "false"])
@pytest.mark.parametrize(
    "contents", [["user"], ["e", "was"], ["good ", "assistant", " user"], ["bad", "bad", "bad"], ["\ue0000;", "", "er"]]
)
def test_roles_are_those_of_contents_wherever_the_template_writes_the_same(contents, trims):
    tokenizer = tokenizer_of("byte-level")
    tokenizer = type(tokenizer)(tokenizer_object=tokenizer.backend_tokenizer)
    tokenizer.chat_template = NAMED.replace("trims", trims)
    roles = ["user", "assistant", "user"][: len(contents)]
    chat = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=True)]
    request, end, expected = Request(chat), 0, []
    text = written(request, tokenizer, add_special_tokens=None, continues=True)
    for role, content in zip(roles, contents, strict=True):
        start = text.texts[0].index(f"<{role}>\n", end) + len(f"<{role}>\n")
        start += 0 if trims == "true" else len(content) - len(content.lstrip())
        end = start + len(content.strip())
        expected += [(start, end, role)] if content else []
    assert list(text.roles) == expected

    explainer = TextExplainer(gpt2(tokenizer), tokenizer)
    words = [word for word in explainer(chat, target="good").words if word.role]
    covered = {(n, word.role) for word in words for n in range(word.start, word.end)}
    assert covered == {(n, role) for start, end, role in expected for n in range(start, end)}
    inputs = explainer.continuation(chat, "good").words.inputs
    assert [(word.start, word.role) for word in inputs if word.role] == [(word.start, word.role) for word in words]


def test_a_template_that_rewrites_a_content_has_no_roles():
    tokenizer = chat_tokenizer("byte-level")
    tokenizer.chat_template = "{% for m in messages %}{{ m.content | upper | replace('GOOD', 'bad') }} {% endfor %}"
    assert not written(Request(CHAT), tokenizer, add_special_tokens=None, continues=False).roles


def test_a_chat_is_a_stream_of_one_and_has_roles_in_tables():
    tokenizer = chat_tokenizer()
    explainer = TextExplainer(gpt2(tokenizer), tokenizer)
    (streamed,) = explainer.stream(MORE, "good")
    assert streamed == explainer(MORE, target="good")
    words = streamed.to_frame("words")
    assert list(words["role"]) == [word.role for word in streamed.words] and set(words["role"]) >= {"user", "assistant"}
    assert "role" in explainer(["it was bad", CHAT]).to_frame() and "role" not in streamed.to_frame("texts")
    assert "role" not in explainer(["it was bad"]).to_frame()


def test_a_chat_is_not_a_reference_but_what_the_template_writes_is():
    tokenizer = chat_tokenizer()
    explainer = TextExplainer(gpt2(tokenizer), tokenizer)
    for call in (
        lambda: explainer(CHAT, reference=CHAT),
        lambda: explainer([CHAT, CHAT], reference=MORE),
        lambda: explainer([CHAT, CHAT], reference=[CHAT, CHAT]),
        lambda: next(explainer.stream([CHAT], reference=CHAT)),
        lambda: TextExplainer(explainer.model, tokenizer, reference=CHAT),
    ):
        with pytest.raises(TextError, match="a chat is not a reference: pass it as the tokenizer's template writes it"):
            call()
    other = [{"role": "user", "content": CHAT[-1]["content"].replace("good", "bad")}]
    written = tokenizer.apply_chat_template(other, add_generation_prompt=True, tokenize=False)
    result = explainer(CHAT, target="good", reference=written)
    assert [(word.text, word.reference) for word in result.words if word.relevance] == [("good", "bad")]
    assert result.words[-1].reference and sum(word.relevance for word in result.words) == pytest.approx(result.score)


def test_an_invalid_chat_is_refused():
    tokenizer = chat_tokenizer()
    explainer = TextExplainer(gpt2(tokenizer), tokenizer)
    for chat in ([{"role": "user"}], [{"role": "user", "content": ["a"]}]):
        with pytest.raises(TextError, match="message 0 of the chat: expected a role and its content"):
            explainer(chat)
    plain = tokenizer_of("legacy")
    with pytest.raises(TextError, match="the tokenizer has no chat template"):
        TextExplainer(gpt2(plain), plain)(CHAT)
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(TextError, match="template refused the chat: roles must alternate"):
        explainer(CHAT)


def test_special_tokens_are_a_setting():
    tokenizer, text = chat_tokenizer(), "<s>[INST] was it good [/INST]"
    inner = tokenizer(text, add_special_tokens=False)["input_ids"]
    for setting, expected in ((None, inner), (False, inner), (True, [tokenizer.bos_token_id, *inner])):
        result = TextExplainer(gpt2(tokenizer), tokenizer, add_special_tokens=setting)(text)
        assert ids_of(result, tokenizer) == expected
        assert len(result.notes) == (setting is None)
    result = TextExplainer(gpt2(tokenizer), tokenizer, add_special_tokens=False)("was it good")
    assert ids_of(result, tokenizer) == tokenizer("was it good", add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize(
    "kind, text, added",
    [
        ("wordpiece", "[CLS] a film [SEP]", 0),
        ("wordpiece", "a film [SEP]", 2),  # ends as BERT's, but doesn't begin so
        ("wordpiece", "a [CLS] film", 2),
        ("unigram", "a film</s>", 0),  # T5 adds nothing in front
        ("unigram", "</s> a film", 1),
        ("byte-level", "<|endoftext|>a", 0),  # GPT-2 adds nothing
        ("bpe", "<s> a film", 0),
    ],
)
def test_special_tokens_are_added_unless_the_text_has_them(kind, text, added):
    (encoding,) = encode(tokenizer_of(kind), [(text,)])
    assert (encoding.part < 0).sum() == added
    (pair,) = encode(tokenizer_of(kind), [(text, "a film")])
    assert pair.framed


@pytest.mark.parametrize("names", [{}, {"unk_token": "<|endoftext|>"}])
def test_a_special_token_in_a_text_is_one_word_and_stays_in_references_also_where_it_is_the_unknown_token(names):
    plain = tokenizer_of("byte-level")
    roles = {"eos_token": "<|endoftext|>", "pad_token": "[PAD]"} | names
    tokenizer = type(plain)(tokenizer_object=plain.backend_tokenizer, **roles)
    explainer = TextExplainer(gpt2(tokenizer), tokenizer)
    result = explainer("a film<|endoftext|> good", reference="pad")
    assert [(word.text, word.reference) for word in result.words] == [
        ("a", "[PAD]"), ("film", "[PAD][PAD][PAD]"), ("<|endoftext|>", ""), ("good", "[PAD]"),
    ]  # fmt: skip


def test_what_the_unknown_token_replaces_is_no_special_token():
    plain = tokenizer_of("legacy")
    tokenizer = type(plain)(tokenizer_object=plain.backend_tokenizer, unk_token="<unk>", pad_token="<unk>")
    (encoding,) = encode(tokenizer, [("good ☃ <unk>",)], False)
    unknown = [encoding.written(token) for token in np.flatnonzero(encoding.inputs["input_ids"] == 0)]
    assert unknown == ["☃", "<unk>"]
    assert [encoding.written(token) for token in np.flatnonzero(encoding.special)] == ["<unk>"]


def test_the_note_names_a_special_token_of_the_text():
    (encoding,) = encode(tokenizer_of("unigram"), [("a film</s>",)])
    assert not encoding.framed and encoding.notes[0].startswith("the text has special tokens (</s> ...)")


def test_what_is_unknown_is_reported():
    for tokenizer in (tokenizer_of("wordpiece"), python_tokenizer()):
        explainer = TextExplainer(bert(tokenizer), tokenizer)
        result = explainer("a good ☃☃ film 🤗 [UNK]")
        assert result.notes == ("2 tokens are unknown to the model: '☃☃', '🤗'",)
        assert explainer("a good film").notes == ()
        pair = explainer(("a 🤗", "film"))
        assert pair.notes == ("1 token is unknown to the model: '🤗'",)


def test_a_reference_is_split_as_its_text_is():
    tokenizer = chat_tokenizer()
    explainer = TextExplainer(gpt2(tokenizer), tokenizer)
    result = explainer("<s>[INST] was it good [/INST]", reference="<s>[INST] it was good [/INST]")
    changed = [word.text for word in result.words if abs(word.relevance) > 1e-12]
    assert changed == ["was", "it"] and np.isfinite(result.score)


def test_a_doubled_start_changes_the_prediction_and_is_avoided():
    tokenizer = chat_tokenizer("metaspace-first")
    model = gpt2(tokenizer)
    text = tokenizer.apply_chat_template(CHAT, tokenize=False)
    ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    expected = model(input_ids=ids).logits[0, -1].softmax(0).max().item()
    assert TextExplainer(model, tokenizer)(text).probability == pytest.approx(expected)
    doubled = TextExplainer(model, tokenizer, add_special_tokens=True)(text).probability
    assert doubled != pytest.approx(expected)
