"""Chats: messages as the model's chat template writes them, and the role of each word."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .arguments import Message, Request, is_chat
from .errors import TextError
from .results.relevance import Word


@dataclass(frozen=True)
class Written:
    """The texts of a request as the model reads them.

    Attributes
    ----------
    texts
        A text as a tuple of one, a pair as a tuple of two.
    add_special_tokens
        Whether the tokenizer adds its special tokens; None: unless the text has them.
    roles
        Which characters of a chat are the content of a message, as start, end and role.
    """

    texts: tuple[str, ...]
    add_special_tokens: bool | None = None
    roles: tuple[tuple[int, int, str], ...] = ()

    def role(self, start: int, end: int) -> str:
        """Return the role of the message that has these characters; empty for those of the template."""
        return next((role for first, last, role in self.roles if first <= start and end <= last), "")

    def with_roles(self, words: tuple[Word, ...], part: str) -> tuple[Word, ...]:
        """Return words with the role of their message, if they are in the text that is named `part`."""
        if not self.roles:
            return words
        return tuple(
            word._replace(role=self.role(word.start, word.end)) if word.part == part else word for word in words
        )


def written(request: Request, tokenizer, *, add_special_tokens: bool | None, continues: bool) -> Written:
    """Return the texts of a request; a chat as the tokenizer's template writes it.

    Parameters
    ----------
    request
        The request.
    tokenizer
        The model's.
    add_special_tokens
        See `Settings`. None: a template writes all special tokens itself.
    continues
        Whether the model continues a text: the template then ends with the beginning of an answer, unless the last
        message is one.
    """
    if not is_chat(request.text):
        return Written(request.texts, add_special_tokens)
    if not getattr(tokenizer, "chat_template", None):
        raise TextError(
            "a chat was given, but the tokenizer has no chat template: set tokenizer.chat_template, or pass a text"
        )
    answered = request.text[-1]["role"] == "assistant"
    options = {"add_generation_prompt": continues and not answered, "continue_final_message": continues and answered}
    messages = [dict(message) for message in request.text]
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False, **options)
    except Exception as error:  # templates raise errors of jinja, and by themselves
        raise TextError(f"the tokenizer's chat template refused the chat: {error}") from error
    add = False if add_special_tokens is None else add_special_tokens
    return Written((text,), add, _roles(text, messages, tokenizer, options))


def _roles(
    text: str, messages: Sequence[Message], tokenizer, options: Mapping[str, bool]
) -> tuple[tuple[int, int, str], ...]:
    """Return which characters each message has; none if the template rewrites one of them.

    The template writes the chat once more with a placeholder for each content, because a content such as "user" may
    also be written by the template.
    """
    sign = _SIGN
    while sign in text or any(sign in message["content"] for message in messages):
        sign += _SIGN
    contents = [message["content"].strip() for message in messages]
    # Whitespace around a content stays, as templates may strip it or not.
    marked = [
        dict(message, content=message["content"].replace(content, f"{sign}{number};")) if content else message
        for number, (message, content) in enumerate(zip(messages, contents, strict=True))
    ]
    try:
        pieces = re.split(f"{sign}([0-9]+);", tokenizer.apply_chat_template(marked, tokenize=False, **options))
    except Exception:  # a template may require something of a content
        return ()

    # Templates and contents by turns.
    roles, rebuilt = [], pieces[0]
    for number, template in zip(map(int, pieces[1::2]), pieces[2::2], strict=True):
        start, end = len(rebuilt), len(rebuilt) + len(contents[number])
        roles.append((start, end, messages[number]["role"]))
        rebuilt += contents[number] + template
    return tuple(roles) if rebuilt == text else ()


_SIGN = "\ue000"  # for private use, so that neither a template nor a message has it
