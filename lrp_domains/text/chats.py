"""Chats: messages as the model's chat template writes them, and the role of each word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .arguments import Message, Request, is_chat
from .errors import TextError


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
    return Written((text,), add, _roles(text, messages))


def _roles(text: str, messages: Sequence[Message]) -> tuple[tuple[int, int, str], ...]:
    """Return which characters each message has; none if the template rewrites one of them."""
    roles, end = [], 0
    for message in messages:
        content = message["content"].strip()
        start = text.find(content, end)
        if start < 0:
            return ()
        end = start + len(content)
        roles.append((start, end, message["role"]))
    return tuple(roles)
