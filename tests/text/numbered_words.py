"""A tokenizer without a library: words with numbers."""

import re

VOCABULARY = {"": 0, "?": 1, "not": 2, "a": 3, "good": 4, "bad": 5, "film": 6}


def tokenize(text):
    words = list(re.finditer(r"\w+", text))
    return [VOCABULARY.get(word[0].lower(), 1) for word in words], [word.span() for word in words]
