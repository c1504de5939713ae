"""Where a space is put between a text and a phrase that continues it."""

import regex

from .special_tokens import special_strings

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
# A phrase that begins like this is a word of a script with spaces, which would run together with the text if that
# ends in such a word or in a mark that closes a clause.
_BEGINS = regex.compile(rf"[[\p{{L}}\p{{N}}]--[{_UNSPACED}]]", regex.V1)
_ENDS = regex.compile(rf"(?:[[\p{{L}}\p{{N}}]--[{_UNSPACED}]]\p{{M}}*|[.,:;!?)»”…،؛؟।\]}}])\Z", regex.V1)
# Tags of templates, such as [INST] and [/INST], are no words, also where they are not tokens.
_TAG = regex.compile(r"\[(?:/[^\[\]\s]*|[A-Z][A-Z_]+)\]\Z")
_APOSTROPHE = regex.compile(r"(?<=[\p{L}\p{N}])'(?=[\p{L}\p{N}])")
_OPENS = regex.compile(r"[\s\p{Ps}\p{Pi}=]")


def with_space(tokenizer, text: str, phrase: str, spaced: bool | None) -> str:
    """Return a phrase as it is written after a text.

    With `spaced` False it follows literally, with True after whitespace. None: a space is put between the two where
    they would run together as words: after a word, a mark that closes a clause, a closing bracket or quotation mark;
    not between digits, nor after whitespace, an opening or other mark, a tag or a special token.
    """
    if not text or spaced is False or text[-1].isspace() or phrase[0].isspace():
        return phrase
    if spaced:
        return " " + phrase
    runs_together = _BEGINS.match(phrase) and (_ENDS.search(text) or _closes_a_quotation(text))
    digits = text[-1].isdigit() and phrase[0].isdigit()
    if not runs_together or digits or _TAG.search(text) or text.endswith(special_strings(tokenizer)):
        return phrase
    return " " + phrase


def _closes_a_quotation(text: str) -> bool:
    """Return whether a text ends in " or ' that closes what the same mark opens in its last line."""
    mark, line = text[-1], text.rsplit("\n", 1)[-1]
    if mark not in "\"'" or _OPENS.match(line[-2:-1] or " "):
        return False
    if mark == "'":
        line = _APOSTROPHE.sub("’", line)
    places = [place for place, letter in enumerate(line) if letter == mark]
    # The mark before opens, unless it follows a letter or digit, as that of inches or an apostrophe does.
    return len(places) % 2 == 0 and not line[: places[-2]][-1:].isalnum()
